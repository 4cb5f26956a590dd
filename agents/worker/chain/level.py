"""How long the caller has been quiet, by loudness alone: sooner than a voice detector says so."""

import numpy as np
from livekit import rtc

BELOW_DB = 26.0  # so far under the loudest of the last seconds is quiet
FLOOR_DB = -60.0  # of full scale: never loud
FADE_DB = 0.05  # how much of the loudest is forgotten with each frame


class Level:
    def __init__(self) -> None:
        self._loudest = FLOOR_DB
        self._quiet_s = 0.0

    def push(self, frame: rtc.AudioFrame) -> None:
        samples = np.frombuffer(frame.data, dtype=np.int16).astype(np.float32)
        power = float(np.mean(samples * samples)) if len(samples) else 0.0
        level = 10 * np.log10(power / 32768**2 + 1e-12)
        self._loudest = max(level, self._loudest - FADE_DB, FLOOR_DB)
        loud = level > max(self._loudest - BELOW_DB, FLOOR_DB)
        self._quiet_s = 0.0 if loud else self._quiet_s + frame.duration

    def quiet_s(self) -> float:
        return self._quiet_s
