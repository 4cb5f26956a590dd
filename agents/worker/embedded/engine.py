"""The FAQ engine as an ordinary LLM of livekit-agents: it answers by meaning, or asks back.

No text is made up: it says an answer of the plan, or the plan's ask_back, or calls a tool.
"""

import asyncio
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from livekit.agents import APIConnectOptions, llm
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, NotGivenOr

from agents.plan import CallPlan
from agents.worker.embedded import grammar, meaning

SURE = 0.62  # cosine from which an entry is meant
MARGIN = 0.05  # … if no other entry is as near


@dataclass(frozen=True, slots=True)
class Decision:
    kind: Literal["answer", "ask_back", "request_human", "end_call"]
    entry: int = -1
    score: float = 0.0


class Matcher:
    """Which FAQ entry, or which wish, a sentence means. Blocking: about 10 ms."""

    def __init__(
        self,
        plan: CallPlan,
        vectors: meaning.Matrix | None = None,
        *,
        sure: float = SURE,
        margin: float = MARGIN,
    ) -> None:
        self.plan = plan
        self._sure, self._margin = sure, margin
        self._owners = owners(plan)
        self._vectors = vectors if vectors is not None else vectors_of(plan)
        self._exact = {
            _key(text): owner
            for text, owner in reversed(list(zip(sentences(plan), self._owners, strict=True)))
        }

    def decide(self, text: str) -> Decision:
        # "[unclear] when are you open": what was understood counts
        text = re.sub(r"\[[^]]*\]", " ", text)
        if (decision := self.exact(text)) is not None:
            return decision
        if not any(character.isalnum() for character in text):
            return Decision("ask_back")
        return self._nearest(text)

    def exact(self, text: str) -> Decision | None:
        """If it is one of the plan's own sentences; quick."""
        owner = self._exact.get(_key(text))
        return None if owner is None else self._decision(owner, 1.0)

    def _nearest(self, text: str) -> Decision:
        scores = self._vectors @ meaning.model().embed([text])[0]
        best = int(np.argmax(scores))
        rivals = [s for s, o in zip(scores, self._owners, strict=True) if o != self._owners[best]]
        lead = scores[best] - max(rivals, default=-1.0)
        if scores[best] < self._sure or lead < self._margin:
            return Decision("ask_back", score=float(scores[best]))
        return self._decision(self._owners[best], float(scores[best]))

    def _decision(self, owner: int, score: float) -> Decision:
        if owner == HUMAN:
            return Decision("request_human", score=score)
        if owner == END:
            return Decision("end_call", score=score)
        return Decision("answer", entry=owner, score=score)


HUMAN, END = -1, -2


def sentences(plan: CallPlan) -> list[str]:
    """Everything the engine compares with; owners() says whose each is."""
    asked = [text for entry in plan.faq for text in (entry.question, *entry.variants)]
    return [*asked, *grammar.HANDOVER, *grammar.GOODBYE]


def owners(plan: CallPlan) -> list[int]:
    """For each sentence the index of its FAQ entry, or HUMAN, or END."""
    asked = [n for n, entry in enumerate(plan.faq) for _ in (entry.question, *entry.variants)]
    return [*asked, *[HUMAN] * len(grammar.HANDOVER), *[END] * len(grammar.GOODBYE)]


def vectors_of(plan: CallPlan) -> meaning.Matrix:
    return meaning.model().embed(sentences(plan))


def _key(text: str) -> str:
    return " ".join(grammar.normalise(text))


class FaqLLM(llm.LLM[Any]):
    def __init__(self, matcher: Matcher) -> None:
        super().__init__()
        self.matcher = matcher

    @property
    def model(self) -> str:
        return "all-MiniLM-L6-v2"

    @property
    def provider(self) -> str:
        return "faq"

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        parallel_tool_calls: NotGivenOr[bool] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
        extra_kwargs: NotGivenOr[dict[str, Any]] = NOT_GIVEN,
    ) -> llm.LLMStream:
        return _FaqStream(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class _FaqStream(llm.LLMStream):
    async def _run(self) -> None:
        assert isinstance(self._llm, FaqLLM)
        matcher = self._llm.matcher
        asked = last_words(self._chat_ctx.items)
        decision = await asyncio.to_thread(matcher.decide, asked)
        if decision.kind == "answer":
            self._emit(content=matcher.plan.faq[decision.entry].answer)
        elif decision.kind == "ask_back":
            self._emit(content=matcher.plan.ask_back)
        else:
            call = llm.FunctionToolCall(
                name=decision.kind, arguments="{}", call_id=f"call_{uuid.uuid4().hex[:12]}"
            )
            self._emit(tool_calls=[call])

    def _emit(self, **delta: Any) -> None:
        self._event_ch.send_nowait(
            llm.ChatChunk(id=uuid.uuid4().hex, delta=llm.ChoiceDelta(role="assistant", **delta))
        )


def last_words(items: Sequence[object]) -> str:
    """What the caller said last."""
    for item in reversed(items):
        if isinstance(item, llm.ChatMessage) and item.role == "user":
            return (item.text_content or "").strip()
    return ""
