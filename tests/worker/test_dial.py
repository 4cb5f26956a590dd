"""Dialling: once, only what Django tells, and what LiveKit's refusals mean."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from livekit import api

from agents.order import Order
from agents.worker.dial import Dialler, NotDialled, outbound_in
from tests.fakes.desk import FakeDesk
from tests.worker.plan import a_config

pytestmark = pytest.mark.worker

ORDER = Order(
    id=7, to="+12025550123", trunk="ST_1", caller_id="+12025550100", identity="callee_7", ring_s=20
)


class Line:
    """What a job has of LiveKit: requests to place a call, and the room the callee comes into."""

    def __init__(self, answer: Exception | None = None) -> None:
        self.answer = answer
        self.requests: list[api.CreateSIPParticipantRequest] = []
        self.joined = asyncio.Event()
        self.room = SimpleNamespace(name="call_out_1")
        self.api = SimpleNamespace(sip=self)

    async def create_sip_participant(self, request: Any, *, timeout: float) -> None:  # noqa: ASYNC109
        assert timeout > request.ringing_timeout.seconds
        self.requests.append(request)
        if self.answer:
            raise self.answer
        self.joined.set()

    async def wait_for_participant(self, *, identity: str) -> str:
        await self.joined.wait()
        return identity


def sip_error(status: int) -> api.SipCallError:
    metadata = {"sip_status_code": str(status), "sip_status": "No"}
    return api.SipCallError("failed", f"INVITE failed: {status}", status=500, metadata=metadata)


def twirp_error(code: str, message: str = "no") -> api.ServerError:
    return api.ServerError(code, message, status=503, metadata={})


@pytest.fixture
async def desk():
    async with FakeDesk() as desk:
        desk.orders[7] = ORDER.to_dict() | {"newer_field": 1}
        yield desk


def dialler(desk: FakeDesk, line: Line, folder: Any) -> Dialler:
    ctx: Any = line
    return Dialler(ctx, a_config(folder, url=desk.url), 7)


async def test_the_callee_is_rung_as_ordered(desk, tmp_path):
    line = Line()
    dial = dialler(desk, line, tmp_path)
    callee: Any = await dial.reach("")
    assert callee == "callee_7"
    assert await dial.failure() is None
    [request] = line.requests
    assert (request.sip_call_to, request.sip_number) == ("+12025550123", "+12025550100")
    assert (request.sip_trunk_id, request.room_name) == ("ST_1", "call_out_1")
    assert (request.ringing_timeout.seconds, request.wait_until_answered) == (20, True)


async def test_nobody_is_dialled_twice(desk, tmp_path):
    await dialler(desk, Line(), tmp_path).reach("")
    second = Line()
    with pytest.raises(NotDialled):
        await dialler(desk, second, tmp_path).reach("")
    assert second.requests == []


@pytest.mark.parametrize("hindrance", ["no plan", "away"])
async def test_nobody_is_called_to_hear_an_apology(desk, tmp_path, hindrance):
    line, desk.away = Line(), hindrance == "away"
    dial = dialler(desk, line, tmp_path)
    assert await dial.reach("" if desk.away else "The plan is broken.") is None
    failure = await dial.failure()
    assert failure
    assert (failure["outcome"], failure["rang"], line.requests) == ("error", False, [])


@pytest.mark.parametrize(
    ("error", "outcome", "status", "rang"),
    [
        (sip_error(486), "busy", 486, True),
        (sip_error(603), "declined", 603, True),
        (sip_error(404), "no_such_number", 404, True),
        (sip_error(480), "no_answer", 480, True),
        (sip_error(503), "carrier", 503, True),
        (twirp_error("canceled", "sip request timed out"), "no_answer", 0, True),
        (twirp_error("unknown", "max auth retry attempts reached"), "carrier", 407, True),
        (twirp_error("unavailable", "cpu exhausted"), "error", 0, False),
        (twirp_error("not_found", "no such trunk"), "error", 0, False),
        (twirp_error("invalid_argument", "no number"), "carrier", 0, True),
        (TimeoutError(), "unknown", 0, True),
    ],
)
async def test_what_a_refusal_means(desk, tmp_path, error, outcome, status, rang):
    dial = dialler(desk, Line(error), tmp_path)
    assert await dial.reach("") is None
    failure = await dial.failure()
    assert failure
    assert (failure["outcome"], failure["status"], failure["rang"]) == (outcome, status, rang)


@pytest.mark.parametrize(
    ("metadata", "found"),
    [('{"plan": "x", "outbound": 7}', 7), ('{"plan": "x"}', 0), ("", 0), ("[]", 0)],
)
def test_a_job_knows_whether_it_is_to_dial(metadata, found):
    assert outbound_in(metadata) == found
