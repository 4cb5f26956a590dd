"""PocketSphinx as an ordinary STT of livekit-agents: one utterance in, one final transcript out."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import APIConnectOptions, LanguageCode, stt
from livekit.agents.types import NOT_GIVEN, NotGivenOr
from livekit.agents.utils import AudioBuffer

from agents.worker.embedded.recogniser import RATE, Recogniser

NOT_UNDERSTOOD = "[unclear]"  # a transcript, so that whatever model answers can ask back
MIN_SPEECH_S = 0.35  # anything shorter that is not understood was a cough or a click


class SphinxSTT(stt.STT[Any]):
    def __init__(self, folder: Path) -> None:
        super().__init__(
            capabilities=stt.STTCapabilities(
                streaming=False, interim_results=False, chat_context=False
            )
        )
        self._folder = folder
        self._recogniser: Recogniser | None = None
        self._loading = threading.Lock()
        self._busy = asyncio.Lock()

    @property
    def model(self) -> str:
        return "en-us grammar"

    @property
    def provider(self) -> str:
        return "pocketsphinx"

    def prewarm(self) -> None:
        """Load the acoustic model (30 to 130 ms) beside the event loop."""
        threading.Thread(target=self._load, daemon=True, name="sphinx").start()

    def _load(self) -> Recogniser:
        with self._loading:
            if self._recogniser is None:
                self._recogniser = Recogniser(self._folder)
            return self._recogniser

    async def _recognize_impl(
        self,
        buffer: AudioBuffer,
        *,
        language: NotGivenOr[str] = NOT_GIVEN,
        conn_options: APIConnectOptions,
    ) -> stt.SpeechEvent:
        frames = buffer if isinstance(buffer, list) else [buffer]
        pcm = _at_16_khz(frames)
        async with self._busy:
            text, score = await asyncio.to_thread(self._recognise, pcm)
        return stt.SpeechEvent(
            type=stt.SpeechEventType.FINAL_TRANSCRIPT,
            alternatives=[stt.SpeechData(language=LanguageCode("en"), text=text, confidence=score)],
        )

    def _recognise(self, pcm: bytes) -> tuple[str, float]:
        heard = self._load().recognise(pcm)
        if heard.text:
            return heard.text, heard.score
        return (NOT_UNDERSTOOD if _speech_s(pcm) >= MIN_SPEECH_S else ""), 0.0


def _speech_s(pcm: bytes) -> float:
    """How long something loud is in it, in seconds."""
    samples = np.frombuffer(pcm, dtype=np.int16).astype(np.float32)
    count = len(samples) // 160
    power = (samples[: count * 160].reshape(count, 160) ** 2).mean(axis=1)
    return float((power > max(float(power.max(initial=0.0)) / 100, 100.0)).sum()) / 100


def _at_16_khz(frames: list[rtc.AudioFrame]) -> bytes:
    if all(frame.sample_rate == RATE for frame in frames):
        return b"".join(bytes(frame.data) for frame in frames)
    resampler = rtc.AudioResampler(input_rate=frames[0].sample_rate, output_rate=RATE)
    out = [piece for frame in frames for piece in resampler.push(frame)] + resampler.flush()
    return b"".join(bytes(frame.data) for frame in out)
