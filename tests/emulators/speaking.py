"""A TTS over a WebSocket: sentences of an answer come one by one, and are spoken in their order."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.emulators import speech
from tests.emulators.calls import Call, Cut
from tests.emulators.hearing import Word, timed


@dataclass(frozen=True)
class Piece:
    """About 100 ms of a sentence."""

    data: bytes
    first: bool  # of its sentence
    text: str  # of its sentence
    start: float  # of its sentence, seconds since the answer began
    end: float

    @property
    def words(self) -> list[Word]:
        return timed(self.text.split(), self.start, self.end)


@dataclass(frozen=True)
class Voice:
    rate: int
    kbps: int = 0  # of MP3; 0: plain samples

    async def encoded(self, pcm: speech.Pcm) -> bytes:
        if not self.kbps:
            return pcm.tobytes()
        return await asyncio.to_thread(speech.mp3, pcm, self.rate, kbps=self.kbps)


class Answer:
    """One answer of possibly many on a connection: a call of its own, with its own faults."""

    def __init__(
        self, connection: Call, voice: Voice, *, send: Callable[[Piece], Awaitable[None]],
        done: Callable[[], Awaitable[None]], failed: Callable[[int], Awaitable[None]],
    ) -> None:  # fmt: skip
        self._call = connection.another()
        self._voice = voice
        self._send, self._done, self._failed = send, done, failed
        self._texts: asyncio.Queue[tuple[str, float] | None] = asyncio.Queue()
        self._spoken_s = self._due = 0.0
        self._task = self._call.spawn(self._run())

    def say(self, text: str) -> None:
        if text.strip():
            self._call.note("request", text=text)
            self._texts.put_nowait((text, time.monotonic()))

    def end(self) -> None:
        """No more sentences."""
        self._texts.put_nowait(None)

    def cancel(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        try:
            while said := await self._texts.get():
                await self._speak(*said)
            await self._done()
        except Cut as cut:
            if not cut.status:
                raise
            await self._failed(cut.status)

    async def _speak(self, text: str, asked: float) -> None:
        pcm = await self._call.board.voice(text, self._voice.rate, mark=not self._spoken_s)
        start, seconds = self._spoken_s, len(pcm) / self._voice.rate
        self._spoken_s += seconds
        parts = speech.chunks(await self._voice.encoded(pcm), seconds)
        pieces = [Piece(part, n == 0, text, start, start + seconds) for n, part in enumerate(parts)]
        self._due = await self._call.play(
            pieces, self._send, **self._call.as_voice(), begun=asked, after=self._due
        )
