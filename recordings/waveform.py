"""The picture of a recording's sound: peaks of each channel, and where nobody speaks. Pure.

A call of three hours takes a few MB: its sound is folded while it is decoded.
"""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import av
import numpy as np

PER_S = 100  # peaks
MOST = 4000  # pairs a channel; more than a screen has pixels
QUIET = 0.008  # of full scale, -42 dB: a telephone's noise is below, speech above
LEAST_SILENCE = 150  # peaks
MARGIN = 25  # peaks of each silence which are kept, so that no word is cut
_AT_ONCE = 500  # frames folded together: numpy is slow in small pieces

Peaks = np.ndarray[Any, np.dtype[Any]]


class NoSound(Exception):
    """There is nothing to be drawn. The text is for a supervisor."""


@dataclass(frozen=True, slots=True)
class Shape:
    duration_ms: int
    peaks: list[str]  # a channel each: pairs of lowest and highest, 8 bits, base64
    silences: list[list[int]]  # from, until, in ms


def shape_of(file: BinaryIO) -> Shape:
    """Decodes the first audio stream, channel by channel. Raises NoSound."""
    try:
        with av.open(file, mode="r") as container:
            if not container.streams.audio:
                raise NoSound("The recording has no sound in it.")
            parts, samples, rate = _folded(container)
    except (av.error.FFmpegError, EOFError) as reason:
        raise NoSound("The recording cannot be decoded, so its sound cannot be drawn.") from reason
    if not parts:
        raise NoSound("The recording is empty.")
    low, high = (np.concatenate([part[n] for part in parts], axis=1) for n in (0, 1))
    return Shape(
        duration_ms=round(samples * 1000 / rate),
        peaks=[_packed(lowest, highest) for lowest, highest in zip(low, high, strict=True)],
        silences=_silences(np.maximum(-low, high).max(axis=0) > QUIET),
    )


def _folded(container: Any) -> tuple[list[tuple[Peaks, Peaks]], int, int]:
    """Lowest and highest sample of each hundredth of a second, how many samples, and their rate."""
    parts: list[tuple[Peaks, Peaks]] = []
    samples, rate = 0, container.streams.audio[0].rate or 48_000
    width = max(1, rate // PER_S)
    rest: Peaks | None = None
    for block in _blocks(container):
        samples += block.shape[1]
        block = block if rest is None else np.concatenate([rest, block], axis=1)
        whole = block.shape[1] // width * width
        rest = block[:, whole:]
        if whole:
            parts.append(_extremes(block[:, :whole].reshape(block.shape[0], -1, width)))
    if rest is not None and rest.shape[1]:
        parts.append(_extremes(rest[:, None, :]))
    return parts, samples, rate


def _extremes(block: Peaks) -> tuple[Peaks, Peaks]:
    return block.min(axis=2).astype(np.float16), block.max(axis=2).astype(np.float16)


def _blocks(container: Any) -> Iterator[Peaks]:
    """Channels × samples, as floats, some seconds at a time."""
    alike = av.AudioResampler(format="fltp")
    held: list[Peaks] = []
    for frame in container.decode(audio=0):
        held += [same.to_ndarray() for same in alike.resample(frame)]
        if len(held) >= _AT_ONCE:
            yield np.concatenate(held, axis=1)
            held = []
    if held:
        yield np.concatenate(held, axis=1)


def _packed(low: Peaks, high: Peaks) -> str:
    group = -(-len(low) // MOST)
    starts = np.arange(0, len(low), group)
    pairs = np.stack([np.minimum.reduceat(low, starts), np.maximum.reduceat(high, starts)], axis=1)
    return b64encode(np.rint(pairs.clip(-1, 1) * 127).astype(np.int8).tobytes()).decode()


def _silences(loud: Peaks) -> list[list[int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[True], loud, [True]]).astype(np.int8)))
    spans = edges.reshape(-1, 2)
    ms = 1000 // PER_S
    return [
        [int(begin + MARGIN) * ms, int(end - MARGIN) * ms]
        for begin, end in spans
        if end - begin >= LEAST_SILENCE
    ]
