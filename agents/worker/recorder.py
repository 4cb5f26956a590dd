"""Our own stereo recorder: caller left, agent right, Ogg/Opus, written while the call runs.

Both voices are placed on one time line (seconds of the monotonic clock). A block is written when
nothing can change it any more: HOLD_S after it was, because sound handed to the agent's queue can
still be taken back by an interruption. A killed process loses HOLD_S and the last page.
"""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from agents.worker.roomy import Roomy

log = logging.getLogger(__name__)

Samples = npt.NDArray[np.int16]

RATE = 16_000
HOLD_S = 0.4
STEP_S = 0.1
LEAST_S = 0.02  # a file has a frame at least
BIT_RATE = 48_000
# Voices reach the far ear later than we send, and ours later than they speak (measured at a SIP
# caller on loopback: the SIP leg's jitter buffer and Opus, about 100 ms each way).
TO_CALLER_S = 0.10
FROM_CALLER_S = 0.10
LEFT, RIGHT = 0, 1
FULL = "The worker's disk is full; the recording waits in memory for room. Make room there."
_OPEN = 2**62  # the end of a pause which goes on


@dataclass(slots=True)
class _Track:
    """One channel: pieces of sound at sample positions, not yet written."""

    pieces: list[tuple[int, Samples]] = field(default_factory=list)

    def put(self, position: int, samples: Samples) -> None:
        self.pieces.append((position, samples))

    def cut(self, position: int) -> None:
        self.pieces = [(p, s[: max(0, position - p)]) for p, s in self.pieces if p < position]

    def take(self, start: int, end: int) -> Samples:
        """The sound of [start, end), silent where nothing was put; it is forgotten after."""
        block = np.zeros(end - start, dtype=np.int16)
        for position, samples in self.pieces:
            low, high = max(position, start), min(position + len(samples), end)
            if low < high:
                block[low - start : high - start] = samples[low - position : high - position]
        self.pieces = [(p, s) for p, s in self.pieces if p + len(s) > end]
        return block


class Recorder:
    """Safe to call from the event loop; encoding runs in a thread of its own."""

    def __init__(
        self,
        path: Path,
        *,
        began: float,
        make_room: Callable[[], int] = lambda: 0,
        on_trouble: Callable[[str], object] = lambda detail: None,
    ) -> None:
        """`began`: the moment of sample 0 on the monotonic clock. `on_trouble` is told what goes
        wrong, in the recorder's own thread: the call goes on."""
        self.path = path
        self._make_room = make_room
        self._on_trouble = on_trouble
        self._began = began
        self._tracks = (_Track(), _Track())
        self._lock = threading.Lock()
        self._blind: list[list[int]] = []  # [from, to): samples which are silent in the file
        self._written = 0  # samples
        self._stop: queue.Queue[float] = queue.Queue()
        self.failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def caller(self, at: float, samples: Samples) -> None:
        """`at`: when the worker received its first sample."""
        self._put(LEFT, at - FROM_CALLER_S, samples)

    def agent(self, at: float, samples: Samples) -> None:
        """`at`: when its first sample leaves the worker."""
        self._put(RIGHT, at + TO_CALLER_S, samples)

    def other(self, at: float, samples: Samples) -> None:
        """Somebody the caller talks with instead of the agent. `at`: as for the caller, who hears
        it when the agent's sound of that moment would leave."""
        self._put(RIGHT, at - FROM_CALLER_S + TO_CALLER_S, samples)

    def agent_cut(self, at: float) -> None:
        """What was to leave the worker from `at` on did not."""
        with self._lock:
            self._tracks[RIGHT].cut(self._position(at + TO_CALLER_S))

    def pause(self, at: float) -> None:
        """From now on silence is written, until `resume`; the time line stays true."""
        with self._lock:
            if not self._blind or self._blind[-1][1] < _OPEN:
                self._blind.append([self._position(at - FROM_CALLER_S), _OPEN])

    def resume(self, at: float) -> None:
        with self._lock:
            if self._blind and self._blind[-1][1] == _OPEN:
                self._blind[-1][1] = self._position(at + TO_CALLER_S)

    def close(self, ended: float) -> int:
        """Write the rest up to `ended` (monotonic). Blocking. Returns the length in ms."""
        self._stop.put(ended)
        self._thread.join(timeout=5)
        if self.failure:
            raise self.failure
        wanted = max(0, self._position(ended))
        # an end noticed late lies before what was written already
        if self._written > wanted > 0:
            with contextlib.suppress(OSError):  # no room for a second file: it ends a little late
                _cut(self.path, wanted)
        return round(min(self._written, wanted) * 1000 / RATE)

    def _put(self, channel: int, at: float, samples: Samples) -> None:
        position = self._position(at)
        if position < 0:
            samples, position = samples[-position:], 0
        if self.failure:  # nobody takes it out any more
            return
        with self._lock:
            self._tracks[channel].put(position, samples)

    def _position(self, at: float) -> int:
        return round((at - self._began) * RATE)

    def _run(self) -> None:
        try:
            self._encode()
        except Exception as reason:
            self.failure = reason
            log.exception("A recorder failed; its call goes on")
            self._on_trouble(f"The recorder failed ({type(reason).__name__}).")

    def _encode(self) -> None:
        disk = Roomy(
            self.path, make_room=self._make_room, on_full=lambda: self._on_trouble(FULL)
        )  # fmt: skip
        try:
            self._encode_to(disk)
        finally:
            disk.close()
        if disk.lost:
            self._on_trouble("The worker's disk stayed full, so a part of the recording is lost.")

    def _encode_to(self, disk: Roomy) -> None:
        # a page each 0.1 s, each straight to disk
        options = {"page_duration": "100000", "flush_packets": "1"}
        with av.open(disk, "w", format="ogg", options=options) as file:
            stream = file.add_stream("libopus", rate=RATE, layout="stereo", bit_rate=BIT_RATE)
            ended = None
            while ended is None:
                try:
                    ended = self._stop.get(timeout=STEP_S)
                except queue.Empty:
                    self._write(file, stream, until=time.monotonic() - HOLD_S)
            # a call which ends as it begins: without a frame there would be no file
            self._write(file, stream, until=ended if self._written else max(ended, self._least()))
            file.mux(stream.encode(None))

    def _least(self) -> float:
        return self._began + LEAST_S

    def _write(self, file: object, stream: object, *, until: float) -> None:
        end = self._position(until)
        if end <= self._written:
            return
        with self._lock:
            pair = np.stack([track.take(self._written, end) for track in self._tracks], axis=1)
            for low, high in self._blind:
                pair[max(0, low - self._written) : max(0, high - self._written)] = 0
            self._blind = [span for span in self._blind if span[1] > end]
        frame = av.AudioFrame.from_ndarray(pair.reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate = RATE
        frame.pts, frame.time_base = self._written, Fraction(1, RATE)
        self._written = end
        file.mux(stream.encode(frame))  # type: ignore[attr-defined]


def _cut(path: Path, samples: int) -> None:
    """Keep the first samples (to the packet, 20 ms) of a file."""
    aside = path.with_suffix(".cut")
    with av.open(str(path)) as source, av.open(str(aside), "w", format="ogg") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.pts is None or packet.pts * packet.time_base >= samples / RATE:
                break
            packet.stream = stream
            target.mux(packet)
    aside.replace(path)
