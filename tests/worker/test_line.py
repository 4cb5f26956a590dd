"""What goes over the line, and when: the mouth of a call with a clock instead of a network."""

import asyncio
import time

import numpy as np
import pytest
from livekit import rtc

from agents.worker.chain.level import Level
from agents.worker.line import FRAME, HOLD_S, RATE, Ear, Mouth

pytestmark = pytest.mark.worker


class Queue:
    """Plays nothing; holds 0.2 s in advance, as the real source."""

    def __init__(self):
        self.until = 0.0
        self.cleared = 0

    async def capture_frame(self, frame):
        now = asyncio.get_running_loop().time()
        self.until = max(now, self.until) + frame.duration
        await asyncio.sleep(max(0, self.until - now - 0.2))

    def clear_queue(self):
        self.cleared += 1
        self.until = 0.0


class Tape:
    def __init__(self):
        self.pieces = []
        self.cuts = []

    def caller(self, at, samples):
        self.pieces.append((at, samples))

    agent = caller

    def agent_cut(self, at):
        self.pieces = [(a, s) for a, s in self.pieces if a < at]
        self.cuts.append(at)


def speech(seconds):
    samples = np.full(round(seconds * RATE), 1000, dtype=np.int16)
    return rtc.AudioFrame(samples.tobytes(), RATE, 1, len(samples))


@pytest.fixture
async def mouth():
    made = Mouth(Queue())
    made.tap = Tape()
    yield made
    await made.aclose()


async def test_a_sentence_is_played_whole_and_reported_with_its_length(mouth):
    await mouth.capture_frame(speech(0.31))
    mouth.flush()
    done = await asyncio.wait_for(mouth.wait_for_playout(), 2)
    assert not done.interrupted
    assert done.playback_position == pytest.approx(0.32, abs=0.001)
    starts = [at for at, _ in mouth.tap.pieces]
    assert np.diff(starts) == pytest.approx(FRAME / RATE, abs=0.002)


async def test_an_interruption_silences_at_once_and_counts_only_what_was_heard(mouth):
    await mouth.capture_frame(speech(2))
    mouth.flush()
    await asyncio.sleep(0.3)
    mouth.clear_buffer()
    done = await asyncio.wait_for(mouth.wait_for_playout(), 0.1)
    assert done.interrupted
    assert done.playback_position == pytest.approx(0.3, abs=0.06)
    taped = sum(len(samples) for _, samples in mouth.tap.pieces) / RATE
    assert taped == pytest.approx(done.playback_position, abs=0.021)


async def test_a_paused_sentence_goes_on_where_it_stopped_without_a_loss(mouth):
    await mouth.capture_frame(speech(0.5))
    mouth.flush()
    await asyncio.sleep(0.2)
    mouth.pause()
    await asyncio.sleep(0.3)
    mouth.resume()
    done = await asyncio.wait_for(mouth.wait_for_playout(), 2)
    assert not done.interrupted
    assert done.playback_position == pytest.approx(0.5, abs=0.001)
    gaps = np.diff([at for at, _ in mouth.tap.pieces])
    assert max(gaps) == pytest.approx(0.3, abs=0.08)


async def test_two_sentences_are_two_reports(mouth):
    for _ in range(2):
        await mouth.capture_frame(speech(0.1))
        mouth.flush()
        assert not (await asyncio.wait_for(mouth.wait_for_playout(), 1)).interrupted


async def test_the_caller_is_taped_without_gaps_though_his_frames_come_in_clumps():
    ear = Ear()
    ear.tap = Tape()
    for _ in range(4):
        ear.hear(speech(0.02))
        ear.hear(speech(0.02))
        await asyncio.sleep(0.04)
    assert np.diff([at for at, _ in ear.tap.pieces]) == pytest.approx(0.02, abs=0.001)
    await ear.aclose()


async def test_of_an_interrupted_sentence_the_heard_part_is_told_not_the_wait(mouth):
    """The framework pauses at once and decides seconds later that it was an interruption."""
    await mouth.capture_frame(speech(2))
    mouth.flush()
    await asyncio.sleep(0.2)
    mouth.pause()
    await asyncio.sleep(0.5)
    mouth.clear_buffer()
    assert mouth.heard_s() == pytest.approx(0.2, abs=0.06)


async def began_after(mouth):
    """How long the first sound of a sentence waited, in s."""
    began = time.monotonic()
    await mouth.capture_frame(speech(0.1))
    mouth.flush()
    await asyncio.wait_for(mouth.wait_for_playout(), 2)
    return mouth.tap.pieces[0][0] - began


async def test_an_answer_waits_while_the_caller_may_be_going_on(mouth):
    went_on = iter([True] * 5)
    mouth.goes_on = lambda: next(went_on, False)
    assert await began_after(mouth) >= 0.09


async def test_it_waits_only_so_long_and_only_with_its_first_sound(mouth):
    mouth.goes_on = lambda: True
    assert HOLD_S <= await began_after(mouth) < HOLD_S + 0.3
    gaps = np.diff([at for at, _ in mouth.tap.pieces])
    assert gaps == pytest.approx(FRAME / RATE, abs=0.002)


async def test_it_is_gone_if_he_does_go_on(mouth):
    mouth.goes_on = lambda: True
    await mouth.capture_frame(speech(0.5))
    mouth.flush()
    await asyncio.sleep(0.1)
    mouth.clear_buffer()
    await asyncio.sleep(HOLD_S)
    assert mouth.tap.pieces == []


def heard(level, db, seconds):
    amplitude = 32768 * 10 ** (db / 20)
    for _ in range(round(seconds / 0.02)):
        level.push(rtc.AudioFrame(np.full(FRAME, amplitude, np.int16).tobytes(), RATE, 1, FRAME))
    return level.begins()


def test_a_sound_which_begins_is_told_from_quiet_speech_and_noise():
    level = Level()
    assert heard(level, -20, 0.1)  # he begins
    assert not heard(level, -20, 0.5)  # he speaks, as a detector knows by now
    assert not heard(level, -70, 0.3)  # he is quiet
    assert heard(level, -25, 0.04)  # … and goes on
    assert not heard(level, -35, 2)  # noise which stays is no beginning
