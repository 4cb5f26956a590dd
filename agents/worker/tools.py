"""What a model may do besides talking. No policy: the bot does it, the plan has the words.

Any LLM calls these by name; the embedded engine does too.
"""

from typing import Protocol

from livekit.agents import llm


class Doer(Protocol):
    def tool_end_call(self) -> None: ...
    def tool_request_human(self) -> None: ...


class Nobody:
    """Does nothing; for making the tools' descriptions in advance."""

    def tool_end_call(self) -> None: ...
    def tool_request_human(self) -> None: ...


def tools_of(doer: Doer) -> list[llm.Tool | llm.Toolset]:
    """Both return nothing, so the model is not asked for a comment afterwards."""

    @llm.function_tool
    async def end_call() -> None:
        """End the call. Use it when the caller says good-bye or wants nothing more."""
        doer.tool_end_call()

    @llm.function_tool
    async def request_human() -> None:
        """Tell a person that this caller wants to speak to one. Use it when he asks."""
        doer.tool_request_human()

    return [end_call, request_human]
