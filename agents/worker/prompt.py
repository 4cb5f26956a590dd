"""What models are told, and what stands between their words and the voice."""

from collections.abc import AsyncGenerator, AsyncIterable
from typing import Any

from livekit.agents import llm

from agents import entrance
from agents.plan import CallPlan


def instructions_of(plan: CallPlan) -> str:
    """For models which make up their own words."""
    facts = "\n".join(f"- {entry.question} {entry.answer}" for entry in plan.faq)
    return (
        f"{plan.instructions}\n\nYou speak on the telephone for {plan.name}: short plain "
        f"sentences, no lists, no markup. Answer with these facts, word for word where they fit:\n"
        f"{facts}\nIf you did not understand, or do not know, say: {plan.ask_back}"
    ).strip()


def asks(chat_ctx: llm.ChatContext) -> bool:
    """Whether the caller spoke last."""
    items = chat_ctx.items
    return bool(items) and isinstance(items[-1], llm.ChatMessage) and items[-1].role == "user"


def knowing(chat_ctx: llm.ChatContext, facts: dict[str, str]) -> llm.ChatContext:
    """The conversation with what is known of the caller behind the instructions."""
    if not facts:
        return chat_ctx
    told = chat_ctx.copy()
    words = llm.ChatMessage(role="system", content=[entrance.block(facts)])
    told.items.insert(_after_instructions(told.items), words)
    return told


def _after_instructions(items: list[Any]) -> int:
    first = items[0] if items else None
    return int(isinstance(first, llm.ChatMessage) and first.role == "system")


async def joined(begun: str, rest: AsyncIterable[str]) -> AsyncGenerator[str, None]:
    if begun:
        yield begun
    async for piece in rest:
        yield piece
