import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from agents.worker.admission import Admission
from tests.worker.plan import a_config

pytestmark = pytest.mark.worker


@dataclass
class Server:
    """Has jobs; each begins when the request was accepted."""

    active_jobs: list[Any] = field(default_factory=list)


@dataclass
class Request:
    """A job offered by LiveKit."""

    id: str
    server: Server
    answer: str = ""
    room = SimpleNamespace(name="call-1")
    job = SimpleNamespace(metadata="{}")

    async def accept(self, **_):
        self.answer = "accepted"
        await asyncio.sleep(0.01)
        self.server.active_jobs.append(SimpleNamespace(job=SimpleNamespace(id=self.id)))

    async def reject(self, *, terminate):
        self.answer = "left to others" if not terminate else "ended for all"


@pytest.fixture
def turned_away():
    return []


@pytest.fixture
def admission(tmp_path, monkeypatch, turned_away):
    async def turn_away(self, request):
        turned_away.append(request.id)

    monkeypatch.setattr(Admission, "_turn_away", turn_away)
    return Admission(a_config(tmp_path, slots=5), Server())


async def test_of_six_calls_at_once_five_are_taken_and_the_sixth_is_turned_away(
    admission, turned_away
):
    requests = [Request(f"AJ_{n}", admission.jobs) for n in range(6)]
    await asyncio.gather(*(admission.on_request(request) for request in requests))
    await asyncio.sleep(0)
    assert [request.answer for request in requests] == ["accepted"] * 5 + ["left to others"]
    assert turned_away == ["AJ_5"]


async def test_a_slot_is_free_again_when_its_call_is_over(admission):
    for n in range(5):
        await admission.on_request(Request(f"AJ_{n}", admission.jobs))
    admission.jobs.active_jobs.pop()
    late = Request("AJ_9", admission.jobs)
    await admission.on_request(late)
    assert late.answer == "accepted"


async def test_a_job_which_failed_to_start_does_not_keep_its_slot(admission):
    class Failing(Request):
        async def accept(self, **_):
            raise TimeoutError

    with pytest.raises(TimeoutError):
        await admission.on_request(Failing("AJ_1", admission.jobs))
    assert admission.taken() == 0


async def test_a_full_worker_never_looks_too_busy_to_be_asked(admission):
    assert admission.load(None) == 0
    for n in range(5):
        await admission.on_request(Request(f"AJ_{n}", admission.jobs))
    assert 0 < admission.load(None) < 0.7
