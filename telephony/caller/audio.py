"""G.711 µ-law, WAV files and where speech begins. PCM is mono s16; rates in Hz."""

import wave
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
RATE = 8000
FRAME = 160  # samples in 20 ms
SPEECH_DBFS = -45.0
SPEECH_MS = 60


def _decode_table() -> Pcm:
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


_DECODE = _decode_table()


def encode(pcm: Pcm) -> bytes:
    """ITU-T G.711 µ-law."""
    samples = np.clip(pcm.astype(np.int32), -32635, 32635)
    magnitude = np.abs(samples) + 0x84
    segment = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mantissa = (magnitude >> (segment + 3)) & 0x0F
    sign = np.where(samples < 0, 0x80, 0)
    return bytes((~(sign | (segment << 4) | mantissa) & 0xFF).astype(np.uint8))


def decode(data: bytes) -> Pcm:
    return np.asarray(_DECODE[np.frombuffer(data, np.uint8)], np.int16)


def read_wav(path: Path) -> tuple[Pcm, int]:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16), file.getframerate()


def write_wav(path: Path, left: Pcm, right: Pcm) -> None:
    """A stereo file at 8 kHz; the shorter side is padded with silence."""
    length = max(len(left), len(right))
    both = np.zeros((length, 2), np.int16)
    both[: len(left), 0] = left
    both[: len(right), 1] = right
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(both.tobytes())


def to_telephone(pcm: Pcm, rate: int) -> Pcm:
    """Down to 8 kHz, with a simple low-pass so that nothing folds into the speech band."""
    if rate == RATE:
        return pcm
    taps = np.arange(-32, 33)
    cut = 3600 / rate
    kernel = np.sinc(2 * cut * taps) * 2 * cut * np.hamming(len(taps))
    smooth = np.convolve(pcm.astype(np.float64), kernel, mode="same")
    at = np.arange(0, len(pcm), rate / RATE)
    low = np.interp(at, np.arange(len(pcm)), smooth)
    return np.asarray(np.clip(low, -32768, 32767), np.int16)


def loud_frames(pcm: Pcm, dbfs: float = SPEECH_DBFS) -> NDArray[np.bool_]:
    """For each 20 ms: is it louder than `dbfs`?"""
    count = len(pcm) // FRAME
    frames = pcm[: count * FRAME].reshape(count, FRAME).astype(np.float64)
    rms = np.sqrt(np.mean(frames**2, axis=1)) if count else np.zeros(0)
    return np.asarray(rms > 32768 * 10 ** (dbfs / 20))


def onset(pcm: Pcm, start: int = 0) -> int | None:
    """The first sample at or after `start` where 60 ms of sound above -45 dBFS begin."""
    need = SPEECH_MS // 20
    loud = loud_frames(pcm[start:])
    if len(loud) < need:
        return None
    runs = np.flatnonzero(np.all(sliding_window_view(loud, need), axis=1))
    return start + int(runs[0]) * FRAME if len(runs) else None


def speech_end(pcm: Pcm) -> int:
    """The sample after the last 20 ms which is louder than -45 dBFS; 0 for silence."""
    loud = np.flatnonzero(loud_frames(pcm))
    return (int(loud[-1]) + 1) * FRAME if len(loud) else 0


def silence(ms: int) -> Pcm:
    """Digital silence in whole frames."""
    return np.zeros(ms // 20 * FRAME, np.int16)
