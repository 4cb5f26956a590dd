"""Piper over Wyoming, the TCP protocol of its server for Home Assistant."""

import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

from livekit import rtc
from livekit.agents import APIConnectionError, APIConnectOptions, APIError, APITimeoutError, tts
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from wyoming.audio import AudioChunk, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.tts import Synthesize, SynthesizeVoice

RATE = 16_000


class WyomingTTS(tts.TTS[Any]):
    """A connection for each utterance, as the protocol's other clients make it."""

    def __init__(self, host: str, port: int, *, voice: str = "") -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False), sample_rate=RATE, num_channels=1
        )
        self.address = (host, port)
        self.voice = SynthesizeVoice(name=voice) if voice else None

    @property
    def model(self) -> str:
        return (self.voice.name if self.voice else None) or "piper"

    @property
    def provider(self) -> str:
        return "piper"

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return _WyomingStream(tts=self, input_text=text, conn_options=conn_options)


class _WyomingStream(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=uuid.uuid4().hex, sample_rate=RATE, num_channels=1, mime_type="audio/pcm"
        )
        voice = _ToLine()
        try:
            async for chunk in self._chunks():
                for pcm in voice.push(chunk):
                    output_emitter.push(pcm)
        except TimeoutError:
            raise APITimeoutError from None
        except (OSError, EOFError) as reason:
            raise APIConnectionError(f"Piper: {type(reason).__name__}") from reason
        for pcm in voice.flush():
            output_emitter.push(pcm)

    async def _chunks(self) -> AsyncIterator[AudioChunk]:
        assert isinstance(self._tts, WyomingTTS)
        limit = self._conn_options.timeout
        client = AsyncTcpClient(*self._tts.address, connect_timeout=limit, read_timeout=limit)
        await client.connect()
        try:
            await client.write_event(Synthesize(self._input_text, self._tts.voice).event())
            while not AudioStop.is_type((event := await _next(client)).type):
                if AudioChunk.is_type(event.type):
                    yield AudioChunk.from_event(event)
        finally:
            with suppress(OSError):
                await client.disconnect()


async def _next(client: AsyncTcpClient) -> Event:
    event = await client.read_event()
    if event is None:
        raise EOFError
    if Error.is_type(event.type):
        raise APIError(f"Piper: {Error.from_event(event).text}")
    return event


class _ToLine:
    """Chunks of whatever rate a voice was trained at, at the line's."""

    def __init__(self) -> None:
        self._resampler: rtc.AudioResampler | None = None

    def push(self, chunk: AudioChunk) -> Iterator[bytes]:
        if (chunk.width, chunk.channels) != (2, 1):
            raise APIError("Piper: only mono sound of 16 bit is understood.")
        if chunk.rate == RATE:
            yield chunk.audio
            return
        if self._resampler is None:
            self._resampler = rtc.AudioResampler(chunk.rate, RATE, num_channels=1)
        yield from (bytes(f.data) for f in self._resampler.push(bytearray(chunk.audio)))

    def flush(self) -> Iterator[bytes]:
        if self._resampler is not None:
            yield from (bytes(f.data) for f in self._resampler.flush())
