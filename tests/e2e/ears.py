"""Hears what the caller heard: recognises which of the bot's lines a stretch of audio is.

A grammar of whole lines, so the answer is one of them or None. Independent of the product's own
recogniser on purpose.
"""

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from pocketsphinx import Decoder

Pcm = NDArray[np.int16]


def words(line: str) -> str:
    """Lower case, words only, as the dictionary has them."""
    spoken = re.sub(r"[^a-z' ]+", " ", line.lower().replace("’", "'"))
    return " ".join(spoken.split())


class Ears:
    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = {words(line): line for line in lines if words(line)}
        self._decoder = Decoder(samprate=16000, loglevel="FATAL", lm=None)
        known = {text: self._known(text) for text in self._lines}
        self._by_heard = {heard: self._lines[text] for text, heard in known.items()}
        rules = " | ".join(sorted(self._by_heard))
        self._decoder.add_jsgf_string(
            "lines", f"#JSGF V1.0; grammar lines; public <line> = {rules};"
        )
        self._decoder.activate_search("lines")

    def _known(self, text: str) -> str:
        """The words of a line which the dictionary can pronounce."""
        return " ".join(word for word in text.split() if self._decoder.lookup_word(word))

    def line(self, pcm: Pcm, rate: int = 8000) -> str | None:
        """Which line this is, or None. `pcm` is mono s16 at `rate` Hz."""
        self._decoder.start_utt()
        self._decoder.process_raw(to_16k(pcm, rate).tobytes(), full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return self._by_heard.get(hypothesis.hypstr) if hypothesis else None


def to_16k(pcm: Pcm, rate: int) -> Pcm:
    if rate == 16000:
        return pcm
    positions = np.arange(0, len(pcm), rate / 16000)
    return np.interp(positions, np.arange(len(pcm)), pcm).astype(np.int16)


def stretches(pcm: Pcm, rate: int = 8000, *, pause_ms: int = 700) -> list[tuple[int, int]]:
    """Begin and end (samples) of each stretch of speech; pauses shorter than `pause_ms` join."""
    frame = rate // 50
    count = len(pcm) // frame
    energy = np.sqrt(np.mean(pcm[: count * frame].reshape(count, frame).astype(float) ** 2, axis=1))
    loud = np.flatnonzero(energy > 32768 * 10 ** (-45 / 20))
    found: list[tuple[int, int]] = []
    for index in loud:
        begin, end = int(index) * frame, (int(index) + 1) * frame
        if found and begin - found[-1][1] <= rate * pause_ms // 1000:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return [(a, b) for a, b in found if b - a > rate // 5]


class WordEars:
    """Hears single words, in any order and number: what was said twice, and what was lost."""

    def __init__(self, lines: Iterable[str]) -> None:
        known = sorted({word for line in lines for word in words(line).split()})
        self._decoder = Decoder(samprate=16000, loglevel="FATAL", lm=None)
        spoken = [word for word in known if self._decoder.lookup_word(word)]
        self._decoder.add_jsgf_string(
            "words", f"#JSGF V1.0; grammar words; public <some> = ({' | '.join(spoken)})+;"
        )
        self._decoder.activate_search("words")

    def words(self, pcm: Pcm, rate: int = 8000) -> list[str]:
        """In the order they were heard, each stretch of speech by itself."""
        heard: list[str] = []
        for begin, end in stretches(pcm, rate, pause_ms=350):
            edge = rate // 10
            heard += self._stretch(pcm[max(0, begin - edge) : end + edge], rate)
        return heard

    def _stretch(self, pcm: Pcm, rate: int) -> list[str]:
        self._decoder.start_utt()
        self._decoder.process_raw(to_16k(pcm, rate).tobytes(), full_utt=True)
        self._decoder.end_utt()
        hypothesis = self._decoder.hyp()
        return hypothesis.hypstr.split() if hypothesis else []
