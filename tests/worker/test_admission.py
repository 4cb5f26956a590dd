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
    made = Admission(a_config(tmp_path, slots=5), Server())
    made.ready = lambda: 9
    return made


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


async def test_a_burst_takes_the_ready_processes_and_one_more_for_each_core(tmp_path, monkeypatch):
    """More would all ring for long. A moment later the next ones are taken."""
    now = [0.0]
    admission: Any = Admission(
        a_config(tmp_path, slots=20), Server(), clock=lambda: now[0], cores=2
    )
    monkeypatch.setattr(admission, "_turn_away", lambda request: asyncio.sleep(0))
    admission.ready = lambda: 1

    async def offer(count):
        requests = [Request(f"AJ_{now[0]}_{n}", admission.jobs) for n in range(count)]
        await asyncio.gather(*(admission.on_request(request) for request in requests))
        return [request.answer for request in requests]

    assert await offer(4) == ["accepted"] * 3 + ["left to others"]
    admission.ready = lambda: 0
    assert await offer(1) == ["left to others"]
    now[0] = 3.0
    assert await offer(3) == ["accepted"] * 2 + ["left to others"]


async def test_a_ready_process_takes_a_call_however_many_have_just_begun(tmp_path):
    admission: Any = Admission(a_config(tmp_path, slots=20), Server(), clock=lambda: 0.0, cores=1)
    admission.ready = lambda: 5
    requests = [Request(f"AJ_{n}", admission.jobs) for n in range(5)]
    for request in requests:
        await admission.on_request(request)
    assert [request.answer for request in requests] == ["accepted"] * 5
