"""The telephone line of one call: what the bot says goes out, what the caller says comes in.

Mouth and Ear are ordinary audio ends of an AgentSession. They are ours because we must know to
the sample what left and when (recording, latencies), and because the track has to be published
before anybody answers: livekit-sip sends 200 OK once it hears one.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt
from livekit import rtc
from livekit.agents import io
from livekit.agents.utils import aio

from agents.worker.noise import Cleaner

Samples = npt.NDArray[np.int16]

RATE = 16_000
FRAME_MS = 20
FRAME = RATE * FRAME_MS // 1000  # samples
QUEUE_MS = 200  # sound handed over in advance; survives a busy event loop
HOLD_S = 0.4  # so long a voice detector may take to decide whether the caller goes on
GIVE_WAY_S = 0.15  # so much of a filler is dropped for an answer which is there


class Tap(Protocol):
    """Whoever wants to know what passes over the line; times on the monotonic clock."""

    def caller(self, at: float, samples: Samples) -> None: ...
    def agent(self, at: float, samples: Samples) -> None: ...
    def agent_cut(self, at: float) -> None: ...


class Source(Protocol):
    """What plays sound; rtc.AudioSource in a call."""

    async def capture_frame(self, frame: rtc.AudioFrame) -> None: ...
    def clear_queue(self) -> None: ...


class Mouth(io.AudioOutput):
    """Plays what the session says, 20 ms at a time, and can take back what has not been heard."""

    def __init__(self, source: Source | None = None) -> None:
        super().__init__(
            label="line", sample_rate=RATE, capabilities=io.AudioOutputCapabilities(pause=True)
        )
        self.source = source or rtc.AudioSource(RATE, 1, queue_size_ms=QUEUE_MS)
        self.tap: Tap | None = None
        self.goes_on: Callable[[], bool] = lambda: False  # the caller may, and an answer waits
        self._held_until = 0.0  # monotonic: the first sound of this segment
        self._waiting: deque[Samples] = deque()
        # start (monotonic), sound, whether it belongs to the segment; not yet heard
        self._sent: deque[tuple[float, Samples, bool]] = deque()
        self._filling: deque[Samples] = deque()  # sound beside all segments, played first
        self._filling_since = 0.0  # monotonic
        self.was_hushed = False  # what fill() began last was not said to its end
        self._rest = np.zeros(0, dtype=np.int16)
        self._news = asyncio.Event()
        self._running = asyncio.Event()
        self._running.set()
        self._busy_until = 0.0  # monotonic: when the queue runs dry
        self._open = False  # a segment was begun and not reported as finished
        self._complete = False  # … and the session will add nothing to it
        self._played = 0  # samples of the segment
        self._last_played = 0  # … of the segment which ended last
        self._pump = asyncio.create_task(self._play(), name="mouth")

    async def publish(self, participant: rtc.LocalParticipant) -> None:
        assert isinstance(self.source, rtc.AudioSource)
        track = rtc.LocalAudioTrack.create_audio_track("agent", self.source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False)
        await participant.publish_track(track, options)

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        await super().capture_frame(frame)
        if not self._open:
            self._give_way()
            self._open, self._complete, self._played = True, False, 0
            self._held_until = 0.0
        samples = np.concatenate([self._rest, np.frombuffer(frame.data, dtype=np.int16)])
        whole = len(samples) // FRAME * FRAME
        self._waiting.extend(samples[n : n + FRAME] for n in range(0, whole, FRAME))
        self._rest = samples[whole:]
        self._news.set()

    def heard_s(self) -> float:
        """How much of the segment which ended last the caller heard, in s."""
        return self._last_played / RATE

    def flush(self) -> None:
        super().flush()
        if len(self._rest):
            self._waiting.append(np.pad(self._rest, (0, FRAME - len(self._rest))))
            self._rest = self._rest[:0]
        self._complete = True
        self._news.set()

    def fill(self, sound: rtc.AudioFrame) -> bool:
        """A few words while an answer is awaited; False if something is being said already."""
        if self._open or self._waiting or self._filling or time.monotonic() < self._busy_until:
            return False
        samples = np.frombuffer(sound.data, dtype=np.int16)
        short = np.pad(samples, (0, -len(samples) % FRAME))
        self._filling.extend(short[n : n + FRAME] for n in range(0, len(short), FRAME))
        self._filling_since, self.was_hushed = time.monotonic(), False
        self._news.set()
        return True

    def _give_way(self) -> None:
        """An answer is there: a filler which has hardly begun is not worth waiting for."""
        if self._filling and time.monotonic() - self._filling_since < GIVE_WAY_S:
            self.hush()

    def hush(self) -> None:
        """The caller speaks: no more of what fill() began."""
        if self._filling:
            self._filling.clear()
            self.was_hushed = True
            if not self._open:
                self._take_back()

    def clear_buffer(self) -> None:
        """Silence at once; what was not heard is neither played nor recorded."""
        self.hush()
        if not self._open:
            return
        self._take_back()
        self._waiting.clear()
        self._rest = self._rest[:0]
        self._finish(interrupted=True)

    def pause(self) -> None:
        super().pause()
        self._running.clear()
        self._waiting.extendleft(reversed(self._take_back()))

    def resume(self) -> None:
        super().resume()
        self._running.set()

    async def aclose(self) -> None:
        await aio.cancel_and_wait(self._pump)
        if isinstance(self.source, rtc.AudioSource):
            await self.source.aclose()

    async def drained(self) -> None:
        """Wait until all that was handed over has left."""
        while self._waiting or time.monotonic() < self._busy_until:
            await asyncio.sleep(FRAME_MS / 1000)

    def _take_back(self) -> list[Samples]:
        """Whole frames which have not begun to play, oldest first."""
        now = time.monotonic()
        self.source.clear_queue()
        unheard = [samples for start, samples, ours in self._sent if start >= now and ours]
        self._sent.clear()
        self._played -= sum(map(len, unheard))
        self._busy_until = now
        if self.tap:
            self.tap.agent_cut(now)
        return unheard

    async def _play(self) -> None:
        while True:
            await self._running.wait()
            if self._filling:
                await self._send(self._filling.popleft(), ours=False)
            elif self._waiting and self._holds():
                await asyncio.sleep(FRAME_MS / 1000)
            elif self._waiting:
                await self._send(self._waiting.popleft())
            elif self._open and self._complete:
                await self._until_heard()
            else:
                self._news.clear()
                await self._news.wait()

    def _holds(self) -> bool:
        """Whether the first sound of a segment waits: he may be going on after a pause."""
        if self._played or not self.goes_on():
            return False
        now = time.monotonic()
        self._held_until = self._held_until or now + HOLD_S
        return now < self._held_until

    async def _send(self, samples: Samples, *, ours: bool = True) -> None:
        """`ours`: part of a segment, which is counted."""
        now = time.monotonic()
        start = max(now, self._busy_until)
        if ours and self._played == 0:
            self.on_playback_started(created_at=time.time() + start - now)
        self._busy_until = start + len(samples) / RATE
        self._played += len(samples) if ours else 0
        self._sent.append((start, samples, ours))
        while self._sent and self._sent[0][0] < now - 1:
            self._sent.popleft()
        if self.tap:
            self.tap.agent(start, samples)
        await self.source.capture_frame(rtc.AudioFrame(samples.tobytes(), RATE, 1, len(samples)))

    async def _until_heard(self) -> None:
        """Report the segment as finished, unless it is paused or cut before its last sample."""
        while (left := self._busy_until - time.monotonic()) > 0:
            await asyncio.sleep(min(left, FRAME_MS / 1000))
            if self._waiting or not self._open or not self._running.is_set():
                return
        if self._open and self._complete and not self._waiting:
            self._finish(interrupted=False)

    def _finish(self, *, interrupted: bool) -> None:
        self._open = False
        self._last_played = self._played
        self.on_playback_finished(playback_position=self._played / RATE, interrupted=interrupted)


class Ear(io.AudioInput):
    """What the caller says, from the moment listen() was given a track."""

    def __init__(self) -> None:
        super().__init__(label="line")
        self.tap: Tap | None = None
        self.away = False  # the session hears nothing; the tap hears everything
        self.listener: Callable[[Samples], None] | None = None  # hears each frame, as it came
        self.cleaner: Cleaner | None = None  # takes noise out of what the session hears
        self.deaf = False  # the session hears silence; the tap hears everything
        self._frames: aio.Chan[rtc.AudioFrame] = aio.Chan()
        self._task: asyncio.Task[None] | None = None
        self._due = 0.0  # monotonic: where the next frame belongs

    def listen(self, track: rtc.Track) -> None:
        if self._task is None:
            stream = rtc.AudioStream.from_track(
                track=track, sample_rate=RATE, num_channels=1, frame_size_ms=FRAME_MS
            )
            self._task = asyncio.create_task(self._read(stream), name="ear")

    def hear(self, frame: rtc.AudioFrame) -> None:
        """One frame from the caller, just received."""
        if not self._frames.closed and not self.away:
            self._frames.send_nowait(self._for_session(frame))
        if self.listener:
            self.listener(np.frombuffer(frame.data, dtype=np.int16))
        if self.tap:
            self._place(self.tap, frame)

    def _for_session(self, frame: rtc.AudioFrame) -> rtc.AudioFrame:
        if self.deaf:  # silence instead of nothing: recognisers hang up on a line without sound
            silence = bytes(2 * frame.samples_per_channel * frame.num_channels)
            count, channels = frame.samples_per_channel, frame.num_channels
            return rtc.AudioFrame(silence, frame.sample_rate, channels, count)
        return self.cleaner.clean(frame) if self.cleaner else frame

    def _place(self, tap: Tap, frame: rtc.AudioFrame) -> None:
        now = time.monotonic() - frame.duration
        # frames come in clumps but their sound is continuous; only a real gap moves the line
        if abs(now - self._due) > 0.12:
            self._due = now
        tap.caller(self._due, np.frombuffer(frame.data, dtype=np.int16))
        self._due += frame.duration

    async def _read(self, stream: rtc.AudioStream) -> None:
        async for event in stream:
            self.hear(event.frame)
        await stream.aclose()

    async def __anext__(self) -> rtc.AudioFrame:
        try:
            return await self._frames.recv()
        except aio.ChanClosed:
            raise StopAsyncIteration from None

    def __aiter__(self) -> AsyncIterator[rtc.AudioFrame]:
        return self

    async def aclose(self) -> None:
        self._frames.close()
        if self._task:
            await aio.cancel_and_wait(self._task)
