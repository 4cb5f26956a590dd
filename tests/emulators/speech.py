"""The emulators' voice: flite, cached; rates and containers; the marker at a sentence's start.

Samples are mono s16 arrays; rates in Hz. flite speaks at 16 kHz.
"""

import asyncio
import hashlib
import io
import tempfile
import wave
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
RATE = 16_000
VOICES = ("rms", "slt", "awb")
VOICE = "rms"  # of every emulated TTS
CHUNK_S = 0.1  # what one timed message of a TTS emulator carries
MARKER_S = 0.2
_CACHE = Path(tempfile.gettempdir()) / "contactcenter-flite"
_memory: dict[tuple[str, str], Pcm] = {}
_AT_ONCE = 2
_turns: dict[asyncio.AbstractEventLoop, asyncio.Semaphore] = {}  # each loop has its own


def _turn() -> asyncio.Semaphore:
    return _turns.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(_AT_ONCE))


class NoVoice(Exception):
    """flite is missing or failed. The text says what to do."""


async def speak(text: str, voice: str = VOICE) -> Pcm:
    """What flite says, at 16 kHz; kept in memory and in the temporary folder. Raises NoVoice."""
    text = " ".join(text.split())
    if not any(letter.isalnum() for letter in text):
        return np.zeros(0, np.int16)
    if (voice, text) not in _memory:
        _memory[voice, text] = await _from_disk_or_flite(text, voice)
    return _memory[voice, text]


async def spoken(text: str, rate: int, voice: str = VOICE) -> Pcm:
    """The same at another rate; kept too."""
    key = (f"{voice} {rate}", " ".join(text.split()))
    if key not in _memory:
        _memory[key] = resampled(await speak(text, voice), rate)
    return _memory[key]


async def _from_disk_or_flite(text: str, voice: str) -> Pcm:
    name = hashlib.sha256(f"{voice} {text}".encode()).hexdigest()[:32]
    path = _CACHE / f"{name}.wav"
    if not path.exists():
        _CACHE.mkdir(exist_ok=True)
        async with _turn():
            await _flite(text, voice, path)
    with wave.open(str(path)) as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), np.int16)


async def _flite(text: str, voice: str, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
        made = Path(folder) / "speech.wav"
        try:
            process = await asyncio.create_subprocess_exec(
                "flite", "-voice", voice, "-t", text, "-o", str(made),
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )  # fmt: skip
        except FileNotFoundError as reason:
            raise NoVoice("flite is not installed. Run `make setup`.") from reason
        _, trouble = await process.communicate()
        if process.returncode or not made.exists():
            raise NoVoice(f"flite failed: {trouble.decode(errors='replace')[:200]}")
        made.rename(path)  # whole or not at all: other processes read this folder too


def resampled(pcm: Pcm, rate: int, before: int = RATE) -> Pcm:
    if rate == before or not len(pcm):
        return pcm
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    parts = resampler.resample(_frame(pcm, before)) + resampler.resample(None)
    return np.concatenate([part.to_ndarray().reshape(-1) for part in parts]).astype(np.int16)


def _frame(pcm: Pcm, rate: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = rate
    return frame


def wav(pcm: Pcm, rate: int) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.tobytes())
    return out.getvalue()


def from_wav(data: bytes) -> tuple[Pcm, int]:
    """Mono samples of a 16 bit WAV file. Raises ValueError."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            if file.getsampwidth() != 2:
                raise ValueError("The emulators read 16 bit WAV files.")
            pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
            return pcm[:: file.getnchannels()], file.getframerate()
    except (wave.Error, EOFError) as reason:
        raise ValueError(f"This is no WAV file: {reason}") from reason


def mp3(pcm: Pcm, rate: int, *, kbps: int = 64) -> bytes:
    """A stream of MP3 frames; several of them after each other are one stream too."""
    out = io.BytesIO()
    plain = {"write_xing": "0", "id3v2_version": "0"}  # headers in mid-stream stop decoders
    with av.open(out, "w", format="mp3", options=plain) as file:
        stream = file.add_stream("mp3", rate=rate)
        stream.bit_rate = kbps * 1000
        stream.layout = "mono"
        frame = _frame(pcm, rate)
        frame.pts = 0
        resampler = av.AudioResampler(
            format=stream.format.name,
            layout="mono",
            rate=rate,
            frame_size=stream.frame_size or 1152,
        )
        for piece in resampler.resample(frame) + resampler.resample(None):
            file.mux(stream.encode(piece))
        file.mux(stream.encode(None))
    return out.getvalue()


def chunks(data: bytes, seconds: float) -> list[bytes]:
    """Cut into pieces of about CHUNK_S each, at even offsets: `seconds` is what `data` lasts."""
    count = max(1, round(seconds / CHUNK_S))
    step = max(2, -(-len(data) // count) & ~1)
    return [data[at : at + step] for at in range(0, len(data), step)]


@lru_cache(maxsize=1024)
def marker(n: int, rate: int = RATE) -> Pcm:
    """200 ms of a chirp through frequencies drawn from `n`, within the telephone's band."""
    corners = np.random.default_rng(n).uniform(400, 3200, 9)
    at = np.arange(round(MARKER_S * rate)) / rate
    frequency = np.interp(at, np.linspace(0, MARKER_S, len(corners)), corners)
    phase = 2 * np.pi * np.cumsum(frequency) / rate
    ramp = np.minimum(1, np.minimum(at, MARKER_S - at) / 0.005)
    return (0.4 * 32767 * ramp * np.sin(phase)).astype(np.int16)


def find_marker(pcm: Pcm, rate: int, n: int, *, floor: float = 0.4) -> float | None:
    """Where (s) the marker of `n` begins in `pcm`, or None."""
    wanted = marker(n, rate).astype(np.float32)
    if len(pcm) < len(wanted):
        return None
    sound = pcm.astype(np.float32)
    size = 1 << (len(sound) + len(wanted)).bit_length()
    match = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(wanted, size)), size)
    match = match[: len(sound) - len(wanted) + 1]
    energy = np.concatenate([[0.0], np.cumsum(sound.astype(np.float64) ** 2)])
    window = np.maximum(energy[len(wanted) :] - energy[: -len(wanted)], 1e6)
    likeness = match / np.sqrt(window * float(wanted @ wanted))
    best = int(np.argmax(likeness))
    return best / rate if likeness[best] >= floor else None
