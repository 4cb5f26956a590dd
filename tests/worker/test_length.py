"""When the warning before the longest call's end is said, by a scripted clock."""

import asyncio

import pytest

from agents.worker import length
from agents.worker.hold import Hold
from tests.worker.plan import a_plan

pytestmark = pytest.mark.worker


class Scene:
    """Time goes as fast as the loop; `speech` are stretches (s) in which somebody talks."""

    def __init__(self, monkeypatch, speech=(), **plan):
        self.plan = a_plan(warning="One minute.", **plan)
        self.now, self.done, self._speech, self.hold = 0.0, [], speech, Hold()
        monkeypatch.setattr(length, "asyncio", self)

    def get_running_loop(self):
        return self

    def time(self):
        return self.now

    async def sleep(self, seconds):
        self.now += max(0.0, seconds)
        await asyncio.sleep(0)

    def talks(self):
        return any(begin <= self.now < end for begin, end in self._speech)

    def say(self, text, *, interruptible=True):
        self.done.append((int(self.now), text, interruptible))

    def leave(self, reason, words):
        self.done.append((int(self.now + 0.01), reason))

    async def run(self):
        await length.watch(self, self.talks)
        return self.done


async def test_the_warning_comes_in_time_and_the_end_after_it(monkeypatch):
    scene = Scene(monkeypatch, max_call_s=300, warn_before_s=60)
    assert await scene.run() == [(240, "One minute.", True), (300, "limit")]


async def test_it_waits_for_the_end_of_a_sentence(monkeypatch):
    scene = Scene(monkeypatch, [(235, 243)], max_call_s=300, warn_before_s=60)
    assert (await scene.run())[0] == (243, "One minute.", True)


async def test_it_does_not_wait_for_ever(monkeypatch):
    scene = Scene(monkeypatch, [(0, 299)], max_call_s=300, warn_before_s=60)
    assert await scene.run() == [(246, "One minute.", False), (300, "limit")]


@pytest.mark.parametrize("changes", [{"warn_before_s": 0}, {"warn_before_s": 400}])
async def test_no_warning_where_none_fits(monkeypatch, changes):
    scene = Scene(monkeypatch, max_call_s=300, **changes)
    assert await scene.run() == [(300, "limit")]
