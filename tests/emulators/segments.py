"""Finds where somebody speaks: loud and quiet frames in, beginnings and ends out."""

from collections import deque
from typing import Literal

import numpy as np

from tests.emulators.frames import Frames, loudness

LOUD_DB = 32.0  # frames so much below the loudest count as quiet
SILENCE_DB = -68.0  # never loud, whatever the line is like
SPEECH_DB = -38.0  # loud, even if the line has never been quiet
OVER_NOISE_DB = 5.0
LEAST_LOUD_DB = 18.0  # so near to the peak is loud, whatever the noise
FORGET_DB = 0.5  # a frame: how fast the last utterance's peak is forgotten
MEMORY = 100  # frames in which a line shows its noise
START = 3  # loud frames of the last five begin an utterance
PAUSE, END = 6, 10  # quiet frames: the speaker may have finished, has finished
TICK = 5  # frames between interim results
KEPT = 5  # frames in which a beginning shows

What = Literal["start", "tick", "pause", "resume", "end"]


class Segmenter:
    def __init__(self) -> None:
        self.position = 0  # frames so far
        self.speaking = False
        self.begun = self.loud_until = 0  # the utterance: [begun, loud_until)
        self._peak = SILENCE_DB
        self._levels: deque[float] = deque(maxlen=MEMORY)
        self._heard: list[tuple[float, Frames]] = []  # from a little before `begun`
        self._paused = False

    def push(self, frame: Frames, level: float) -> What | None:
        self.position += 1
        self._heard.append((level, frame))
        self._levels.append(level)
        if not self.speaking:
            return self._listen()
        self._peak = max(self._peak, level)
        return self._follow(level > self._threshold())

    def utterance(self) -> Frames:
        """Its frames up to the last loud one, without what proves quiet beside its peak."""
        held = self._heard[: self.loud_until - self.position + len(self._heard)]
        floor = self._threshold()
        loud = next((n for n, (level, _) in enumerate(held) if level > floor), 0)
        return np.array([frame for _, frame in held[loud:]], np.float32)

    def finish(self) -> None:
        self.speaking = self._paused = False
        self._heard.clear()

    def _threshold(self) -> float:
        """Above the line's noise, which is the quietest of the last seconds, and near the peak."""
        noise = min(min(self._levels) + OVER_NOISE_DB, self._peak - LEAST_LOUD_DB)
        return max(SILENCE_DB, noise, self._peak - LOUD_DB)

    def _listen(self) -> What | None:
        self._peak = max(self._peak - FORGET_DB, SILENCE_DB + LEAST_LOUD_DB)
        del self._heard[: -2 * KEPT]
        noise = min(min(self._levels) + OVER_NOISE_DB, SPEECH_DB)
        floor = max(self._threshold(), noise)
        recent = [level > floor for level, _ in self._heard[-KEPT:]]
        if sum(recent) < START or not recent[-1]:
            return None
        self.speaking = True
        self._peak = max(level for level, _ in self._heard[-KEPT:])
        self.begun = self.position - len(recent) + recent.index(True)
        self.loud_until = self.position
        return "start"

    def _follow(self, loud: bool) -> What | None:
        if loud:
            self.loud_until = self.position
        quiet = self.position - self.loud_until
        if quiet >= END:
            return "end"
        if self._paused and loud:
            self._paused = False
            return "resume"
        if quiet == PAUSE:
            self._paused = True
            return "pause"
        return "tick" if (self.position - self.begun) % TICK == 0 else None


def utterances(frames: Frames) -> list[Frames]:
    """What is said in a whole recording, apart where the speaker pauses."""
    segmenter, found = Segmenter(), []
    quiet = np.full((END + 1, frames.shape[1]), SILENCE_DB - 20, np.float32)
    padded = np.concatenate([frames, quiet])
    for frame, level in zip(padded, loudness(padded), strict=True):
        if segmenter.push(frame, float(level)) == "end":
            found.append(segmenter.utterance())
            segmenter.finish()
    return found
