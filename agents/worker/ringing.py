"""The tone a caller hears while another telephone rings: 425 Hz, one second of five."""

import asyncio

import numpy as np
from livekit import rtc
from livekit.agents.utils import aio

from agents.worker.line import RATE, Mouth

TONE_S, CYCLE_S = 1.0, 5.0
HERTZ = 425
LOUDNESS = 3000  # of 32767
LOOK_S = 0.1


def tone() -> rtc.AudioFrame:
    times = np.arange(int(TONE_S * RATE)) / RATE
    fade = np.minimum(1, np.minimum(times, TONE_S - times) / 0.01)  # no clicks
    wave = LOUDNESS * fade * np.sin(2 * np.pi * HERTZ * times)
    return rtc.AudioFrame(wave.astype(np.int16).tobytes(), RATE, 1, len(wave))


class Ringing:
    def __init__(self, mouth: Mouth) -> None:
        self._mouth = mouth
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._ring(), name="ringing")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task:
            await aio.cancel_and_wait(task)
            self._mouth.hush()

    async def _ring(self) -> None:
        sound = tone()
        while True:
            said = self._mouth.fill(sound)
            await asyncio.sleep(CYCLE_S if said else LOOK_S)
