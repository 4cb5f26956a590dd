"""The first words of a call we made: nothing is said before it is known who answered."""

import asyncio
import logging
from typing import Any

from agents.order import Action, Order
from agents.worker.answered_by import MACHINE_PAUSE_MS, NOBODY_MS, AnsweredBy, Verdict
from agents.worker.bot import Bot
from agents.worker.journal import Journal
from agents.worker.line import Ear, Samples

log = logging.getLogger(__name__)

TICK_S = 0.02
BEEP_S = 25.0  # so long a mailbox may take to come to its beep
CONNECT_MS = 30_000  # so long a screener may take to fetch the person
LATE_TURN_S = 4.0  # so long after the last sound a turn may end
ROUNDS = 3  # screeners may ask again


class Opening:
    def __init__(self, order: Order, bot: Bot, ear: Ear, journal: Journal) -> None:
        self._order = order
        self._bot = bot
        self._ear = ear
        self._journal = journal
        self._detector = AnsweredBy()
        self._greeting = order.fill(order.greeting or bot.plan.greeting)

    async def run(self) -> None:
        """From the answer until the talk begins or the call is left."""
        loop = asyncio.get_running_loop()
        # livekit-sip's own limit ends with the dialling; the spend cap counts on this one
        loop.call_later(self._order.max_call_s, self._bot.leave, "limit", self._bot.plan.goodbye)
        if not self._order.detect:
            self._bot.answered(self._greeting)
            return
        self._bot.muted = True
        session = self._bot.session
        session.on("user_input_transcribed", self._read)
        try:
            await self._find_out()
        finally:
            session.off("user_input_transcribed", self._read)
            self._ear.listener = None
            self._bot.muted = False
            self._bot.shield.lower()

    async def _find_out(self) -> None:
        for round_ in range(ROUNDS):
            verdict = await self._listen(CONNECT_MS if round_ else NOBODY_MS)
            action = self._action(verdict)
            self._journal.write(
                "answered_by", verdict=verdict.kind, reason=verdict.reason, action=action,
                ms=verdict.ms,
            )  # fmt: skip
            if action == "talk" and not (round_ and verdict.kind == "unknown"):
                self._talk()
                await self._next_sound()
                return
            if action == "talk":  # the screener never fetched anybody
                break
            if action != "say_who":
                await self._leave(action)
                return
            await self._say_who()
        self._bot.leave("machine", "")

    async def _listen(self, nobody_ms: int) -> Verdict:
        self._detector = detector = AnsweredBy(nobody_ms=nobody_ms)
        self._ear.listener = self._hear
        while detector.verdict is None:
            await asyncio.sleep(TICK_S)
        return detector.verdict

    def _hear(self, samples: Samples) -> None:
        self._detector.hear(samples)

    def _read(self, event: Any) -> None:
        self.read(str(event.transcript))

    def read(self, words: str) -> None:
        """What the recogniser believes to have heard."""
        self._detector.read(words)

    def _action(self, verdict: Verdict) -> Action:
        wanted: dict[str, Action] = {
            "voicemail": self._order.on_voicemail,
            "ivr": self._order.on_ivr,
            "screening": self._order.on_screening,
        }
        return wanted.get(verdict.kind, "talk")

    def _talk(self) -> None:
        self._bot.shield.up = True
        self._bot.answered(self._greeting)

    async def _next_sound(self) -> None:
        """His "Hello?" is answered by the greeting: its turn may end later, and would cut it."""
        quiet_ms = self._detector.quiet_ms
        end = asyncio.get_running_loop().time() + LATE_TURN_S
        while asyncio.get_running_loop().time() < end and self._detector.quiet_ms >= quiet_ms:
            quiet_ms = self._detector.quiet_ms
            await asyncio.sleep(TICK_S)

    async def _leave(self, action: Action) -> None:
        words = self._order.fill(self._order.message) if action == "message" else ""
        if words:
            await self._until_beep()
        self._bot.leave("machine", words)

    async def _until_beep(self) -> None:
        """After the beep, or when the greeting has been over for a while."""
        end = asyncio.get_running_loop().time() + BEEP_S
        while asyncio.get_running_loop().time() < end:
            if self._detector.beeped or self._detector.quiet_ms >= MACHINE_PAUSE_MS:
                return
            await asyncio.sleep(TICK_S)

    async def _say_who(self) -> None:
        """Then the screener fetches the person, or not."""
        while self._detector.quiet_ms < 700:
            await asyncio.sleep(TICK_S)
        words = self._order.fill(self._order.who_calls or self._greeting)
        if speech := self._bot.say(words, interruptible=False):
            await speech.wait_for_playout()
