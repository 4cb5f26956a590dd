import asyncio
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from livekit import api

from agents.worker.admission import Admission, turn
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
    told: str = ""
    metadata: str = "{}"
    room = SimpleNamespace(name="call-1")

    @property
    def job(self):
        return SimpleNamespace(metadata=self.metadata)

    async def accept(self, *, metadata, **_):
        self.answer, self.told = "accepted", metadata
        await asyncio.sleep(0.01)
        self.server.active_jobs.append(SimpleNamespace(job=SimpleNamespace(id=self.id)))

    async def reject(self, *, terminate):
        self.answer = "left to others" if not terminate else "ended for all"


@pytest.fixture(autouse=True)
def nobody_waits(monkeypatch):
    monkeypatch.setattr("agents.worker.admission.START_S", 0)


@pytest.fixture
def turned_away():
    return []


@pytest.fixture
def admission(tmp_path, monkeypatch, turned_away):
    async def turn_away(self, request):
        turned_away.append(request.id)

    monkeypatch.setattr(Admission, "_turn_away", turn_away)
    made = Admission(a_config(tmp_path, slots=5), Server(), cores=8)
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
    admission: Any = Admission(a_config(tmp_path, slots=20), Server(), clock=lambda: 0.0, cores=2)
    admission.ready = lambda: 5
    assert await answers(admission, 5) == ["accepted"] * 5


async def answers(admission, count, metadata="{}"):
    requests = [
        Request(f"AJ_{metadata}{n}", admission.jobs, metadata=metadata) for n in range(count)
    ]
    for request in requests:
        await admission.on_request(request)
    return [request.answer for request in requests]


@pytest.fixture
def busy(tmp_path, monkeypatch):
    """Has just taken as many callers as it can begin with."""
    admission: Any = Admission(a_config(tmp_path, slots=20), Server(), clock=lambda: 0.0, cores=2)
    monkeypatch.setattr(admission, "_turn_away", lambda request: asyncio.sleep(0))
    admission.ready = lambda: 20
    return admission


async def test_no_more_callers_are_taken_at_once_than_the_cores_can_answer(busy):
    assert await answers(busy, 7) == ["accepted"] * 5 + ["left to others"] * 2


@pytest.mark.parametrize("metadata", ['{"outbound": 7}', '{"plan": "x", "again": true}'])
async def test_calls_of_ours_and_callers_who_talk_already_are_not_sent_away_for_a_burst(
    busy, metadata
):
    await answers(busy, 5)
    assert await answers(busy, 4, metadata) == ["accepted"] * 4
    busy._begun.clear()
    assert await answers(busy, 1) == ["accepted"]  # they take no caller's place either


async def test_callers_begin_one_after_another(tmp_path, monkeypatch):
    monkeypatch.setattr("agents.worker.admission.START_S", 0.6)
    now = [0.0]
    admission: Any = Admission(
        a_config(tmp_path, slots=20), Server(), clock=lambda: now[0], cores=2
    )
    assert [round(admission._start_at(), 1) for _ in range(5)] == [0, 0.3, 0.6, 0.9, 1.2]
    now[0] = 1.9
    assert [round(admission._start_at(), 1) for _ in range(2)] == [1.9, 2.2]


async def test_a_call_is_accepted_at_once_and_told_when_to_begin(tmp_path, monkeypatch):
    """Another worker, which turned the caller away, must see soon that somebody has him."""
    monkeypatch.setattr("agents.worker.admission.START_S", 60)
    admission: Any = Admission(a_config(tmp_path, slots=20), Server(), cores=1)
    admission.ready = lambda: 20
    requests = [Request(f"AJ_{n}", admission.jobs) for n in range(2)]
    async with asyncio.timeout(5):
        for request in requests:
            await admission.on_request(request)
    first, second = (float(request.told) for request in requests)
    assert second - first == pytest.approx(60, abs=0.01)


async def test_a_job_begins_at_its_moment_however_its_metadata_look():
    begun = time.monotonic()
    for metadata in ("", "soon", "nan", f"{begun - 9}", f"{begun + 0.2:.3f}"):
        await turn(metadata)
    assert 0.2 <= time.monotonic() - begun < 2


@pytest.mark.parametrize("metadata", ["", "[]", "{", '{"again": false}'])
async def test_whatever_else_a_job_is_told_it_is_a_caller(busy, metadata):
    assert (await answers(busy, 6, metadata))[-1] == "left to others"


class LiveKit:
    """What a worker asks when it is to turn a caller away."""

    def __init__(self, *, status="ringing", jobs=0, agent=False, joins_after=0):
        caller = api.ParticipantInfo(
            kind=api.ParticipantInfo.Kind.SIP, attributes={"sip.callStatus": status}
        )
        others = [api.ParticipantInfo(kind=api.ParticipantInfo.Kind.AGENT)] if agent else []
        self.people = api.ListParticipantsResponse(participants=[caller, *others])
        self.looks_before = joins_after
        state = api.AgentDispatchState(jobs=[api.Job()] * jobs)
        self.dispatches = [api.AgentDispatch(state=state)]
        self.deleted: list[str] = []
        self.room, self.agent_dispatch = self, self

    async def list_participants(self, _):
        self.looks_before -= 1
        return self.people if self.looks_before < 0 else api.ListParticipantsResponse()

    async def list_dispatch(self, _):
        return self.dispatches

    async def delete_room(self, request):
        self.deleted.append(request.room)


@pytest.mark.parametrize(
    ("livekit", "deleted"),
    [
        (LiveKit(), ["call-1"]),
        (LiveKit(joins_after=3), ["call-1"]),
        (LiveKit(agent=True), []),
        (LiveKit(jobs=1), []),  # its agent has not joined yet
        (LiveKit(status="active"), []),
    ],
    ids=[
        "rings",
        "is on his way into the room",
        "answered by another",
        "taken by another",
        "talks already",
    ],
)
async def test_only_a_caller_who_rings_and_whom_nobody_took_is_turned_away(
    tmp_path, monkeypatch, livekit, deleted
):
    monkeypatch.setattr("agents.worker.admission.OTHERS_S", 0)
    monkeypatch.setattr("agents.worker.admission.LOOK_S", 0)
    admission: Any = Admission(a_config(tmp_path, slots=1), Server())
    admission._client = livekit
    await admission._turn_away(Request("AJ_1", admission.jobs))
    assert livekit.deleted == deleted


async def test_a_worker_which_is_alone_waits_for_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr("agents.worker.admission.OTHERS_S", 60)
    admission: Any = Admission(a_config(tmp_path, slots=1), Server())
    admission.is_alone = lambda: True
    admission._client = livekit = LiveKit()
    async with asyncio.timeout(5):
        await admission._turn_away(Request("AJ_1", admission.jobs))
    assert livekit.deleted == ["call-1"]
