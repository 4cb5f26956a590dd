"""Text to speech by servers which answer a JSON request with a whole sound file."""

import asyncio
import io
import uuid
from collections.abc import Mapping
from typing import Any

import aiohttp
import av
from livekit.agents import (
    APIConnectionError,
    APIConnectOptions,
    APIStatusError,
    APITimeoutError,
    tts,
    utils,
)
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS

RATE = 16_000
NOT_THIS_WAY = (404, 405)


class WavTTS(tts.TTS[Any]):
    """`urls`: where to ask; the next one when a server does not know the first."""

    def __init__(
        self,
        provider: str,
        urls: tuple[str, ...],
        body: Mapping[str, object],
        *,
        text_field: str = "text",
    ) -> None:
        super().__init__(
            capabilities=tts.TTSCapabilities(streaming=False), sample_rate=RATE, num_channels=1
        )
        self._provider = provider
        self._urls = urls
        self._body = dict(body)
        self._text_field = text_field

    @property
    def model(self) -> str:
        named = self._body.get("model") or self._body.get("voice") or self._body.get("speaker_id")
        return str(named or self._provider)

    @property
    def provider(self) -> str:
        return self._provider

    def synthesize(
        self, text: str, *, conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS
    ) -> tts.ChunkedStream:
        return _WavStream(tts=self, input_text=text, conn_options=conn_options)

    async def fetch(self, text: str, *, timeout_s: float) -> bytes:
        """The sound file. Raises APIStatusError, APITimeoutError, APIConnectionError."""
        limit = aiohttp.ClientTimeout(total=None, sock_connect=timeout_s, sock_read=timeout_s)
        try:
            for url in self._urls:
                body = {**self._body, self._text_field: text}
                session = utils.http_context.http_session()
                async with session.post(url, json=body, timeout=limit) as answer:
                    if answer.status in NOT_THIS_WAY and url != self._urls[-1]:
                        continue
                    await _check(answer)
                    self._urls = (url,)
                    return await answer.read()
        except TimeoutError:
            raise APITimeoutError from None
        except (aiohttp.ClientError, OSError) as reason:
            raise APIConnectionError(f"{self._provider}: {type(reason).__name__}") from reason
        raise APIConnectionError(f"{self._provider}: no address")


async def _check(answer: aiohttp.ClientResponse) -> None:
    if answer.status != 200:
        said = (await answer.text(errors="replace"))[:200]
        raise APIStatusError(answer.reason or "", status_code=answer.status, body=said)


class _WavStream(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        assert isinstance(self._tts, WavTTS)
        sound = await self._tts.fetch(self._input_text, timeout_s=self._conn_options.timeout)
        pcm = await asyncio.to_thread(decoded, sound)
        output_emitter.initialize(
            request_id=uuid.uuid4().hex, sample_rate=RATE, num_channels=1, mime_type="audio/pcm"
        )
        output_emitter.push(pcm)


def decoded(sound: bytes) -> bytes:
    """Any sound file (WAV of whole or floating numbers, MP3 …) as 16 bit, mono, 16 kHz."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    try:
        with av.open(io.BytesIO(sound), "r") as file:
            frames = [part for whole in file.decode(audio=0) for part in resampler.resample(whole)]
    except (av.FFmpegError, IndexError) as reason:
        raise APIConnectionError("The server answered with something else than sound.") from reason
    frames += resampler.resample(None)
    return b"".join(frame.to_ndarray().tobytes() for frame in frames)
