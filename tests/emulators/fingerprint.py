"""Knows a sentence of flite's again after a telephone line, by its shape in time and frequency.

What was heard is slid along every known sentence; with the band means taken off, gain and the
line's frequency response fall out, and what remains is a correlation. The likeliest few are then
compared place by place.
"""

import asyncio
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tests.emulators import speech
from tests.emulators.frames import BANDS, Frames, frames_of
from tests.emulators.segments import utterances

DEPTH_DB = 40.0  # what lies so much below the loudest point is not looked at
FLAT_DB = 3.0
SHORTEST = 5  # frames; less says nothing
FLOOR = 0.6  # likeness below this: nothing we know
BEFORE, AFTER = 12, 12  # frames by which the alignment may slip
COST = 0.004  # of each frame which the lengths differ by, beyond some
TOLERANCE = 6
CANDIDATES, WEIGHT = 4, 0.2  # so many are looked at closely
PLACE, GIVE = 10, 2  # frames


@dataclass(frozen=True)
class Match:
    text: str
    likeness: float
    length: int  # frames of the whole sentence


class Book:
    """Fingerprints of sentences, in every voice."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._lengths = np.zeros(0, np.int64)
        self._prints = np.zeros((0, 0), np.float32)
        self._sums = self._squares = np.zeros((0, 1, BANDS))

    async def learn(self, texts: list[str]) -> None:
        """In every voice. A text with a pause in it is known by the parts about the pause."""
        pairs = [(text, voice) for text in dict.fromkeys(texts) for voice in speech.VOICES]
        spoken = await asyncio.gather(*(speech.speak(text, voice) for text, voice in pairs))
        known: list[tuple[str, Frames]] = []
        for (text, _), pcm in zip(pairs, spoken, strict=True):
            parts = utterances(frames_of(pcm, speech.RATE))
            known += zip(_parts(text, len(parts)), parts, strict=True)
        self._keep([(text, frames) for text, frames in known if len(frames) >= SHORTEST])

    def _keep(self, known: list[tuple[str, Frames]]) -> None:
        self._texts = [text for text, _ in known]
        if not known:
            return
        self._lengths = np.array([len(frames) for _, frames in known])
        longest = int(self._lengths.max(initial=0)) + BEFORE + AFTER
        prints = np.zeros((len(known), longest, BANDS), np.float32)
        for row, (_, frames) in enumerate(known):
            clipped = _clipped(frames)
            prints[row] = clipped.min()
            prints[row, BEFORE : BEFORE + len(frames)] = clipped
        prints -= prints.mean(axis=(1, 2), keepdims=True)  # small numbers: exact sums
        self._prints = prints.reshape(len(known), -1)
        padded = np.pad(prints.astype(np.float64), ((0, 0), (1, 0), (0, 0)))
        self._sums, self._squares = np.cumsum(padded, axis=1), np.cumsum(padded**2, axis=1)

    def match(self, heard: Frames, *, whole: bool) -> Match | None:
        """The likeliest sentence; for one still being spoken `whole` is false."""
        longest = self._sums.shape[1] - 1
        heard = _clipped(heard[:longest]) if len(heard) else heard
        if not len(self._texts) or len(heard) < SHORTEST:
            return None
        likeness, slips = self._likeness(heard)
        if whole:
            differ = np.abs(self._lengths - len(heard)) - TOLERANCE
            likeness = self._judged(heard, likeness - COST * np.maximum(differ, 0), slips)
        best = int(np.argmax(likeness))
        if likeness[best] < FLOOR:
            return None
        return Match(self._texts[best], float(likeness[best]), int(self._lengths[best]))

    def _likeness(self, heard: Frames) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Of every sentence at the best of its alignments, and that. One product of matrices."""
        length = len(heard)
        shape = heard - heard.mean(axis=0)
        steps = min(BEFORE + AFTER, self._sums.shape[1] - 1 - length) + 1
        slid = np.zeros((steps, length + steps - 1, BANDS), np.float32)
        for step in range(steps):
            slid[step, step : step + length] = shape
        width = (length + steps - 1) * BANDS
        common = self._prints[:, :width] @ slid.reshape(steps, width).T
        sums = self._sums[:, length : length + steps] - self._sums[:, :steps]
        squares = self._squares[:, length : length + steps] - self._squares[:, :steps]
        flat = length * BANDS * FLAT_DB**2  # what varies less is silence, and like nothing
        energy = np.maximum(np.sum(squares - sums**2 / length, axis=2), flat)
        own = max(float(np.sum(shape.astype(np.float64) ** 2)), flat)
        likeness = common / np.sqrt(energy * own)
        return likeness.max(axis=1), likeness.argmax(axis=1)

    def _judged(
        self, heard: Frames, likeness: NDArray[np.float64], slips: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Sentences which differ in a word differ in one place: compare the best ones there."""
        judged = np.full(len(likeness), -1.0)
        for row in np.argsort(likeness)[-CANDIDATES:]:
            print_ = self._prints[row].reshape(-1, BANDS)
            judged[row] = likeness[row] - WEIGHT * _worst(heard, print_, int(slips[row]))
        return judged


def _worst(heard: Frames, known: Frames, slip: int) -> float:
    """The difference where it is greatest, as a part of what two strange sentences differ by."""
    aligned = known[slip : slip + len(heard)]
    shape, mean = heard - heard.mean(axis=0), aligned.mean(axis=0)
    usual = np.sum(np.mean(shape**2, axis=0) + np.mean((aligned - mean) ** 2, axis=0))
    window = min(PLACE, len(heard))
    places = []
    for give in range(-GIVE, GIVE + 1):  # packets get lost, jitter buffers stretch
        rows = np.clip(np.arange(len(heard)) + slip + give, 0, len(known) - 1)
        differ = np.sum((shape - (known[rows] - mean)) ** 2, axis=1)
        sums = np.concatenate([[0.0], np.cumsum(differ)])
        places.append((sums[window:] - sums[:-window]) / window)
    return float(np.max(np.min(places, axis=0)) / max(usual, 1e-3))


def _clipped(frames: Frames) -> Frames:
    return np.maximum(frames, frames.max() - DEPTH_DB)


def _parts(text: str, count: int) -> list[str]:
    """Cut where one pauses. Raises ValueError if that cannot be seen."""
    for ends in (r"[^.!?]+[.!?]*", r"[^.!?,;:]+[.!?,;:]*"):
        parts = [part.strip() for part in re.findall(ends, text)]
        if len(parts) == count or count == 1:
            return parts if len(parts) == count else [text]
    raise ValueError(f"{text!r} is spoken in {count} parts: write it as {count} utterances.")
