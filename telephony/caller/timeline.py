"""What the caller hears, packet by packet, on the caller's own clock (`time.monotonic()`, s)."""

import bisect

import numpy as np

from telephony.caller.audio import RATE, Pcm, decode

_REANCHOR_S = 0.1
_GROW = 60 * RATE


class Timeline:
    """Lays packets out by their timestamps; sample 0 lies at `begun`. Gaps are silence."""

    def __init__(self) -> None:
        self.begun = 0.0
        self.first_packet: float | None = None
        self.packets = 0
        self._early: list[tuple[float, int, bytes]] = []
        self._anchor: tuple[float, int] | None = None
        self._pcm: Pcm = np.zeros(_GROW, np.int16)
        self._length = 0
        self._places: list[int] = []  # first samples of the packets, with …
        self._arrivals: list[float] = []  # … when each arrived

    def begin(self, moment: float) -> None:
        """Fix sample 0. What came before is placed now, as far as it lies behind it."""
        self.begun = moment
        for at, stamp, payload in self._early:
            self._place(at, stamp, payload)
        self._early.clear()

    def add(self, at: float, stamp: int, payload: bytes) -> None:
        """One packet that arrived at `at`, with the sender's timestamp (in samples)."""
        self.packets += 1
        if self.first_packet is None:
            self.first_packet = at
        if self.begun:
            self._place(at, stamp, payload)
        else:
            self._early.append((at, stamp, payload))

    def _place(self, at: float, stamp: int, payload: bytes) -> None:
        first = round((self._due(at, stamp) - self.begun) * RATE)
        samples = decode(payload)
        if first < 0:
            return
        last = first + len(samples)
        if last > len(self._pcm):
            grown = np.zeros(last + _GROW, np.int16)
            grown[: self._length] = self._pcm[: self._length]
            self._pcm = grown
        self._pcm[first:last] = samples
        self._length = max(self._length, last)
        index = bisect.bisect(self._places, first)
        self._places.insert(index, first)
        self._arrivals.insert(index, at)

    def _due(self, at: float, stamp: int) -> float:
        """Where a packet belongs: by its timestamp, unless that drifts from its arrival."""
        if self._anchor is not None:
            begin, anchor = self._anchor
            due = begin + _distance(anchor, stamp) / RATE
            if abs(due - at) < _REANCHOR_S:
                return due
        self._anchor = (at, stamp)
        return at

    def heard(self) -> Pcm:
        """Everything so far. A view: it does not change, but copy it to write to it."""
        return self._pcm[: self._length]

    def since(self, moment: float) -> Pcm:
        return self.heard()[self.sample(moment) :]

    def sample(self, moment: float) -> int:
        return max(0, round((moment - self.begun) * RATE))

    def arrival(self, sample: int) -> float:
        """When the packet which holds this sample arrived."""
        index = bisect.bisect(self._places, sample) - 1
        return self._arrivals[max(0, index)]


def _distance(first: int, second: int) -> int:
    """How many samples `second` is after `first`, on a 32-bit counter that wraps."""
    return (second - first + 0x80000000 & 0xFFFFFFFF) - 0x80000000
