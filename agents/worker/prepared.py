"""Sentences synthesised in advance: WAV files of one plan, found by text and voice."""

import hashlib
import wave
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from livekit import rtc

from agents.entrance import filled
from agents.plan import CallPlan, Stage

RATE = 16_000
FRAME_S = 0.1
SILENT = 160  # amplitude, -46 dBFS
BEFORE_S, AFTER_S = 0.01, 0.08


def texts_of(plan: CallPlan) -> list[str]:
    """What is worth having ready, the greeting first."""
    fixed = (
        filled(plan.greeting, {}), plan.ask_back, plan.apology, plan.handover, plan.goodbye,
        plan.silence_prompt, plan.silence_prompt_2, plan.warning if plan.warn_before_s else "",
        plan.filler,
    )  # fmt: skip
    menu = plan.menu.texts() if plan.menu else ()
    asked = (purpose.ask for purpose in plan.purposes)
    answers = (entry.answer for entry in plan.faq)
    sent = (text for one in plan.targets for text in (one.announcement, one.sorry, one.closed))
    texts = (*fixed[:1], *menu, *fixed[1:], *asked, *answers, *sent, *plan.asides())
    return list(dict.fromkeys(text for text in texts if text.strip()))


def file_of(folder: Path, text: str, voice: Stage) -> Path:
    who = f"{voice.provider} {sorted(voice.options.items())}"
    name = hashlib.sha256(f"{who}\n{text}".encode()).hexdigest()[:32]
    return folder / "audio" / f"{name}.wav"


class Prepared:
    """The ready sentences of a plan, in memory. Texts are compared exactly, but for spaces."""

    def __init__(self, sounds: Mapping[str, rtc.AudioFrame]) -> None:
        self._sounds = {_key(text): sound for text, sound in sounds.items()}

    @classmethod
    def load(cls, folder: Path, plan: CallPlan) -> "Prepared":
        files = {text: file_of(folder, text, plan.tts[0]) for text in texts_of(plan)}
        return cls({text: read_wav(file) for text, file in files.items() if file.exists()})

    def has(self, text: str) -> bool:
        return _key(text) in self._sounds

    def may_become(self, beginning: str) -> bool:
        """Whether a ready sentence begins like this."""
        start = _key(beginning)
        return any(text.startswith(start) for text in self._sounds)

    def seconds(self, text: str) -> float:
        """How long it takes to say; 0 if it is not ready."""
        sound = self._sounds.get(_key(text))
        return sound.duration if sound else 0.0

    def whole(self, text: str) -> rtc.AudioFrame | None:
        return self._sounds.get(_key(text))

    def renamed(self, text: str, name: str) -> "Prepared":
        """The sound of one text under another name."""
        return Prepared({name: self._sounds[_key(text)]})

    def frames(self, text: str) -> Iterator[rtc.AudioFrame]:
        """Its sound in short frames. Raises KeyError."""
        sound = self._sounds[_key(text)]
        samples = np.frombuffer(sound.data, dtype=np.int16)
        step = round(sound.sample_rate * FRAME_S)
        for start in range(0, len(samples), step):
            piece = samples[start : start + step]
            yield rtc.AudioFrame(piece.tobytes(), sound.sample_rate, 1, len(piece))


def read_wav(path: Path) -> rtc.AudioFrame:
    with wave.open(str(path)) as sound:
        count = sound.getnframes()
        return rtc.AudioFrame(sound.readframes(count), sound.getframerate(), 1, count)


def write_wav(path: Path, sound: rtc.AudioFrame) -> None:
    """All of it or nothing: a call may be reading."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part")
    with wave.open(str(aside), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sound.sample_rate)
        file.writeframes(bytes(sound.data))
    aside.replace(path)


def trimmed(sound: rtc.AudioFrame) -> rtc.AudioFrame:
    """Without the silence voices put around a sentence: it would only make the caller wait."""
    samples = np.frombuffer(sound.data, dtype=np.int16)
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > SILENT)
    if not len(loud):
        return sound
    start = max(0, loud[0] - round(sound.sample_rate * BEFORE_S))
    piece = samples[start : loud[-1] + round(sound.sample_rate * AFTER_S)]
    return rtc.AudioFrame(piece.tobytes(), sound.sample_rate, 1, len(piece))


def narrow(sound: rtc.AudioFrame) -> rtc.AudioFrame:
    """At the rate of the line."""
    if sound.sample_rate == RATE:
        return sound
    resampler = rtc.AudioResampler(sound.sample_rate, RATE, quality=rtc.AudioResamplerQuality.HIGH)
    return rtc.combine_audio_frames([*resampler.push(sound), *resampler.flush()])


def _key(text: str) -> str:
    return " ".join(text.split())
