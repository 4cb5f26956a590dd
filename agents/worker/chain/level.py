"""How long the caller has been quiet, by loudness alone: sooner than a voice detector says so."""

import numpy as np
from livekit import rtc

BELOW_DB = 26.0  # so far under the loudest of the last seconds is quiet
FLOOR_DB = -60.0  # of full scale: never loud
FADE_DB = 0.05  # how much of the loudest is forgotten with each frame
GAP_S = 0.06  # quiet within a sound which is shorter does not end it
ONSET_S = 0.4  # a sound which lasts longer is known to a voice detector by now, or is noise


class Level:
    def __init__(self) -> None:
        self._loudest = FLOOR_DB
        self._quiet_s = 0.0
        self._loud_s = 0.0  # of the sound which lasts

    def push(self, frame: rtc.AudioFrame) -> None:
        samples = np.frombuffer(frame.data, dtype=np.int16).astype(np.float32)
        power = float(np.mean(samples * samples)) if len(samples) else 0.0
        level = 10 * np.log10(power / 32768**2 + 1e-12)
        self._loudest = max(level, self._loudest - FADE_DB, FLOOR_DB)
        loud = level > max(self._loudest - BELOW_DB, FLOOR_DB)
        self._quiet_s = 0.0 if loud else self._quiet_s + frame.duration
        self._loud_s = self._loud_s + frame.duration if self._quiet_s < GAP_S else 0.0

    def quiet_s(self) -> float:
        return self._quiet_s

    def begins(self) -> bool:
        """Whether a sound has just begun: too short yet for a detector to call it a voice."""
        return 0.0 < self._loud_s < ONSET_S
