"""The chain of recognisers: what the caller said reaches the next one when one fails.

All that was heard since the last complete sentence is kept. A member which breaks, or says nothing
after the caller stopped speaking, is joined by the next one, which gets that sound again.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import Any

from livekit import rtc
from livekit.agents import stt, vad

from agents.worker.chain.level import Level
from agents.worker.chain.members import ONCE, STALLED, AllDown, Chain, Member, reason_of

PATIENCE_S = 0.4  # after the end of speech, for a member which listens all the time
BATCH_PATIENCE_S = 1.2  # … for one which begins to work then
CONNECTED_S = 0.3  # who breaks after this had been listening
KEPT_S = 30.0  # sound kept for the next member
TAIL_S = 0.6  # of what was understood while he speaks on, still kept: its end is known only roughly
SPEECH_S = 0.25  # anything shorter may be a cough, which nobody needs to understand
WORDS_S = 0.7  # … and from here on it was no cough: somebody waits for an answer
LATE_S = 0.85  # after his last sound he should hear something; his ear adds 0.15 s on both sides
EARLY_S = 0.35  # a result so long before the end of speech may be the last one: detectors lag
AGAIN_S = 20.0  # a member whose idle connection broke is asked again, but not more often

Event = stt.SpeechEvent
FINAL = stt.SpeechEventType.FINAL_TRANSCRIPT


class Listener:
    """One member's open ear."""

    def __init__(self, member: Member, ears: vad.VAD, queue: "asyncio.Queue[Heard]") -> None:
        self.member = member
        self.began = time.monotonic()
        engine: stt.STT[Any] = member.engine
        self.streams = engine.capabilities.streaming
        self._adapter = None if self.streams else stt.StreamAdapter(stt=engine, vad=ears)
        self._stream = (self._adapter or engine).stream(conn_options=ONCE)
        self._task = asyncio.create_task(self._read(queue))

    def push(self, frame: rtc.AudioFrame) -> None:
        if not self._task.done():
            try:
                self._stream.push_frame(frame)
            except RuntimeError:  # it broke just now; the reader tells why
                return

    async def _read(self, queue: "asyncio.Queue[Heard]") -> None:
        try:
            async for event in self._stream:
                queue.put_nowait((self, event))
            queue.put_nowait((self, ConnectionError("The stream ended.")))
        except Exception as error:
            queue.put_nowait((self, error))

    async def aclose(self) -> None:
        self._task.cancel()
        await self._stream.aclose()
        if self._adapter:
            await self._adapter.aclose()


class Tick:
    """Time to look whether an answer is overdue."""


Heard = tuple["Listener | None", "Event | BaseException | Tick"]


