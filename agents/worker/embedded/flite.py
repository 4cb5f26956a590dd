"""flite as an ordinary TTS of livekit-agents: one subprocess for each utterance."""

import asyncio
import io
import uuid
import wave
from typing import Any

from livekit.agents import APIConnectionError, APIConnectOptions, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS

VOICES = ("slt", "rms", "awb")
RATE = 16_000
TIMEOUT_S = 10.0


class FliteTTS(tts.TTS[Any]):
    def __init__(self, voice: str = "slt") -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False), sample_rate=RATE, num_channels=1
        )
        self.voice = voice

    @property
    def model(self) -> str:
        return self.voice

    @property
    def provider(self) -> str:
        return "flite"

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return _FliteStream(tts=self, input_text=text, conn_options=conn_options)


class _FliteStream(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        assert isinstance(self._tts, FliteTTS)
        pcm = await speak(self._input_text, voice=self._tts.voice)
        output_emitter.initialize(
            request_id=uuid.uuid4().hex, sample_rate=RATE, num_channels=1, mime_type="audio/pcm"
        )
        output_emitter.push(pcm)


async def speak(text: str, *, voice: str) -> bytes:
    """Mono, 16 bit, 16 kHz. Raises APIConnectionError if flite is missing or fails."""
    try:
        process = await asyncio.create_subprocess_exec(
            "flite", "-voice", voice, "-t", text, "-o", "/dev/stdout",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError as reason:
        raise APIConnectionError("flite is not installed on the worker's machine.") from reason
    try:
        out, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    except (TimeoutError, asyncio.CancelledError):
        process.kill()
        raise
    if process.returncode or not out:
        raise APIConnectionError(f"flite failed with voice {voice!r}.")
    with wave.open(io.BytesIO(out)) as sound:
        pcm: bytes = sound.readframes(sound.getnframes())
    return pcm
