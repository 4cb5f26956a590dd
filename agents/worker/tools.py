"""What a model may do besides talking. No policy: the bot does it, the plan has the words.

Any LLM calls these by name; the embedded engine does too.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from livekit.agents import llm

from agents.plan import CallPlan, Target


class Pauser(Protocol):
    async def tool_pause(self, on: bool) -> str: ...


class Doer(Protocol):
    def tool_end_call(self) -> None: ...
    def tool_request_human(self) -> None: ...
    def tool_transfer_call(self, destination: str) -> str | None: ...


class Nobody:
    """Does nothing; for making the tools' descriptions in advance."""

    def tool_end_call(self) -> None: ...
    def tool_request_human(self) -> None: ...
    def tool_transfer_call(self, destination: str) -> str | None: ...


def tools_of(doer: Doer, targets: Sequence[Target] = ()) -> list[llm.Tool | llm.Toolset]:
    """They return nothing, so the model is not asked for a comment afterwards."""

    @llm.function_tool
    async def end_call() -> None:
        """End the call. Use it when the caller says good-bye or wants nothing more."""
        doer.tool_end_call()

    @llm.function_tool
    async def request_human() -> None:
        """Tell a person that this caller wants to speak to one. Use it when he asks."""
        doer.tool_request_human()

    return [end_call, request_human, *([_transfer(doer, targets)] if targets else [])]


def _transfer(doer: Doer, targets: Sequence[Target]) -> llm.RawFunctionTool[Any, Any]:
    """The model chooses a name of the directory. It neither sees a number nor can it say one."""

    @llm.function_tool(raw_schema=_schema(targets))
    async def transfer_call(raw_arguments: dict[str, object]) -> str | None:
        return doer.tool_transfer_call(str(raw_arguments.get("destination", "")))

    return transfer_call


def _schema(targets: Sequence[Target]) -> dict[str, Any]:
    known = "\n".join(f"- {one.key}: {one.name}, {one.description}" for one in targets)
    return {
        "name": "transfer_call",
        "description": (
            "Put the caller through to somebody of the directory, when he asks for it or only they "
            f"can help. The caller is told; say nothing yourself.\n{known}"
        ),
        "parameters": {
            "type": "object",
            "properties": {"destination": {"type": "string", "enum": [one.key for one in targets]}},
            "required": ["destination"],
            "additionalProperties": False,
        },
    }


def pause_tools(doer: Pauser, plan: CallPlan) -> list[llm.Tool | llm.Toolset]:
    """None, unless the project lets a model pause its recording."""
    if not plan.record or not plan.bot_pauses:
        return []

    @llm.function_tool
    async def pause_recording() -> str:
        """Stop recording this call for a while. Use it when the caller asks for it, or is about to
        say something which must not be recorded."""
        return await doer.tool_pause(True)

    @llm.function_tool
    async def resume_recording() -> str:
        """Let the recording go on, after pause_recording."""
        return await doer.tool_pause(False)

    return [pause_recording, resume_recording]
