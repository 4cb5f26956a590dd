"""When the words which bridge a late answer are said, and when not."""

import asyncio
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from livekit import rtc

from agents.worker.filler import Filler
from agents.worker.journal import Journal, read
from agents.worker.line import RATE, Mouth
from agents.worker.prepared import Prepared
from tests.worker.talking import Loudspeaker

pytestmark = pytest.mark.worker

WORDS = "One moment, please."


class Session:
    """What a filler hears of a session."""

    def __init__(self):
        self.agent_state, self.user_state = "listening", "listening"
        self._heard = {}

    def on(self, name, handler):
        self._heard[name] = handler

    def user(self, state):
        old, self.user_state = self.user_state, state
        self._heard["user_state_changed"](SimpleNamespace(old_state=old, new_state=state))

    def agent(self, state):
        old, self.agent_state = self.agent_state, state
        self._heard["agent_state_changed"](SimpleNamespace(old_state=old, new_state=state))


@pytest.fixture
async def scene(tmp_path, monkeypatch):
    """The clock stands still but for what a test adds."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr("agents.worker.filler.time.monotonic", lambda: clock.now)
    sound = sound_of(1.0)
    session: Any = Session()
    book, mouth = Journal(tmp_path, "AJ_1"), Mouth(Loudspeaker())
    filler = Filler(
        session, mouth, Prepared({WORDS: sound}), book, words=WORDS, silence_s=lambda: 0.3
    )
    session.user("speaking")
    session.user("listening")  # silent for 0.3 s by now
    yield SimpleNamespace(clock=clock, session=session, filler=filler, book=book, mouth=mouth)
    await mouth.aclose()
    book.release()


def said(scene):
    """What is written half a second later."""
    if scene.filler._is_late():
        scene.filler._say()
    scene.clock.now += 0.5
    scene.filler._note()
    scene.clock.now -= 0.5
    return [entry.data["via"] for entry in read(scene.book.path)]


async def test_an_answer_that_is_late_is_bridged_once(scene):
    scene.session.agent("thinking")
    scene.clock.now += 0.4
    assert said(scene) == []
    scene.clock.now += 0.2
    assert said(scene) == ["filler"]
    scene.clock.now += 1.0
    assert said(scene) == ["filler"]


async def test_an_answer_begun_early_has_a_moment_when_the_turn_is_over(scene):
    """The turn was over late, by the detector's will: the answer is about to come."""
    scene.clock.now += 0.8
    scene.session.agent("thinking")
    assert said(scene) == []
    scene.clock.now += 0.36
    assert said(scene) == ["filler"]


async def test_nothing_is_said_into_a_pause_or_over_the_caller(scene):
    scene.clock.now += 3.0
    assert said(scene) == []  # nobody owes an answer
    scene.session.agent("thinking")
    scene.clock.now += 1.0
    scene.session.user("speaking")
    assert said(scene) == []


async def test_an_overdue_recogniser_is_bridged(scene):
    scene.clock.now += 0.6
    scene.filler.overdue()
    assert said(scene) == ["filler"]
    await asyncio.sleep(0)


async def test_a_filler_gives_way_to_an_answer_which_is_ready_just_then(scene):
    scene.session.agent("thinking")
    scene.clock.now += 0.6
    scene.filler._say()
    await asyncio.sleep(0)
    scene.clock.now += 0.1
    await scene.mouth.capture_frame(sound_of(0.2))
    assert scene.mouth.was_hushed
    scene.clock.now += 0.1
    scene.filler._note()
    assert read(scene.book.path) == []  # nobody heard it


async def test_a_filler_which_is_half_said_is_said_to_its_end(scene):
    scene.session.agent("thinking")
    scene.clock.now += 0.6
    scene.filler._say()
    await asyncio.sleep(0)
    scene.clock.now += 0.2
    await scene.mouth.capture_frame(sound_of(0.2))
    assert not scene.mouth.was_hushed


async def test_no_filler_starts_once_the_voice_of_the_answer_has_begun(scene):
    scene.session.agent("thinking")
    scene.clock.now += 0.6
    await scene.mouth.capture_frame(sound_of(0.02))
    assert said(scene) == []


def sound_of(seconds):
    count = round(RATE * seconds)
    return rtc.AudioFrame(np.full(count, 900, np.int16).tobytes(), RATE, 1, count)
