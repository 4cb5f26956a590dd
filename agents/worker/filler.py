"""A few words when an answer is late: a caller who hears nothing believes the line is dead.

Late is counted from the caller's last sound. Nothing is said into a pause of his: only when his
turn is over and an answer is owed, or when a recogniser is overdue.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from livekit.agents import AgentSession

from agents.worker.chain.hearing import LATE_S
from agents.worker.journal import Journal
from agents.worker.line import GIVE_WAY_S, Mouth
from agents.worker.prepared import Prepared

THINK_S = 0.35  # an answer begun early is there as soon as the turn is over, or a little later
TICK_S = 0.05
AGAIN_S = 6.0  # in one wait the words are said again only after so long


class Filler:
    def __init__(
        self, session: AgentSession[Any], mouth: Mouth, prepared: Prepared, journal: Journal,
        *, words: str, silence_s: Callable[[], float],
    ) -> None:  # fmt: skip
        """`silence_s`: how long the caller had been silent when his speech counted as ended."""
        self._session = session
        self._mouth = mouth
        self._sound = prepared.whole(words)
        self._words = words
        self._journal = journal
        self._silence_s = silence_s
        self._ended = 0.0  # the caller's last sound (monotonic)
        self._thinking = 0.0  # since when an answer is being made
        self._overdue = False
        self._said = 0.0
        self._unwritten: int | None = None  # journal's ms at which it was begun
        session.on("user_state_changed", self._user)
        session.on("agent_state_changed", self._agent)

    def overdue(self) -> None:
        """A recogniser does not deliver what the caller said."""
        self._overdue = True

    async def run(self) -> None:
        """Until cancelled."""
        while self._sound is not None:
            await asyncio.sleep(TICK_S)
            self._note()
            if self._is_late():
                self._say()

    def _is_late(self) -> bool:
        now = time.monotonic()
        thinks = self._session.agent_state == "thinking" and now - self._thinking >= THINK_S
        if not (self._overdue or thinks) or not self._ended:
            return False
        if self._session.user_state == "speaking":
            return False
        return now - self._ended >= LATE_S and now - self._said >= AGAIN_S

    def _say(self) -> None:
        if self._sound is None or not self._mouth.fill(self._sound):
            return
        self._said = time.monotonic()
        self._unwritten = self._journal.ms()

    def _note(self) -> None:
        """Written once it is sure that no answer took its place."""
        start = self._unwritten
        if start is None or self._sound is None or time.monotonic() - self._said <= GIVE_WAY_S:
            return
        self._unwritten = None
        if self._mouth.was_hushed:
            return
        self._journal.write(
            "turn", who="agent", text=self._words, via="filler", start_ms=start,
            end_ms=start + round(self._sound.duration * 1000), interrupted=False, latency={},
            confidence=None,
        )  # fmt: skip

    def _user(self, event: Any) -> None:
        if event.new_state == "speaking":
            self._overdue, self._said = False, 0.0
            self._mouth.hush()
        else:
            self._ended = time.monotonic() - self._silence_s()

    def _agent(self, event: Any) -> None:
        if event.new_state == "speaking":
            self._overdue, self._ended = False, 0.0
        elif event.new_state == "thinking":
            self._thinking = time.monotonic()
