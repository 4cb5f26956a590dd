"""Noise on a telephone line, and what is left of it."""

import numpy as np
import pytest
from livekit import rtc

from agents.worker.noise import Cleaner
from tests.worker.plan import on_the_phone

pytestmark = pytest.mark.worker

RATE, FRAME = 16_000, 320


def level(samples):
    """dB of full scale."""
    return 20 * np.log10(np.sqrt(np.mean(samples.astype(float) ** 2)) / 32768)


async def test_noise_goes_and_speech_stays():
    speech = np.frombuffer(await on_the_phone("What are your opening hours?"), dtype=np.int16)
    quiet = np.zeros(2 * RATE)
    noise = np.random.default_rng(1).standard_normal(len(quiet) + len(speech)) * 600
    line = np.clip(np.concatenate([quiet, speech]) + noise, -32768, 32767).astype(np.int16)
    cleaner = Cleaner()
    frames = [line[n : n + FRAME] for n in range(0, len(line) - FRAME + 1, FRAME)]
    cleaned = [cleaner.clean(rtc.AudioFrame(f.tobytes(), RATE, 1, FRAME)) for f in frames]
    heard = np.concatenate([np.frombuffer(frame.data, dtype=np.int16) for frame in cleaned])
    assert len(heard) == len(frames) * FRAME
    before, after = slice(RATE, 2 * RATE), slice(2 * RATE, len(heard))
    assert level(heard[before]) < level(line[before]) - 8
    assert level(heard[after]) > level(line[after]) - 2
