"""What a model may do with the telephone's keys: choose for a caller who speaks, ask for digits.

A model chooses among the supervisor's options and purposes; it can add none.
"""

import uuid
from collections.abc import Iterator
from typing import Any, Protocol

from livekit.agents import RunContext, llm

from agents.menus import Menu
from agents.plan import CallPlan

CHOOSE, COLLECT = "choose_from_menu", "collect_digits"


class Doer(Protocol):
    def tool_choose(self, key: str) -> str | None: ...
    async def tool_collect(self, purpose: str) -> str: ...


def key_tools(doer: Doer, plan: CallPlan) -> list[llm.Tool | llm.Toolset]:
    """None, if the plan has neither a menu for speech nor digits to collect."""
    tools: list[llm.Tool | llm.Toolset] = []
    if plan.menu and plan.menu.speech:
        tools.append(_chooser(doer, plan.menu))
    if plan.purposes:
        tools.append(_collector(doer, plan))
    return tools


def choice_of(key: str) -> llm.ChatChunk:
    """What a model answers to choose a key."""
    call = llm.FunctionToolCall(
        name=CHOOSE, arguments=f'{{"key": "{key}"}}', call_id=f"call_{uuid.uuid4().hex[:12]}"
    )
    return llm.ChatChunk(
        id=uuid.uuid4().hex, delta=llm.ChoiceDelta(role="assistant", tool_calls=[call])
    )


def _chooser(doer: Doer, menu: Menu) -> llm.Tool:
    keys = sorted({option.digit for page in menu.pages for option in page.options})
    words = (
        "The caller is in a menu of the telephone and says what he could press. "
        f"Choose that key for him. {' '.join(_told(menu))}"
    )

    @llm.function_tool(raw_schema=_schema(CHOOSE, words, "key", keys))
    async def choose_from_menu(raw_arguments: dict[str, object]) -> str | None:
        return doer.tool_choose(str(raw_arguments.get("key", "")))

    return choose_from_menu


def _told(menu: Menu) -> Iterator[str]:
    for page in menu.pages:
        told = (f"{one.digit} ({', '.join(one.names)})" for one in page.options if one.names)
        yield f"Menu {page.name}: {', '.join(told)}."


def _collector(doer: Doer, plan: CallPlan) -> llm.Tool:
    words = (
        "Ask the caller to enter digits on the telephone's keys. The question is spoken by us: "
        "do not ask yourself."
    )
    purposes = [purpose.key for purpose in plan.purposes]

    @llm.function_tool(raw_schema=_schema(COLLECT, words, "purpose", purposes))
    async def collect_digits(raw_arguments: dict[str, object], context: RunContext[Any]) -> str:
        context.disallow_interruptions()  # a word of the caller must not end the question
        return await doer.tool_collect(str(raw_arguments.get("purpose", "")))

    return collect_digits


def _schema(name: str, description: str, argument: str, values: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "description": description,
        "parameters": {
            "type": "object",
            "properties": {argument: {"type": "string", "enum": values}},
            "required": [argument],
            "additionalProperties": False,
        },
    }
