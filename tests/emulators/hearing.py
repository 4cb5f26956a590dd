"""What an STT emulator does with audio: finds where somebody speaks, and what is said.

Positions are frames of 20 ms of received audio; the wall clock says only when a result is due.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from tests.emulators.fingerprint import Book
from tests.emulators.frames import FRAME_S, frames_of, loudness
from tests.emulators.segments import END, TICK, Segmenter, What
from tests.emulators.speech import Pcm


@dataclass(frozen=True)
class Word:
    text: str
    start: float  # seconds of received audio
    end: float


@dataclass(frozen=True)
class Heard:
    what: What
    text: str
    start: float
    end: float
    at: float  # monotonic: when the audio up to `end` was there
    words: list[Word] = field(default_factory=list)


class Listener:
    """Received audio in, what an STT says about it out."""

    def __init__(self, book: Book, rate: int) -> None:
        self._book, self._rate = book, rate
        self._segmenter = Segmenter()
        self._rest = np.zeros(0, np.int16)
        self._loud_at = 0.0
        self._guess: tuple[list[str], int] = ([], 0)  # words of the likeliest sentence, its frames
        self.seconds = 0.0  # of received audio

    def push(self, data: bytes) -> Iterator[Heard]:
        """Of 16 bit samples. Raises ValueError for half a sample."""
        pcm = np.concatenate([self._rest, np.frombuffer(data, np.int16)])
        self.seconds += len(data) / 2 / self._rate
        now = time.monotonic()
        frames = frames_of(pcm, self._rate)
        self._rest = pcm[len(frames) * int(self._rate * FRAME_S) :]
        for frame, level in zip(frames, loudness(frames), strict=True):
            what = self._segmenter.push(frame, float(level))
            if self._segmenter.loud_until == self._segmenter.position:
                self._loud_at = now
            if what:
                yield self._told(what, now)

    def finish(self) -> Heard | None:
        """The sentence in progress is at its end, whatever follows."""
        return self._told("end", time.monotonic()) if self._segmenter.speaking else None

    def _told(self, what: What, now: float) -> Heard:
        until = self._segmenter.loud_until if what in ("end", "pause") else self._segmenter.position
        spoken = self._whole() if what in ("end", "pause") else self._so_far(what)
        start, end = self._segmenter.begun * FRAME_S, until * FRAME_S
        if what == "end":
            self._segmenter.finish()
            self._guess = ([], 0)
        at = self._loud_at if what in ("end", "pause") else now
        return Heard(what, " ".join(spoken), start, end, at, timed(spoken, start, end))

    def _whole(self) -> list[str]:
        match = self._book.match(self._segmenter.utterance(), whole=True)
        return match.text.split() if match else []

    def _so_far(self, what: What) -> list[str]:
        """The first words of the likeliest sentence, as many as there was time for."""
        spoken = self._segmenter.position - self._segmenter.begun
        if what == "tick" and spoken % (2 * TICK) == 0:
            match = self._book.match(self._segmenter.utterance(), whole=False)
            self._guess = (match.text.split(), match.length) if match else ([], 0)
        words, length = self._guess
        return words[: len(words) * spoken // length] if length else []


def timed(words: list[str], start: float, end: float) -> list[Word]:
    """Long words take longer."""
    marks = np.cumsum([0, *(len(word) + 1 for word in words)])
    at = start + (end - start) * marks / max(1, marks[-1])
    return [Word(word, float(at[n]), float(at[n + 1])) for n, word in enumerate(words)]


def text_of(book: Book, pcm: Pcm, rate: int) -> str | None:
    """All sentences of a file; None: nothing of the script."""
    listener = Listener(book, rate)
    quiet = bytes(2 * int(rate * FRAME_S) * (END + 1))
    heard = list(listener.push(pcm.tobytes() + quiet))
    return " ".join(h.text for h in heard if h.what == "end" and h.text) or None
