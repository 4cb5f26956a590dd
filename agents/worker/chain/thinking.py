"""The chain of language models: what is said goes on when a model fails in the middle."""

import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from livekit.agents import llm
from livekit.agents.types import NOT_GIVEN, NotGivenOr

from agents.worker.chain.clauses import is_finished, settled, without_repeat, words
from agents.worker.chain.members import BROKE_OFF, ONCE, AllDown, Chain, Member, reason_of
from agents.worker.chain.race import Broken, Race

FIRST_S = 0.7  # without a word for so long, the next model is asked too
GAP_S = 0.6  # … and in the middle of an answer
# servers which do not always report usage, so a missing report says nothing
_SILENT_ABOUT_USAGE = {"ollama", "vllm", "llama-cpp", "faq"}
GO_ON = (
    "You were cut off while speaking. The caller has already heard exactly this beginning of your "
    "answer: “{spoken}” Go on from there. Do not repeat any of it, do not apologise."
)


class Mind:
    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.serving: Member = chain.order()[0]
        self._first_ms: deque[tuple[str, int]] = deque(maxlen=20)

    async def think(
        self,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool],
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
    ) -> AsyncGenerator[llm.ChatChunk, None]:
        """Raises AllDown if no model answers at all."""
        answer, first_ms = _Answer(), 0
        members = self._chain.order()
        while True:
            context = answer.continued(chat_ctx)
            race = self._race(members, context, tools, tool_choice)
            try:
                async for chunk in race.run():
                    for ready in answer.take(chunk):
                        yield ready
                served = race.winner.member if race.winner else members[0]
                self.serving = served
                first_ms = first_ms or race.first_ms
                if not answer.looks_broken(served):
                    break
                since = race.winner.began if race.winner else time.monotonic()
                broke: Broken | None = None
            except Broken as what:
                broke, served, since = what, what.attempt.member, what.attempt.began
            except AllDown:
                if answer.spoken:  # half an answer, and nobody to finish it
                    break
                raise
            if answer.acted:
                break  # a tool was asked for; asking again could do it twice
            members = [m for m in self._chain.after(served) if m in members]
            reason = reason_of(broke.error, begun=True) if broke else BROKE_OFF
            self._chain.moved(served, members[0] if members else None, reason, since)
            if not members:
                if answer.spoken:
                    break
                raise AllDown(self._chain.role)
        for ready in answer.rest():
            yield ready
        self._first_ms.append((answer.spoken.strip(), first_ms))

    def first_token_ms(self, answer: str) -> int | None:
        """How long the first word of an answer took; the answer may have been cut short."""
        said = answer.strip()
        for text, ms in reversed(self._first_ms):
            if said and text.startswith(said):
                return ms
        return None

    def _race(
        self,
        members: list[Member],
        context: llm.ChatContext,
        tools: list[llm.Tool],
        tool_choice: NotGivenOr[llm.ToolChoice],
    ) -> Race[llm.ChatChunk]:
        async def ask(member: Member) -> AsyncIterator[llm.ChatChunk]:
            options: dict[str, Any] = {"tool_choice": tool_choice} if tools else {}
            stream = member.engine.chat(chat_ctx=context, tools=tools, conn_options=ONCE, **options)
            async with stream:
                async for chunk in stream:
                    yield chunk

        return Race(
            self._chain, list(members), ask,
            patience_s=FIRST_S, gap_s=lambda: GAP_S, counts=llm.ChatChunk.has_response,
        )  # fmt: skip

    def prewarm(self) -> None:
        for member in self._chain.order()[:2]:
            member.engine.prewarm()


class _Answer:
    """What has come of one answer. Only whole clauses go on to the voice: half of one could not
    be taken back when the model fails."""

    def __init__(self) -> None:
        self.spoken = ""
        self.acted = False
        self._held = ""
        self._resuming = False  # a second model began again: what was said is taken out
        self._usage = False
        self._id = ""

    def continued(self, context: llm.ChatContext) -> llm.ChatContext:
        """The conversation for the next model: with what the caller heard already."""
        self._held, self._usage = "", False
        if not self.spoken:
            return context
        self._resuming = True
        more = context.copy()
        more.add_message(role="assistant", content=self.spoken)
        more.add_message(role="system", content=GO_ON.format(spoken=self.spoken.strip()))
        return more

    def take(self, chunk: llm.ChatChunk) -> list[llm.ChatChunk]:
        self._id = self._id or chunk.id
        self._usage = self._usage or chunk.usage is not None
        if chunk.delta and chunk.delta.tool_calls:
            self.acted = True
            return [*self.rest(), chunk]
        if not chunk.delta or not chunk.delta.content:
            return [chunk]
        self._held += chunk.delta.content
        return self._release(settled(self._held))

    def looks_broken(self, member: Member) -> bool:
        """The connection ended without complaint, but in the middle of a sentence."""
        if self.acted or self._usage or member.stage.provider in _SILENT_ABOUT_USAGE:
            return False
        text = self._held or self.spoken
        return not is_finished(text)

    def rest(self) -> list[llm.ChatChunk]:
        return self._release(len(self._held))

    def _release(self, end: int) -> list[llm.ChatChunk]:
        text, self._held = self._held[:end], self._held[end:]
        if text and self._resuming:
            if end and len(words(text)) < len(words(self.spoken)) and self._may_repeat(text):
                self._held = text + self._held  # not enough to see whether it repeats
                return []
            text, self._resuming = without_repeat(self.spoken, text), False
        if not text:
            return []
        self.spoken += text
        delta = llm.ChoiceDelta(role="assistant", content=text)
        return [llm.ChatChunk(id=self._id or "chain", delta=delta)]

    def _may_repeat(self, text: str) -> bool:
        known = words(self.spoken)
        return known[: len(words(text))] == words(text)
