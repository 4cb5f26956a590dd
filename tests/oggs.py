"""Ogg/Opus files of any length, as our recorder writes them. Silence repeats itself, so a long
file is the packets of a short one again and again: three hours take a second."""

import io
from fractions import Fraction
from functools import lru_cache

import av
import numpy as np

RATE = 16_000
_PACKET_MS = 60
_MINUTE_MS = 60_000


@lru_cache(maxsize=16)
def ogg(ms: int, *, channels: int = 2) -> bytes:
    return _encode(ms, channels) if ms <= _MINUTE_MS else _repeat(ms, channels)


def _encode(ms: int, channels: int) -> bytes:
    layout = "stereo" if channels == 2 else "mono"
    file = io.BytesIO()
    with av.open(file, "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE, layout=layout, bit_rate=6_000)
        stream.options = {"frame_duration": str(_PACKET_MS), "compression_level": "0"}
        if samples := ms * RATE // 1000:
            silence = np.zeros((1, samples * channels), dtype=np.int16)
            frame = av.AudioFrame.from_ndarray(silence, format="s16", layout=layout)
            frame.sample_rate = RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def _repeat(ms: int, channels: int) -> bytes:
    file = io.BytesIO()
    with (
        av.open(io.BytesIO(_encode(6_000, channels)), "r") as source,
        av.open(file, "w", format="ogg") as target,
    ):
        stream = target.add_stream_from_template(source.streams.audio[0])
        packets = [packet for packet in source.demux(audio=0) if packet.pts is not None][2:-2]
        for n in range(ms // _PACKET_MS):
            packet = packets[n % len(packets)]
            packet.stream, packet.time_base = stream, Fraction(1, 48_000)
            packet.pts = packet.dts = n * _PACKET_MS * 48
            target.mux(packet)
    return file.getvalue()
