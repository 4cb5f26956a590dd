"""While the caller talks with somebody else, or waits for that, the bot is out of the call."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable

from livekit import rtc
from livekit.agents import stt
from livekit.agents.utils import aio

Event = stt.SpeechEvent
Hear = Callable[[AsyncIterable[rtc.AudioFrame]], AsyncGenerator[Event, None]]


class Hold:
    """`on` while the bot is out of the call."""

    def __init__(self) -> None:
        self.on = False
        self._begun, self._over = asyncio.Event(), asyncio.Event()
        self._over.set()
        self._frames: aio.Chan[rtc.AudioFrame] = aio.Chan()

    def begin(self) -> None:
        self.on = True
        self._begun.set()
        self._over.clear()

    def end(self) -> None:
        self.on = False
        self._begun.clear()
        self._over.set()

    async def over(self) -> None:
        """At once, unless it is on."""
        await self._over.wait()

    async def listen(
        self, audio: AsyncIterable[rtc.AudioFrame], hear: Hear
    ) -> AsyncGenerator[Event, None]:
        """What `hear` makes of the sound. A hold closes it, so that no recogniser is paid for
        what is not the bot's business; after the hold it is opened anew."""
        pump = asyncio.create_task(self._pump(audio))
        try:
            while True:
                await self.over()
                self._frames = aio.Chan()
                async for event in self._until_held(hear(self._frames)):
                    yield event
                if not self.on:
                    return
        finally:
            await aio.cancel_and_wait(pump)

    async def _pump(self, audio: AsyncIterable[rtc.AudioFrame]) -> None:
        """`audio` can be read once only: who stops reading it ends it."""
        async for frame in audio:
            if not self.on and not self._frames.closed:
                self._frames.send_nowait(frame)

    async def _until_held(self, heard: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        held = asyncio.create_task(self._begun.wait())
        coming: asyncio.Task[Event | None] | None = None
        try:
            while True:
                coming = coming or asyncio.create_task(_next(heard))
                await asyncio.wait({coming, held}, return_when=asyncio.FIRST_COMPLETED)
                if held.done():
                    return
                event, coming = coming.result(), None
                if event is None:
                    return
                yield event
        finally:
            await aio.cancel_and_wait(*(task for task in (coming, held) if task))
            await heard.aclose()


async def _next(heard: AsyncGenerator[Event, None]) -> Event | None:
    return await anext(heard, None)
