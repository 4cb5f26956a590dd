"""Who answered a call we made: a person, a mailbox, a telephone menu or a call screener. Pure.

People say a word or two and wait for an answer. Machines speak on, and what they say gives them
away: words if the recogniser hears any, else their length and the beep.
"""

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]
Kind = Literal["human", "voicemail", "ivr", "screening", "unknown"]

RATE = 16_000
FRAME_MS = 20
LOUD = 32768 * 10 ** (-42 / 20)  # RMS; what is below is the line's noise

HUMAN_MS = 2500  # whoever speaks longer without a pause is a machine
PAUSE_MS = 600  # so long a person waits for an answer
MACHINE_PAUSE_MS = 1500  # … and a machine does not pause between its sentences
NOBODY_MS = 3000  # no sound at all
LONGEST_MS = 20_000
SPOKE_MS = 100  # shorter is a click

TONE_MS = 160  # a beep is a pure tone for so long
TONE_HZ = (380.0, 2600.0)
_TONE_WINDOW = RATE * 40 // 1000
_PURE = 0.85  # of the power in one place of the spectrum; vowels stay below
_STEADY_HZ = 40.0

_SCREENING = re.compile(
    r"record your name|say your name|state your name|reason for (your call|calling)|"
    r"who(?:'s| is) calling|call (assist|screening)|screening service|if this person is available"
)
_IVR = re.compile(r"\bpress (\w+ )?(one|two|three|zero|star|pound|\d)\b|main menu|menu options|"
                  r"para español|listen carefully")  # fmt: skip
_VOICEMAIL = re.compile(
    r"leave (me |us )?(a|your) (message|name)|after the (tone|beep)|at the (tone|beep)|voice ?mail|"
    r"mailbox|(is|are|am) not available|can(no|')t (take|come to|get to)|get back to you|"
    r"nicht erreichbar|nachricht (nach|hinter)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    kind: Kind
    reason: str  # for a supervisor
    ms: int  # after the answer


class AnsweredBy:
    """Hears the callee's sound from the answer on, 20 ms at a time, and his words as they come."""

    def __init__(self, *, nobody_ms: int = NOBODY_MS) -> None:
        self._nobody_ms = nobody_ms
        self.verdict: Verdict | None = None
        self.beeped = False
        self._ms = 0
        self._began: int | None = None  # of the first speech
        self._loud_ms = 0
        self._last_loud = 0
        self._tone = Tone()

    @property
    def quiet_ms(self) -> int:
        """Since the last sound."""
        return self._ms - self._last_loud

    def hear(self, samples: Samples) -> None:
        self._ms += FRAME_MS
        if self._tone.hear(samples):
            self.beeped = True
            self._decide("voicemail", "A beep was heard.")
        rms = float(np.sqrt(np.mean(samples.astype(np.float64) ** 2))) if len(samples) else 0.0
        if rms > LOUD:
            self._began = self._ms - FRAME_MS if self._began is None else self._began
            self._last_loud = self._ms
            self._loud_ms += FRAME_MS
        if self.verdict is None and not self._tone.is_on:
            self._judge()

    def read(self, text: str) -> None:
        """What the recogniser believes to have heard, whether or not it is final."""
        said = text.lower().replace("’", "'")
        if _SCREENING.search(said):
            self._decide("screening", "It asked who is calling, as call screeners do.")
        elif _IVR.search(said):
            self._decide("ivr", "It asked for a key to be pressed.")
        elif _VOICEMAIL.search(said):
            self._decide("voicemail", "It spoke of leaving a message.")

    def _judge(self) -> None:
        if self._began is None or self._loud_ms < SPOKE_MS:
            if self._ms >= self._nobody_ms:
                self._decide("unknown", f"Nobody spoke within {self._nobody_ms / 1000:g} s.")
            return
        spoke = self._last_loud - self._began
        said = f"It spoke for {spoke / 1000:.1f} s"
        if spoke <= HUMAN_MS and self.quiet_ms >= PAUSE_MS:
            self._decide("human", f"{said} and waited, as people do.")
        elif spoke > HUMAN_MS and self.quiet_ms >= MACHINE_PAUSE_MS:
            self._decide("voicemail", f"{said} without a pause, as mailboxes do.")
        elif self._ms - self._began >= LONGEST_MS:
            self._decide("unknown", f"It did not stop speaking for {LONGEST_MS / 1000:g} s.")

    def _decide(self, kind: Kind, reason: str) -> None:
        if self.verdict is None:
            self.verdict = Verdict(kind=kind, reason=reason, ms=self._ms)


class Tone:
    """Finds a beep: one steady frequency, and then its end."""

    def __init__(self) -> None:
        self._window = np.zeros(0, dtype=np.int16)
        self._hz = 0.0
        self._ms = 0

    @property
    def is_on(self) -> bool:
        return self._ms >= TONE_MS

    def hear(self, samples: Samples) -> bool:
        """Whether a beep has just ended."""
        self._window = np.concatenate([self._window, samples])[-_TONE_WINDOW:]
        hz = pure_tone(self._window) if len(self._window) == _TONE_WINDOW else 0.0
        ended = self.is_on and not hz
        if hz and abs(hz - self._hz) <= _STEADY_HZ:
            self._ms += FRAME_MS
        else:
            self._ms = 0
        self._hz = hz
        return ended


def pure_tone(samples: Samples) -> float:
    """The frequency (Hz) of a sound which is nothing but one tone; 0 for any other."""
    sound = samples.astype(np.float64)
    if np.sqrt(np.mean(sound**2)) < LOUD:
        return 0.0
    power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
    peak = int(np.argmax(power))
    hz = peak * RATE / len(sound)
    share = power[max(0, peak - 2) : peak + 3].sum() / max(power.sum(), 1e-9)
    return float(hz) if TONE_HZ[0] <= hz <= TONE_HZ[1] and share >= _PURE else 0.0