class Hearing:
    """`speech_began` and `speech_ended` must be called as the caller's voice is detected."""

    def __init__(self, chain: Chain, ears: vad.VAD) -> None:
        self._chain = chain
        self._ears = ears
        self._queue: asyncio.Queue[Heard] = asyncio.Queue()
        self._kept: deque[rtc.AudioFrame] = deque()
        self._kept_s = 0.0
        self._active: Listener | None = None
        self._second: Listener | None = None  # asked beside the active one
        self._began: float | None = None  # the caller's speech (monotonic)
        self._ended: float | None = None
        self._owed = False  # he spoke, and nothing was understood since
        self._understood_at = 0.0
        self._broken: dict[str, float] = {}  # member's id → when
        self._closing: set[asyncio.Task[None]] = set()
        self.level = Level()
        self.on_overdue: Callable[[], None] = lambda: None

    @property
    def serving(self) -> Member:
        return self._active.member if self._active else self._chain.order()[0]

    # --- what the line reports -------------------------------------------------------------------

    def speech_began(self) -> None:
        self._began, self._ended = time.monotonic(), None

    def speech_ended(self, silence_s: float) -> None:
        """`silence_s`: for how long he has been silent by now."""
        now = time.monotonic()
        self._ended = now - silence_s
        if self._began is None or self._ended - self._began < SPEECH_S:
            return
        if self._understood_at < self._ended - EARLY_S:
            self._owed = True
            loop = asyncio.get_running_loop()
            loop.call_later(self._patience(), self._tick)
            if self._ended - self._began >= WORDS_S:
                loop.call_later(max(0.0, LATE_S - silence_s), self._overdue, self._ended)

    def _overdue(self, ended: float) -> None:
        if self._owed and self._ended == ended:
            self.on_overdue()

    def _patience(self) -> float:
        listens = self._active is None or self._active.streams
        least = PATIENCE_S if listens else BATCH_PATIENCE_S
        return least if listens or self._active is None else self._active.member.patience_s(least)

    def _tick(self) -> None:
        self._queue.put_nowait((None, Tick()))

    # --- the node --------------------------------------------------------------------------------

    async def hear(self, audio: AsyncIterable[rtc.AudioFrame]) -> AsyncGenerator[Event, None]:
        """Until the audio ends. Raises AllDown when no member listens any more."""
        self._active = self._open(self._chain.order()[0])
        pump = asyncio.create_task(self._pump(audio))
        try:
            while True:
                listener, what = await self._queue.get()
                if isinstance(what, Tick):
                    self._look()
                elif isinstance(what, BaseException):
                    self._fail(listener, what)
                elif event := self._take(listener, what):
                    yield event
        finally:
            pump.cancel()
            for listener in (self._active, self._second):
                if listener:
                    await listener.aclose()

    async def _pump(self, audio: AsyncIterable[rtc.AudioFrame]) -> None:
        async for frame in audio:
            self.level.push(frame)
            self._kept.append(frame)
            self._kept_s += frame.duration
            self._drop_older_than(KEPT_S)
            for listener in (self._active, self._second):
                if listener:
                    listener.push(frame)

    def _open(self, member: Member) -> Listener:
        """A listener who has heard what was kept."""
        listener = Listener(member, self._ears, self._queue)
        for frame in self._kept:
            listener.push(frame)
        return listener

    def _take(self, listener: "Listener | None", event: Event) -> Event | None:
        understood = event.type == FINAL and event.alternatives and event.alternatives[0].text
        if listener is self._second and self._second is not None:
            if not understood:
                return None
            self._change(STALLED)
        elif listener is not self._active:
            return None
        if understood:
            self._understood()
        return event

    def _understood(self) -> None:
        self._owed, self._understood_at = False, time.monotonic()
        self._retire(self._second)
        self._second = None
        if self._active:
            self._chain.health.worked(self._active.member)
        self._drop_older_than(TAIL_S if self._speaks() else 0.0)

    def _look(self) -> None:
        """Nothing was understood although the caller stopped speaking: ask the next one too."""
        speaks_again = self._ended is None
        if not self._owed or speaks_again or self._second or self._active is None:
            return
        others = self._others(self._active.member)
        if others:
            self._second = self._open(others[0])

    def _fail(self, listener: "Listener | None", error: BaseException) -> None:
        if listener is None or listener not in (self._active, self._second):
            return
        self._broken[listener.member.id] = time.monotonic()
        self._retire(listener)
        if listener is self._second:
            self._second = None
            self._chain.moved(listener.member, None, reason_of(error), listener.began)
            return
        reason = reason_of(error, begun=time.monotonic() - listener.began > CONNECTED_S)
        if self._second:
            self._change(reason)
        elif self._was_idle(listener):
            self._active = self._open(listener.member)
        else:
            self._replace(listener, reason)

    def _was_idle(self, listener: Listener) -> bool:
        """Providers close a line on which nobody speaks; that is no failure."""
        return time.monotonic() - listener.began > AGAIN_S and not self._owed and not self._speaks()

    def _speaks(self) -> bool:
        return self._began is not None and self._ended is None

    def _replace(self, failed: Listener, reason: str) -> None:
        others = self._others(failed.member)
        self._chain.moved(failed.member, others[0] if others else None, reason, self._since())
        if not others:
            raise AllDown(self._chain.role)
        self._active = self._open(others[0])

    def _change(self, reason: str) -> None:
        """The second listener takes over."""
        assert self._second is not None
        assert self._active is not None
        before, self._active, self._second = self._active, self._second, None
        self._retire(before)
        self._chain.moved(before.member, self._active.member, reason, self._since())

    def _since(self) -> float:
        """From when on the caller waits: nothing is lost while he speaks."""
        return self._ended or time.monotonic()

    def _others(self, member: Member) -> list[Member]:
        recent = time.monotonic() - AGAIN_S
        return [
            other for other in self._chain.after(member) if self._broken.get(other.id, 0.0) < recent
        ]

    def _retire(self, listener: "Listener | None") -> None:
        if listener:
            task = asyncio.create_task(listener.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _drop_older_than(self, seconds: float) -> None:
        while self._kept and self._kept_s - self._kept[0].duration >= seconds:
            self._kept_s -= self._kept.popleft().duration
