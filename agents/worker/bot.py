"""The agent of one call: greets, answers, asks when nothing is said, says good-bye.

Its three nodes stand between the session and the chains of providers.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import Any

from livekit import rtc
from livekit.agents import Agent, AgentSession, ModelSettings, StopResponse, llm, stt
from livekit.agents.voice import SpeechHandle

from agents.entries import END_REASONS
from agents.plan import CallPlan
from agents.worker.cache import FaqCache
from agents.worker.chain.eager import Eager
from agents.worker.chain.members import AllDown
from agents.worker.embedded.engine import last_words
from agents.worker.journal import Journal
from agents.worker.pipeline import Pipeline
from agents.worker.prepared import Prepared
from agents.worker.tools import tools_of

log = logging.getLogger(__name__)

TICK_S = 0.1
LAST_WORDS_S = 15.0  # a good-bye which takes longer is cut
HUMAN_DIGIT = "0"
KNOWN_SHARE = 0.5  # of the silence after which speech counts as ended is enough after known words


class Bot(Agent):
    def __init__(
        self,
        plan: CallPlan,
        prepared: Prepared,
        journal: Journal,
        talk: Pipeline,
        *,
        end: Callable[[str], None],
        give_up: Callable[[str], None],
        cache: FaqCache | None = None,
    ) -> None:
        """`end` hangs up; it is called once, with a key of END_REASONS. `give_up` ends a call in
        which no provider of a role (stt, llm, tts) works any more."""
        super().__init__(instructions=instructions_of(plan), tools=tools_of(self))
        self.plan = plan
        self._prepared = prepared
        self._journal = journal
        self._talk = talk
        self._eager = Eager(
            talk.hearing.level.quiet_s, enabled=plan.speed.eager_end,
            ahead=self._look_ahead, known=self.known, ends=self._ends,
        )  # fmt: skip
        self._cache = cache
        self._known_quiet_s = KNOWN_SHARE * plan.vad.min_silence_ms / 1000
        self._cached: set[str] = set()  # what was answered without a model
        self._end = end
        self._give_up = give_up
        self.muted = False  # of a call we made: nobody is answered before we know who answered
        self._leaving = False
        self._asked = False
        self._quiet_since = 0.0  # the loop's clock
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what the line reports -----------------------------------------------------------------

    def answered(self, greeting: str = "") -> None:
        """The caller hears us from now on. `greeting`: other first words than the plan's."""
        self._watch_states(self.session)
        self.say(greeting or self.plan.greeting)
        self._quiet_since = asyncio.get_running_loop().time()
        self._start(self._watch_silence())
        self._start(self._watch_length())

    def digit(self, digit: str) -> None:
        self._journal.write("dtmf", digit=digit)
        self._stir()
        if self._leaving:
            return
        entry = next((entry for entry in self.plan.faq if entry.digit == digit), None)
        if entry is not None:
            self.session.interrupt()
            self.say(entry.answer)
        elif digit == HUMAN_DIGIT:
            self.session.interrupt()
            self.request_human()

    def failed(self) -> None:
        """A provider gave up in the middle of a turn."""
        if not self._leaving:
            self.say(self.plan.apology)

    # --- what a model may ask for ----------------------------------------------------------------

    def tool_end_call(self) -> None:
        self._journal.write("tool", name="end_call", outcome="done")
        self.leave("bot", self.plan.goodbye)

    def tool_request_human(self) -> None:
        self._journal.write("tool", name="request_human", outcome="done")
        self.request_human()

    def request_human(self) -> None:
        self._journal.write("handover")
        self.say(self.plan.handover)

    # --- speaking ------------------------------------------------------------------------------

    def say(self, text: str, *, interruptible: bool = True) -> SpeechHandle | None:
        if not text.strip():
            return None
        return self.session.say(text, allow_interruptions=interruptible)

    def leave(self, reason: str, words: str) -> None:
        """Say the last words, then hang up."""
        assert reason in END_REASONS
        if not self._leaving:
            self._leaving = True
            self._start(self._leave(reason, words))

    async def _leave(self, reason: str, words: str) -> None:
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await self.session.interrupt(force=True)
                if speech := self.say(words, interruptible=False):
                    await speech.wait_for_playout()
        except (TimeoutError, RuntimeError):
            log.warning("The last words of a call were cut", extra={"reason": reason})
        self._end(reason)

    def was_cached(self, text: str) -> bool:
        return text in self._cached

    async def on_user_turn_completed(
        self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage
    ) -> None:
        if self.muted:
            raise StopResponse

    # --- the nodes -------------------------------------------------------------------------------

    async def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings
    ) -> AsyncGenerator[stt.SpeechEvent, None]:
        try:
            async for event in self._eager.through(self._talk.hearing.hear(audio)):
                yield event
        except AllDown as down:
            self._down(down)

    async def llm_node(
        self, chat_ctx: llm.ChatContext, tools: list[llm.Tool], model_settings: ModelSettings
    ) -> AsyncGenerator[llm.ChatChunk | str, None]:
        if (known := await self._known_answer(chat_ctx)) is not None:
            yield known
            return
        try:
            async for chunk in self._talk.mind.think(chat_ctx, tools, model_settings.tool_choice):
                yield chunk
        except AllDown as down:
            self._down(down)

    def _look_ahead(self, text: str) -> None:
        if self._cache:
            self._cache.look_ahead(text)

    def known(self, text: str) -> str | None:
        """The answer to these words, if it is certain already."""
        return self._cache.known(text) if self._cache else None

    def _ends(self) -> bool:
        """Whoever asked a known question has finished sooner than the detector believes it."""
        quiet_s = self._talk.hearing.level.quiet_s()
        return quiet_s >= self._known_quiet_s and self._talk.ears.end(quiet_s)

    async def _known_answer(self, chat_ctx: llm.ChatContext) -> str | None:
        items = chat_ctx.items
        asks = items and isinstance(items[-1], llm.ChatMessage) and items[-1].role == "user"
        if self._cache is None or not asks:  # a model which called a tool waits for its words
            return None
        answer = await self._cache.answer(last_words(items))
        if answer is not None:
            self._cached.add(answer)
        return answer

    async def tts_node(
        self, text: AsyncIterable[str], model_settings: ModelSettings
    ) -> AsyncGenerator[rtc.AudioFrame, None]:
        """A sentence which is ready is played; all else goes to the voices of the plan."""
        pieces = aiter(text)
        begun = ""
        whole = False
        while not whole and self._prepared.may_become(begun):
            piece = await anext(pieces, None)
            whole = piece is None
            begun += piece or ""
        if whole and self._prepared.has(begun):
            for frame in self._prepared.frames(begun):
                yield frame
        elif begun.strip() or not whole:
            try:
                async for frame in self._talk.voice.speak(_joined(begun, pieces)):
                    yield frame
            except AllDown as down:
                self._down(down)

    def _down(self, down: AllDown) -> None:
        if not self._leaving:
            self._leaving = True
            self._give_up(str(down.role))

    # --- silence and length ----------------------------------------------------------------------

    def _watch_states(self, session: AgentSession[Any]) -> None:
        session.on("user_state_changed", self._caller_changed)
        session.on("agent_state_changed", lambda _: self._stir())

    def _caller_changed(self, event: Any) -> None:
        self._stir(spoke=True)
        if event.new_state == "speaking":
            self._talk.hearing.speech_began()
        elif event.old_state == "speaking":
            self._talk.hearing.speech_ended(self._talk.ears.ended_after_s())

    def _stir(self, *, spoke: bool = False) -> None:
        self._quiet_since = asyncio.get_running_loop().time()
        if spoke:
            self._asked = False

    async def _watch_silence(self) -> None:
        loop = asyncio.get_running_loop()
        while not self._leaving:
            await asyncio.sleep(TICK_S)
            if self._somebody_talks():
                self._quiet_since = loop.time()
            elif loop.time() - self._quiet_since >= self.plan.silence_s:
                self._ask_or_leave()

    def _somebody_talks(self) -> bool:
        busy = self.session.agent_state in {"speaking", "thinking"}
        return busy or self.session.user_state == "speaking"

    def _ask_or_leave(self) -> None:
        if self._asked:
            self.leave("silence", self.plan.goodbye)
        else:
            self._asked = True
            self._quiet_since = asyncio.get_running_loop().time()
            self.say(self.plan.silence_prompt or self.plan.ask_back)

    async def _watch_length(self) -> None:
        await asyncio.sleep(self.plan.max_call_s)
        self.leave("limit", self.plan.goodbye)

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """The call is over, whoever ended it."""
        self._leaving = True
        for task in self._tasks:
            task.cancel()


def instructions_of(plan: CallPlan) -> str:
    """For models which make up their own words."""
    facts = "\n".join(f"- {entry.question} {entry.answer}" for entry in plan.faq)
    return (
        f"{plan.instructions}\n\nYou speak on the telephone for {plan.name}: short plain "
        f"sentences, no lists, no markup. Answer with these facts, word for word where they fit:\n"
        f"{facts}\nIf you did not understand, or do not know, say: {plan.ask_back}"
    ).strip()


async def _joined(begun: str, rest: AsyncIterable[str]) -> AsyncGenerator[str, None]:
    if begun:
        yield begun
    async for piece in rest:
        yield piece
