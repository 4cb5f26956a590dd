"""What was said in a recording: each utterance with its time and speaker. Little memory: a call of
three hours is read piece by piece."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.int16]

RATE = 16_000
BLOCK = RATE * 30 // 1000  # samples of one measurement
FLOOR = 120  # of 32768: below it is silence, however quiet the line
LOUDER = 3.0  # times the line's own noise
NOISE_BLOCKS = 333  # 10 s: the quietest tenth of it is the noise
LOOK_BLOCKS = 17  # … which is looked up every half second
PAUSE_MS = 600  # a pause so long ends an utterance
LEAST_MS = 180
MOST_MS = 25_000  # cut here: recognisers have limits
LEAD_MS = 240  # before the first loud moment


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    who: str  # caller, agent, or mixed where both are in one channel
    start_ms: int
    pcm: bytes = field(repr=False)  # 16 bit, RATE

    @property
    def ms(self) -> int:
        return len(self.pcm) // 2 * 1000 // RATE


def utterances(path: Path) -> Iterator[Utterance]:
    """In the order in which they end. Blocking."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        speakers = ("caller", "agent") if stream.channels == 2 else ("mixed",)
        channels = [_Channel(who) for who in speakers]
        resampler = av.AudioResampler(
            format="s16", layout="stereo" if len(channels) == 2 else "mono", rate=RATE
        )
        for frame in container.decode(stream):
            for part in resampler.resample(frame):
                yield from _heard(channels, part)
        for part in resampler.resample(None):
            yield from _heard(channels, part)
    for channel in channels:
        yield from channel.rest()


def _heard(channels: "list[_Channel]", frame: av.AudioFrame) -> Iterator[Utterance]:
    packed = frame.to_ndarray().reshape(-1, len(channels))
    for n, channel in enumerate(channels):
        yield from channel.take(np.ascontiguousarray(packed[:, n]))


class _Channel:
    """One speaker. Sound is looked at in blocks; loud ones, and short pauses between, belong
    together."""

    def __init__(self, who: str) -> None:
        self._who = who
        self._left: Samples = np.zeros(0, dtype=np.int16)
        self._levels: deque[float] = deque(maxlen=NOISE_BLOCKS)
        self._lead: deque[Samples] = deque(maxlen=LEAD_MS // 30)
        self._said: list[Samples] = []
        self._quiet = self._loud = self._at = 0  # blocks
        self._noise = 0.0

    def take(self, samples: Samples) -> Iterator[Utterance]:
        sound = np.concatenate([self._left, samples])
        whole = len(sound) // BLOCK * BLOCK
        self._left = sound[whole:]
        for block in sound[:whole].reshape(-1, BLOCK):
            yield from self._block(block)

    def rest(self) -> Iterator[Utterance]:
        if self._said:
            yield from self._cut()

    def _block(self, block: Samples) -> Iterator[Utterance]:
        self._at += 1
        loud = self._is_loud(block)
        if not loud and not self._said:
            self._lead.append(block)
            return
        if not self._said:
            self._said = [*self._lead]
            self._lead.clear()
        self._said.append(block)
        self._loud += loud
        self._quiet = 0 if loud else self._quiet + 1
        if self._quiet * 30 >= PAUSE_MS or len(self._said) * 30 >= MOST_MS:
            yield from self._cut()

    def _is_loud(self, block: Samples) -> bool:
        level = float(np.sqrt(np.mean(np.square(block.astype(np.float32)))))
        self._levels.append(level)
        if self._at % LOOK_BLOCKS == 1:
            # while he speaks without a pause the quietest tenth is speech, too
            self._noise = min(float(np.percentile(self._levels, 10)), 8.0 * FLOOR)
        return level > max(FLOOR, LOUDER * self._noise)

    def _cut(self) -> Iterator[Utterance]:
        said, loud = self._said, self._loud
        self._said, self._loud, self._quiet = [], 0, 0
        if loud * 30 >= LEAST_MS:
            start = (self._at - len(said)) * 30
            yield Utterance(who=self._who, start_ms=start, pcm=np.concatenate(said).tobytes())
