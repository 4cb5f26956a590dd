"""The agent of one call: greets, answers, asks when nothing is said, says good-bye.

Its three nodes stand between the session and the chains of providers.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable
from functools import partial
from typing import Any

from livekit import rtc
from livekit.agents import Agent, AgentSession, ModelSettings, StopResponse, llm, stt
from livekit.agents.voice import SpeechHandle

from agents import entrance
from agents.entries import END_REASONS
from agents.plan import CallPlan, Target
from agents.worker import length
from agents.worker.cache import FaqCache
from agents.worker.card_steps import Card
from agents.worker.chain.eager import Eager
from agents.worker.chain.members import AllDown
from agents.worker.embedded.engine import last_words
from agents.worker.hold import Hold
from agents.worker.journal import Journal
from agents.worker.keypad import Keypad
from agents.worker.pauses import Pauses, Why
from agents.worker.pipeline import Pipeline
from agents.worker.prepared import Prepared
from agents.worker.prompt import asks, instructions_of, joined, knowing
from agents.worker.shield import Shield
from agents.worker.silence import Silence
from agents.worker.tokeniser import Token, TokeniserFailed
from agents.worker.tools import pause_tools, tools_of
from agents.worker.tools_keys import choice_of, key_tools

log = logging.getLogger(__name__)

LAST_WORDS_S = 15.0  # a good-bye which takes longer is cut
ANNOUNCEMENT_S = 90.0  # a message of the supervisor's may be longer
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
        tools = [*tools_of(self, plan.targets), *key_tools(self, plan), *pause_tools(self, plan)]
        super().__init__(instructions=instructions_of(plan), tools=tools)
        self.plan = plan
        self.pauses = Pauses(journal)
        self.tokenise: Callable[[Card, str], Awaitable[Token]] = _nobody_takes_cards
        self.preface: Callable[[Callable[[], None]], Awaitable[None]] | None = None
        self.keys: Callable[[str], bool] = lambda digit: False  # takes keys before all others
        self.keypad = Keypad(self, journal)
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
        self.hold = Hold()  # on while the caller is put through, or talks with somebody else
        self.send_on: Callable[[Target], bool] = lambda target: False
        self.muted = False  # of a call we made: nobody is answered before we know who answered
        self.unanswered = 0  # turns of a caller while muted
        self.shield = Shield()
        self._leaving = False
        self._only_listens = False
        # what is known of the caller; it may come at any time, and whoever speaks next uses it
        self.facts: Callable[[], dict[str, str]] = dict
        self.greeting = entrance.filled(plan.greeting, {})
        self.on_deafen: Callable[[bool], None] = lambda deaf: None
        self.silence = Silence(self, self._awaits_nothing)
        self._tasks: set[asyncio.Task[None]] = set()

    # --- what the line reports -----------------------------------------------------------------

    def answered(self, greeting: str = "") -> None:
        """The caller hears us from now on. `greeting`: other first words than the plan's."""
        if self.preface:
            preface, self.preface = self.preface, None
            self._start(preface(partial(self.answered, greeting)))
            return
        self._watch_states(self.session)
        self.greeting = greeting or entrance.filled(self.plan.greeting, self.facts())
        if not self.keypad.begin(self.greeting):
            self.say(self.greeting)
        self._start(self.silence.watch())
        self._start(length.watch(self, self._somebody_talks))

    def digit(self, digit: str) -> None:
        """One of 0-9 * # A-D."""
        self.silence.broken(by_caller=True)
        self.shield.lower()
        heed = not self._leaving and not self.hold.on
        if heed and self.keys(digit):
            return
        if digit == self.plan.pause_key and not self.keypad.collects:
            self._journal.write("dtmf", digit=digit)
            self._start(self.pause_or_not("key"))
            return
        if self.keypad.press(digit, heed=heed) or not heed:
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
        if not self._leaving and not self.hold.on:
            self.say(self.plan.apology)

    # --- what a model may ask for ----------------------------------------------------------------

    def tool_end_call(self) -> None:
        self._journal.write("tool", name="end_call", outcome="done")
        self.leave("bot", self.plan.goodbye)

    def tool_request_human(self) -> None:
        self._journal.write("tool", name="request_human", outcome="done")
        self.request_human()

    def tool_choose(self, key: str) -> str | None:
        chosen = self.keypad.choose(key)
        self._journal.write("tool", name="choose_from_menu", outcome="done" if chosen else "no key")
        return None if chosen else f"The menu has no key {key!r} now. Ask what the caller wants."

    async def tool_collect(self, purpose: str) -> str:
        return await self.keypad.collected(purpose)

    async def tool_pause(self, on: bool) -> str:
        done = on == self.pauses.is_asked or await self.pause_or_not("bot") is not None
        self._journal.write(
            "tool", name="pause_recording" if on else "resume_recording",
            outcome="done" if done else "not possible",
        )  # fmt: skip
        return "Done; the caller was told." if done else "That is not possible in this call."

    async def pause_or_not(self, why: Why) -> bool | None:
        """The other way round, and say so. None if it could not be done."""
        paused = await self.pauses.toggle(why)
        if paused is not None:
            self.say(self.plan.paused if paused else self.plan.resumed)
        return paused

    def request_human(self) -> None:
        self._journal.write("handover")
        people = next((one for one in self.plan.targets if one.for_people), None)
        if people is None or not self._send_on(people):
            self.say(self.plan.handover)

    def tool_transfer_call(self, destination: str) -> str | None:
        """`destination` is a model's idea: only what the plan names is called."""
        target = next((one for one in self.plan.targets if one.key == destination), None)
        sent = target is not None and self._send_on(target)
        outcome = "begun" if sent else "refused"
        self._journal.write("tool", name="transfer_call", outcome=outcome)
        return None if sent else "That is not possible. Go on without it."

    def _send_on(self, target: Target) -> bool:
        return not self._leaving and not self.hold.on and self.send_on(target)

    async def announce(self, words: str) -> None:
        """Say them to the end, as far as they ever end."""
        with contextlib.suppress(TimeoutError, RuntimeError):
            async with asyncio.timeout(LAST_WORDS_S):
                await self.session.interrupt(force=True)
                if speech := self.say(words, interruptible=False):
                    await speech.wait_for_playout()

    async def take_back(self, words: str, note: str) -> None:
        """The caller is the bot's again. The model reads the note, the caller hears the words."""
        self.hold.end()
        self.silence.broken(by_caller=True)
        if self._leaving:
            return
        context = self.chat_ctx.copy()
        context.add_message(role="system", content=note)
        await self.update_chat_ctx(context)
        self.say(words)

    # --- speaking ------------------------------------------------------------------------------

    def say(self, text: str, *, interruptible: bool = True) -> SpeechHandle | None:
        if not text.strip():
            return None
        speech = self.session.say(text, allow_interruptions=interruptible)
        return self.shield.guard(speech) if interruptible else speech

    def leave(self, reason: str, words: str) -> None:
        """Say the last words, then hang up."""
        assert reason in END_REASONS
        if not self._leaving:
            self._leaving = True
            self.keypad.stop()
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

    def deafen(self, deaf: bool) -> None:
        self.on_deafen(deaf)

    async def recite(self, words: str) -> None:
        """Say something to a caller with whom nobody will talk; he is heard from then on."""
        self._leaving = self._only_listens = True
        try:
            async with asyncio.timeout(ANNOUNCEMENT_S):
                if speech := self.say(words, interruptible=False):
                    await speech.wait_for_playout()
        except (TimeoutError, RuntimeError):
            log.warning("An announcement was cut")

    def was_cached(self, text: str) -> bool:
        return text in self._cached

    async def on_user_turn_completed(
        self, turn_ctx: llm.ChatContext, new_message: llm.ChatMessage
    ) -> None:
        if self.muted or self.shield.up:
            self.unanswered += 1
            raise StopResponse

    # --- the nodes -------------------------------------------------------------------------------

    async def stt_node(
        self, audio: AsyncIterable[rtc.AudioFrame], model_settings: ModelSettings
    ) -> AsyncGenerator[stt.SpeechEvent, None]:
        try:
            async for event in self.hold.listen(audio, self._hear):
                yield event
        except AllDown as down:
            self._down(down)

    def _hear(self, audio: AsyncIterable[rtc.AudioFrame]) -> AsyncGenerator[stt.SpeechEvent, None]:
        return self._eager.through(self._talk.hearing.hear(audio))

    async def llm_node(
        self, chat_ctx: llm.ChatContext, tools: list[llm.Tool], model_settings: ModelSettings
    ) -> AsyncGenerator[llm.ChatChunk | str, None]:
        # a mailbox only listens; on hold, what he said last was not meant to be answered any more
        if self._only_listens or self.hold.on:
            return
        if (choice := self._menu_choice(chat_ctx)) is not None:
            yield choice
            return
        if (known := await self._known_answer(chat_ctx)) is not None:
            yield known
            return
        chat_ctx = knowing(chat_ctx, self.facts())
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

    def _menu_choice(self, chat_ctx: llm.ChatContext) -> llm.ChatChunk | None:
        """A key which was said instead of pressed, as a model would choose it: by a tool, which
        is called only if the turn is over."""
        option = self.keypad.spoken(last_words(chat_ctx.items)) if asks(chat_ctx) else None
        return choice_of(option.digit) if option else None

    async def _known_answer(self, chat_ctx: llm.ChatContext) -> str | None:
        if self._cache is None or not asks(chat_ctx):  # a model's own tool waits for its words
            return None
        answer = await self._cache.answer(last_words(chat_ctx.items))
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
            spoken = False
            try:
                async for frame in self._talk.voice.speak(joined(begun, pieces)):
                    spoken = True
                    yield frame
            except AllDown as down:
                plain = entrance.filled(self.plan.greeting, {})
                if begun.strip() != self.greeting or spoken or not self._prepared.has(plain):
                    self._down(down)
                    return
                for frame in self._prepared.frames(plain):  # no voice for his name: without it
                    yield frame

    def _down(self, down: AllDown) -> None:
        if not self._leaving:
            self._leaving = True
            self._give_up(str(down.role))

    # --- silence and length ----------------------------------------------------------------------

    def _watch_states(self, session: AgentSession[Any]) -> None:
        session.on("user_state_changed", self._caller_changed)
        session.on("agent_state_changed", lambda _: self.silence.broken())

    def _caller_changed(self, event: Any) -> None:
        self.silence.broken(by_caller=True)
        if event.new_state == "speaking":
            self._talk.hearing.speech_began()
        elif event.old_state == "speaking":
            self._talk.hearing.speech_ended(self._talk.ears.ended_after_s())

    def _awaits_nothing(self) -> bool:
        return self.hold.on or self._leaving or self._somebody_talks() or self.keypad.waits

    def _somebody_talks(self) -> bool:
        busy = self.session.agent_state in {"speaking", "thinking"}
        return busy or self.session.user_state == "speaking"

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        """The call is over, whoever ended it."""
        self._leaving = True
        self.keypad.stop()
        for task in self._tasks:
            task.cancel()


async def _nobody_takes_cards(card: Card, purpose: str) -> Token:
    raise TokeniserFailed("nobody takes cards in this call")
