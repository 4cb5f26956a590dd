"""Recordings as the worker makes them: Ogg/Opus, caller left, bot right."""

import io
from collections.abc import Iterable

import av
import numpy as np

RATE = 48_000


def ogg(
    *,
    seconds: float,
    caller: Iterable[tuple[float, float]] = (),
    bot: Iterable[tuple[float, float]] = (),
    noisy: bool = False,
) -> bytes:
    """Tones where somebody speaks (from, until, in seconds), silence elsewhere, or noise."""
    if noisy:
        noise = np.random.default_rng(1).uniform(-0.3, 0.3, (2, round(seconds * RATE)))
        return encoded(list(noise), bit_rate=64_000)
    return encoded([track(seconds, caller, 300), track(seconds, bot, 500)])


def track(seconds: float, spoken: Iterable[tuple[float, float]], hertz: float) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    heard = np.zeros_like(t)
    for begin, end in spoken:
        heard[(t >= begin) & (t < end)] = 0.4
    return heard * np.sin(2 * np.pi * hertz * t)


def encoded(tracks: list[np.ndarray], *, bit_rate: int = 32_000) -> bytes:
    file = io.BytesIO()
    layout = "stereo" if len(tracks) == 2 else "mono"
    samples = (np.stack(tracks, axis=1) * 32767).astype(np.int16)
    with av.open(file, mode="w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE, layout=layout)
        stream.bit_rate = bit_rate
        for n in range(0, len(samples), RATE):
            part = np.ascontiguousarray(samples[n : n + RATE]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(part, format="s16", layout=layout)
            frame.sample_rate, frame.pts = RATE, n
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()
