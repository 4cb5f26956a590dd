"""Sound as frames of 20 ms: the energy (dB) of 8 bands between 300 and 3400 Hz, at any rate."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tests.emulators.speech import Pcm

Frames = NDArray[np.float32]  # frames × bands, dB
FRAME_S = 0.02
BANDS = 8


def frames_of(pcm: Pcm, rate: int) -> Frames:
    """The whole frames of `pcm`."""
    size = int(rate * FRAME_S)
    count = len(pcm) // size
    window, bands = _tables(rate)
    cut = pcm[: count * size].reshape(count, size).astype(np.float32) * window
    power = np.abs(np.fft.rfft(cut, axis=1)) ** 2
    return np.asarray(10 * np.log10(power.astype(np.float32) @ bands + 1e-9), np.float32)


@lru_cache
def _tables(rate: int) -> tuple[Frames, Frames]:
    """The window, scaled so that full scale is about 0 dB, and which bin belongs to which band."""
    size = int(rate * FRAME_S)
    window = np.hanning(size + 1)[:-1]
    edges = np.geomspace(300, 3400, BANDS + 1)
    band = np.searchsorted(edges, np.fft.rfftfreq(size, 1 / rate), side="right") - 1
    bands = (band[:, None] == np.arange(BANDS)).astype(np.float32)
    return (window * 2 / window.sum() / 32768).astype(np.float32), bands


def loudness(frames: Frames) -> NDArray[np.float32]:
    """dB of each frame, over all bands."""
    return np.asarray(10 * np.log10(np.sum(10 ** (frames / 10), axis=1)), np.float32)
