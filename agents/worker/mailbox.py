"""Voicemail: says when to speak, plays a tone, and listens until the caller has finished.

What he says is recorded and recognised as in any call; only nobody answers.
"""

import asyncio
import time
from typing import Any

import numpy as np
from livekit import rtc

from agents.entrance import Decision
from agents.worker.bot import Bot
from agents.worker.line import FRAME, FRAME_MS, RATE, Ear, Mouth

BEEP_S, BEEP_HZ, BEEP_LEVEL = 0.35, 1000, 6000
BEGIN_S = 8.0  # so long he may take to begin
SETTLE_S = 1.5  # the last words on their way through the recogniser
TICK_S = 0.1
DONE = "#"


class Mailbox:
    def __init__(self, bot: Bot, mouth: Mouth, decision: Decision) -> None:
        self._bot = bot
        self._mouth = mouth
        self._decision = decision
        self._is_open = False
        self._spoke = False
        self._quiet_since: float | None = 0.0  # monotonic; none: he speaks
        self._pressed = False

    async def take(self) -> str:
        """Until it is over. Returns why the call ends, a key of END_REASONS."""
        self._bot.session.on("user_state_changed", self._changed)
        await self._bot.recite(self._decision.words)
        self._mouth.fill(beep())
        await self._mouth.drained()
        began = self._quiet_since = time.monotonic()
        self._is_open = True
        while not self._is_over(began):
            await asyncio.sleep(TICK_S)
        await asyncio.sleep(SETTLE_S if self._spoke else 0)
        return self.reason(self._decision.reason)

    async def last_words(self, ear: Ear) -> None:
        """He hung up while he spoke: silence in his place ends his sentence."""
        if not self._spoke:
            return
        silence = bytes(2 * FRAME)
        for _ in range(round(SETTLE_S * 1000 / FRAME_MS)):
            ear.hear(rtc.AudioFrame(silence, RATE, 1, FRAME))
            await asyncio.sleep(FRAME_MS / 1000)

    def digit(self, digit: str) -> None:
        self._pressed = self._pressed or (self._is_open and digit == DONE)

    def reason(self, given: str) -> str:
        """Whoever hangs up after he has spoken has left a message."""
        return "voicemail" if self._spoke else given

    def _is_over(self, began: float) -> bool:
        now = time.monotonic()
        if self._pressed or now - began >= self._decision.limit_s:
            return True
        patience = self._decision.silence_s if self._spoke else BEGIN_S
        return self._quiet_since is not None and now - self._quiet_since >= patience

    def _changed(self, event: Any) -> None:
        if event.new_state == "speaking":
            self._spoke = self._spoke or self._is_open
            self._quiet_since = None
        else:
            self._quiet_since = time.monotonic()


def beep() -> rtc.AudioFrame:
    """A tone with soft edges."""
    at = np.arange(round(BEEP_S * RATE)) / RATE
    edge = np.minimum(1, np.minimum(at, BEEP_S - at) / 0.01)
    sound = (BEEP_LEVEL * edge * np.sin(2 * np.pi * BEEP_HZ * at)).astype(np.int16)
    return rtc.AudioFrame(sound.tobytes(), RATE, 1, len(sound))
