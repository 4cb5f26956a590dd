"""PocketSphinx with one plan's grammar. Blocking, no framework: audio in, a phrase or nothing out.

How strange speech is refused (measured: 3 voices, 8 kHz µ-law; see the tests):
1. the hypothesis must be a whole phrase of the grammar, or lack only its last word;
2. its score (mean likelihood, 0..1) must reach SCORE;
3. its words must cover most of the loud part, or the rest was taken for silence.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from agents.worker.embedded.grammar import Grammar

RATE = 16_000
FRAME = RATE // 100  # samples in a frame of the recogniser
SCORE = 0.5
COVERED = 0.65
CLEAR = 0.65  # what is completed must be beyond doubt
PART = 0.9  # below this, part of what was loud lies outside the words of the hypothesis
EDGE = 15  # frames left around the loud part: more silence would spoil the mean
PAD = bytes(2 * RATE // 10)  # 0.1 s of silence on both sides: the model wants edges
_FILES = ("plan.jsgf", "plan.dict", "phrases.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    text: str  # as written in the plan; empty: not understood
    score: float = 0.0
    covered: float = 0.0
    guess: str = ""  # what it would have been; for measuring, not for use


class Recogniser:
    """A decoder for one call; not for two threads at once."""

    def __init__(self, folder: Path) -> None:
        from pocketsphinx import Config, Decoder

        jsgf, dictionary, phrases = (folder / name for name in _FILES)
        self._phrases: dict[str, str] = json.loads(phrases.read_text())
        self._decoder = Decoder(
            Config(hmm=str(_model() / "en-us"), dict=str(dictionary), lm=None, loglevel="FATAL")
        )
        self._decoder.add_jsgf_file("plan", str(jsgf))
        self._decoder.activate_search("plan")

    def recognise(self, pcm: bytes) -> Heard:
        """Mono, 16 bit, 16 kHz."""
        padded = PAD + _loud_part(pcm) + PAD
        self._decoder.start_utt()
        # as one piece: only then is the line's colour (cepstral mean) taken from this utterance,
        # without that "I would like to speak to a person" scored 0.40 instead of 0.60
        self._decoder.process_raw(padded, False, True)
        self._decoder.end_utt()
        return self._judge(padded)

    def _judge(self, pcm: bytes) -> Heard:
        hypothesis = self._decoder.hyp()
        if hypothesis is None:
            return Heard(text="")
        guess, score = hypothesis.hypstr, float(hypothesis.score)
        covered = _covered(pcm, self._words())
        sure = score >= SCORE and covered >= COVERED
        text = self._phrases.get(self._completed(guess, score, covered), "") if sure else ""
        return Heard(text=text, score=score, covered=covered, guess=guess)

    def _completed(self, guess: str, score: float, covered: float) -> str:
        """The one phrase of which only the last word got lost: loud, but too weak to match."""
        if score < CLEAR or covered > PART or len(guess.split()) < 3:
            return guess
        if guess in self._phrases:
            return guess
        whole = [p for p in self._phrases if p.rpartition(" ")[0] == guess]
        return whole[0] if len(whole) == 1 else guess

    def _words(self) -> list[tuple[int, int]]:
        return [
            (part.start_frame, part.end_frame + 1)
            for part in self._decoder.seg()
            if part.word[0] not in "<[+("
        ]


def save(grammar: Grammar, folder: Path) -> None:
    jsgf, dictionary, phrases = (folder / name for name in _FILES)
    jsgf.write_text(grammar.jsgf())
    dictionary.write_text(grammar.dictionary())
    phrases.write_text(json.dumps(dict(grammar.phrases), indent=1))


def lexicon(word: str) -> list[str]:
    """How PocketSphinx's own dictionary pronounces a word; empty if it does not know it."""
    return _dictionary().get(word, [])


@cache
def _dictionary() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word, sounds in _entries():
        found.setdefault(sys.intern(word), []).append(sounds)
    return found


def _entries() -> Iterator[tuple[str, str]]:
    for line in (_model() / "cmudict-en-us.dict").read_text().splitlines():
        word, _, sounds = line.partition(" ")
        yield re.sub(r"\(\d+\)$", "", word), sounds


def _model() -> Path:
    import pocketsphinx

    return Path(pocketsphinx.get_model_path()) / "en-us"


def _loud_part(pcm: bytes) -> bytes:
    loud = np.flatnonzero(_loud(pcm))
    if not len(loud):
        return pcm
    start, end = max(0, int(loud[0]) - EDGE), int(loud[-1]) + 1 + EDGE
    return pcm[2 * start * FRAME : 2 * end * FRAME]


def _loud(pcm: bytes) -> npt.NDArray[np.bool_]:
    """Which frames are within 30 dB of the loudest."""
    samples = np.frombuffer(pcm, dtype=np.int16).astype(np.float32)
    count = len(samples) // FRAME
    power = (samples[: count * FRAME].reshape(count, FRAME) ** 2).mean(axis=1)
    if not count:
        return np.zeros(0, dtype=np.bool_)
    return np.asarray(power > max(float(np.percentile(power, 95)) / 1000, 1.0))


def _covered(pcm: bytes, words: list[tuple[int, int]]) -> float:
    """Share of the loud frames which lie inside words."""
    loud = _loud(pcm)
    inside = np.zeros(len(loud), dtype=np.bool_)
    for start, end in words:
        inside[start:end] = True
    return float((loud & inside).sum() / max(1, loud.sum()))
