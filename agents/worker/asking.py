"""Before a call is recorded: the caller is told, or asked, and only then anything is written.

Whoever refuses, or does not answer, is not recorded: the recorder is never begun, and the journal's
`consent` entry keeps the control plane from starting an egress.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from agents.consent import GOOD, NO_KEY, YES_KEY, Consent, answer_in
from agents.worker.bot import Bot
from agents.worker.journal import Journal

log = logging.getLogger(__name__)

TICK_S = 0.1
RECOGNISED_S = 3.0  # a recogniser may take so long after the last word
LONGEST_TALK_S = 15.0
LONGEST_S = 60.0  # a wording takes as long as it takes to be said


class Asking:
    def __init__(
        self, consent: Consent, bot: Bot, journal: Journal, *, record: Callable[[], None]
    ) -> None:
        """`record` begins the recording."""
        self._consent = consent
        self._bot = bot
        self._journal = journal
        self._record = record
        self._answer: asyncio.Future[tuple[bool, str]] = asyncio.get_running_loop().create_future()

    async def run(self, go_on: Callable[[], None]) -> None:
        outcome, how = await (self._tell() if self._consent.mode == "announcement" else self._ask())
        self._journal.write("consent", outcome=outcome, wording=self._consent.wording, how=how)
        if outcome in GOOD:
            self._record()
        else:
            await self._say(self._consent.refused)
        go_on()

    async def _tell(self) -> tuple[str, str]:
        """A caller who cannot be told is not recorded."""
        said = await self._say(self._consent.words)
        return ("announced", "") if said else ("unanswered", "")

    async def _ask(self) -> tuple[str, str]:
        bot, session = self._bot, self._bot.session
        bot.muted, bot.keys = True, self._key  # a yes is no question to be answered
        session.on("user_input_transcribed", self._heard)
        before = bot.unanswered
        try:
            outcome, how = await self._answered()
            if how == "speech":  # his turn is over a little later than his words are known
                await self._turn_over(before)
            return outcome, how
        finally:
            session.off("user_input_transcribed", self._heard)
            bot.muted, bot.keys = False, lambda digit: False

    async def _answered(self) -> tuple[str, str]:
        saying = asyncio.create_task(self._say(self._consent.words, interruptible=True))
        both: set[asyncio.Future[Any]] = {saying, self._answer}
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not await self._wait():
            return "unanswered", ""
        yes, how = self._answer.result()
        with contextlib.suppress(RuntimeError):
            await self._bot.session.interrupt(force=True)
        return ("given" if yes else "refused"), how

    async def _turn_over(self, before: int) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(RECOGNISED_S):
                while self._bot.unanswered == before:
                    await asyncio.sleep(TICK_S)

    async def _wait(self) -> bool:
        """Whoever speaks when the time is over is heard out, for a while."""
        now = asyncio.get_running_loop().time
        last = now() + self._consent.wait_s
        latest = last + LONGEST_TALK_S
        while not self._answer.done() and now() < min(last, latest):
            await asyncio.wait({self._answer}, timeout=TICK_S)
            if self._bot.session.user_state == "speaking":
                last = max(last, now() + RECOGNISED_S)
        return self._answer.done()

    def _key(self, digit: str) -> bool:
        if digit in {YES_KEY, NO_KEY}:
            self._settle(digit == YES_KEY, "key")
        return True

    def _heard(self, event: Any) -> None:
        said = answer_in(str(event.transcript), self._bot.plan.language)
        # a first “no” may be the beginning of “not at all a problem”: only whole sentences count
        if event.is_final and said is not None:
            self._settle(said, "speech")

    def _settle(self, yes: bool, how: str) -> None:
        if not self._answer.done():
            self._answer.set_result((yes, how))

    async def _say(self, words: str, *, interruptible: bool = False) -> bool:
        try:
            async with asyncio.timeout(LONGEST_S):
                if speech := self._bot.say(words, interruptible=interruptible):
                    await speech.wait_for_playout()
                return True
        except (TimeoutError, RuntimeError):
            log.warning("Words about the recording were cut")
            return False
