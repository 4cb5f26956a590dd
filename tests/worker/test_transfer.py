"""What a transfer does with each answer of carriers, other telephones and the control plane."""

import asyncio
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from agents.plan import CallPlan, Target
from agents.worker import transfer
from agents.worker.clearance import Clearance
from agents.worker.desk import DeskAway, DeskRefused
from agents.worker.exchange import Result
from agents.worker.hold import Hold
from agents.worker.journal import Journal, read
from agents.worker.tools import Nobody, tools_of
from agents.worker.transfer import Transfer
from tests.fakes.desk import wait_until
from tests.worker.plan import a_plan

pytestmark = pytest.mark.worker

BILLING = Target(
    key="billing", name="Billing", description="invoices and refunds", number="+12025550177",
    announcement="One moment.", sorry="Nobody is there.", closed="They are closed.",
)  # fmt: skip


class Call:
    """The rest of a call: keeps what happens to it, in order."""

    def __init__(self, folder):
        self.book = Journal(folder, "AJ_1")
        self.events: list[str] = []
        self.answer: dict | Exception = {"allowed": True, "trunk": "ST_1"}
        self.results: dict[str, Result | None] = {}
        self.asked: list[dict] = []
        self.dialled: dict = {}
        self.tasks: list[asyncio.Task] = []
        self.transfer = Transfer(
            self, self, self, self.book, ask=self._ask,
            start=lambda work: self.tasks.append(asyncio.create_task(work)),
        )  # fmt: skip
        caller: Any = SimpleNamespace(identity="sip_1")
        self.transfer.begin("call_1", caller)

    async def _ask(self, question):
        self.asked.append(question)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    # the host
    def hold(self):
        self.events.append("hold")

    async def announce(self, words):
        self.events.append(words)

    async def take_back(self, words, note):
        self.note = note
        self.events.append(words)

    def begin_anew(self):
        self.events.append("anew")

    def end(self, reason, *, at=None):
        self.events.append(f"end {reason}")

    def sent_on(self):
        self.events.append("sent on")

    # the tone
    def start(self):
        self.events.append("tone")

    async def stop(self):
        self.events.append("quiet")

    # the exchange; None: no answer yet
    async def refer(self, caller, number, *, ring_s):
        self.events.append(f"refer {number}")
        return await self._result("refer")

    async def dial(self, number, *, identity, **more):
        self.events.append("dial")
        self.dialled = {"number": number, "identity": identity, **more}
        return await self._result("dial")

    async def drop(self, identity):
        self.events.append("drop")

    async def _result(self, way):
        await wait_until(lambda: self.results.get(way) is not None)
        return self.results[way]

    @property
    def last(self):
        return self.events[-1] if self.events else ""

    def told(self):
        entries = [entry.data for entry in read(self.book.path) if entry.kind == "transfer"]
        return [(one["outcome"], one["sip_status"]) for one in entries]


@pytest.fixture
async def call(tmp_path):
    call = Call(tmp_path)
    call.book.write("opened")
    yield call
    for task in call.tasks:
        task.cancel()
    await asyncio.gather(*call.tasks, return_exceptions=True)
    call.book.release()


async def test_a_carrier_takes_the_caller(call):
    call.results["refer"] = Result(outcome="accepted", status=202)
    assert call.transfer.to(BILLING)
    assert not call.transfer.to(BILLING)
    await wait_until(lambda: "sent on" in call.events)
    assert call.events == [
        "hold", "One moment.", "tone", "refer +12025550177", "quiet", "sent on",
    ]  # fmt: skip
    assert call.told() == [("asked", 0), ("accepted", 202)]
    call.transfer.caller_left(1.0)
    assert call.told()[-1] == ("accepted", 202)


async def test_a_refusal_is_followed_by_a_call_of_ours(call, monkeypatch):
    monkeypatch.setattr(transfer, "BRIEF_S", 0.0)
    call.results = {
        "refer": Result(outcome="refused", status=603),
        "dial": Result(outcome="connected", status=200),
    }
    call.answer |= {"caller_id": "+12025550111", "post_dial": "ww12"}
    call.transfer.to(BILLING)
    await wait_until(lambda: ("connected", 200) in call.told())
    assert call.dialled["trunk"] == "ST_1"
    assert (call.dialled["caller_id"], call.dialled["digits"]) == ("+12025550111", "ww12")
    call.transfer.leg_left("leg_other")
    await asyncio.sleep(0.02)
    assert "end transferred" not in call.events
    call.transfer.leg_left(call.dialled["identity"])
    await wait_until(lambda: call.last == "end transferred")
    assert [what for what, _ in call.told()] == [
        "asked", "refused", "ringing", "connected", "ended",
    ]  # fmt: skip
    assert call.events.index("quiet") < call.events.index("end transferred")


@pytest.mark.parametrize("outcome", ["busy", "no_answer"])
async def test_whom_the_carrier_did_not_reach_is_not_called_again(call, outcome):
    call.results["refer"] = Result(outcome=outcome, status=486)
    call.transfer.to(BILLING)
    await wait_until(lambda: call.last == "Nobody is there.")
    assert "dial" not in call.events
    assert "Billing" in call.note
    assert not call.transfer.is_on


async def test_nobody_answers_and_the_caller_may_be_sent_again(call):
    call.results = {"refer": Result(outcome="refused"), "dial": Result(outcome="no_answer")}
    for _ in range(2):
        call.events.clear()
        assert call.transfer.to(BILLING)
        await wait_until(lambda: call.last == "Nobody is there.")
        # whoever rings on must not come later
        assert call.events[-4:] == ["dial", "quiet", "drop", "Nobody is there."]


async def test_who_hangs_up_at_once_did_not_talk_with_him(call):
    call.results = {"refer": Result(outcome="refused"), "dial": Result(outcome="connected")}
    call.transfer.to(BILLING)
    await wait_until(lambda: ("connected", 0) in call.told())
    call.transfer.leg_left(call.dialled["identity"])
    await wait_until(lambda: call.last == "Nobody is there.")
    assert call.told()[-1][0] == "returned"


async def test_closed_is_said_without_calling(call):
    call.answer = {"allowed": False, "why": "closed"}
    call.transfer.to(BILLING)
    await wait_until(lambda: call.events == ["hold", "They are closed."])
    assert call.told() == [("asked", 0), ("closed", 0)]


@pytest.mark.parametrize(
    ("changes", "reached"),
    [({}, True), ({"has_hours": True}, False), ({"method": "dial"}, False)],
)
async def test_with_the_control_plane_away_only_what_needs_no_asking(call, changes, reached):
    call.answer = DeskAway("away")
    call.results["refer"] = Result(outcome="accepted")
    target = Target(**{name: getattr(BILLING, name) for name in BILLING.__slots__} | changes)
    call.transfer.to(target)
    await wait_until(lambda: call.last in {"sent on", "Nobody is there."})
    assert (call.events[-1] == "sent on") is reached


async def test_a_caller_who_gives_up_while_it_rings(call):
    call.results = {"refer": Result(outcome="refused")}
    call.transfer.to(BILLING)
    await wait_until(lambda: "dial" in call.events)
    call.transfer.caller_left(1.0)
    assert call.events[-1] == "end caller"
    assert call.told()[-1][0] == "abandoned"


async def test_a_caller_who_goes_before_the_carrier_told_that_it_has_him(call):
    call.transfer.to(BILLING)
    await wait_until(lambda: any(event.startswith("refer") for event in call.events))
    call.transfer.caller_left(1.0)
    assert not any(event.startswith("end") for event in call.events)
    call.results["refer"] = Result(outcome="accepted", status=202)
    await wait_until(lambda: call.last == "sent on")


async def test_a_caller_who_hangs_up_during_a_refer_is_not_called_for(call, monkeypatch):
    monkeypatch.setattr(transfer, "AFTER_REFER_S", 0.05)
    call.transfer.to(BILLING)
    await wait_until(lambda: any(event.startswith("refer") for event in call.events))
    call.transfer.caller_left(1.0)
    await wait_until(lambda: "end caller" in call.events)
    call.results["refer"] = Result(outcome="refused")
    await asyncio.gather(*call.tasks)
    assert "dial" not in call.events
    assert [what for what, _ in call.told()] == ["asked", "abandoned"]


async def test_a_caller_who_hangs_up_on_the_colleague_was_transferred(call):
    call.results = {"refer": Result(outcome="refused"), "dial": Result(outcome="connected")}
    call.transfer.to(BILLING)
    await wait_until(lambda: ("connected", 0) in call.told())
    await asyncio.sleep(0)
    call.transfer.caller_left(1.0)
    assert call.events[-1] == "end transferred"
    assert call.told()[-1][0] == "left"


async def test_without_a_transfer_he_just_hung_up(call):
    call.transfer.caller_left(1.0)
    assert call.events == ["end caller"]
    assert call.told() == []


# --- a number's policy sends him on ---------------------------------------------------------------

NIGHT = Clearance(
    target=Target(key="", name="the number set for this", description="", number="+12025550188"),
    trunk="ST_2", caller_id="+12025550100",
)  # fmt: skip


@pytest.mark.parametrize(
    ("refer", "trunk", "dial", "ended", "events"),
    [
        ("accepted", "ST_2", "", True, ["hold", "tone", "refer +12025550188", "quiet", "sent on"]),
        ("refused", "ST_2", "connected", True, None),
        ("refused", "ST_2", "no_answer", False, None),
        ("refused", "", "", False, ["hold", "tone", "refer +12025550188", "quiet", ""]),
        ("busy", "ST_2", "", False, ["hold", "tone", "refer +12025550188", "quiet", ""]),
    ],
)
async def test_a_policys_number_is_dialled_where_the_carrier_refuses(
    call, monkeypatch, refer, trunk, dial, ended, events
):
    monkeypatch.setattr(transfer, "BRIEF_S", 0.0)
    call.results = {"refer": Result(outcome=refer), "dial": Result(outcome=dial or "failed")}
    going = asyncio.create_task(call.transfer.forward(replace(NIGHT, trunk=trunk)))
    call.tasks.append(going)
    if dial == "connected":
        await wait_until(lambda: ("connected", 0) in call.told())
        assert not going.done()
        call.transfer.leg_left(call.dialled["identity"])
    assert await going is ended
    assert ("dial" in call.events) is bool(dial)
    if dial:
        assert (call.dialled["trunk"], call.dialled["caller_id"]) == ("ST_2", "+12025550100")
    assert events is None or call.events == events
    assert call.asked == []
    assert call.told()[0] == ("asked", 0)
    assert "5550188" not in call.book.path.read_text()


async def test_who_hangs_up_while_a_policys_number_rings_is_gone(call):
    call.results = {"refer": Result(outcome="refused")}
    going = asyncio.create_task(call.transfer.forward(NIGHT))
    call.tasks.append(going)
    await wait_until(lambda: "dial" in call.events)
    call.transfer.caller_left(1.0)
    call.results["dial"] = Result(outcome="failed")
    assert await going
    assert call.events[-1] == "end caller" or call.events[-1] == "quiet"
    assert call.events.count("end caller") == 1


async def test_an_order_is_taken_once_and_asked_again_only_when_nobody_took_it(call):
    call.answer = DeskAway("away")
    call.transfer.order(7)
    await asyncio.gather(*call.tasks)
    assert call.told() == []
    call.answer = {"allowed": True, "target": {
        "key": "boss", "name": "Boss", "description": "", "number": "+12025550178",
    }}  # fmt: skip
    call.results["refer"] = Result(outcome="busy")
    call.transfer.order(7)
    await asyncio.gather(*call.tasks)
    call.transfer.order(7)
    await asyncio.gather(*call.tasks)
    assert call.asked == [{"room": "call_1", "order": 7}] * 2
    orders = [entry.data["order"] for entry in read(call.book.path) if entry.kind == "transfer"]
    assert orders == [7, 7]
    assert "refer +12025550178" in call.events


async def test_an_order_somebody_else_took_does_nothing(call):
    call.answer = DeskRefused(409, "taken")
    call.transfer.order(7)
    await asyncio.gather(*call.tasks)
    assert call.events == []
    assert not call.transfer.is_on


@pytest.mark.parametrize(("status", "last"), [("active", "end transferred"), ("dialing", "anew")])
async def test_a_second_job_finds_them_talking(call, status, last):
    leg = SimpleNamespace(identity="leg_1", attributes={"sip.callStatus": status})
    call.transfer.adopt(leg)
    assert call.events == ["hold"]
    await asyncio.sleep(0.05)
    call.transfer.leg_left("leg_1")
    await wait_until(lambda: call.last == last)


# --- the model's part -----------------------------------------------------------------------------


def test_a_model_sees_names_and_no_number():
    tools: list[Any] = tools_of(Nobody(), [BILLING])
    (tool,) = (one for one in tools if one.info.name == "transfer_call")
    schema = tool.info.raw_schema
    assert schema["parameters"]["properties"]["destination"]["enum"] == ["billing"]
    assert "invoices and refunds" in schema["description"]
    assert "5550177" not in str(schema)


def test_without_a_directory_there_is_nothing_to_choose():
    tools: list[Any] = tools_of(Nobody())
    assert {one.info.name for one in tools} == {"end_call", "request_human"}


def test_targets_survive_the_plans_text():
    plan = a_plan(targets=(BILLING,))
    assert CallPlan.from_json(plan.to_json()) == plan


# --- out of the call ------------------------------------------------------------------------------


async def test_a_hold_closes_the_recogniser_and_opens_another_after():
    hold = Hold()
    opened: list[str] = []
    heard: list[Any] = []

    async def audio():
        while True:
            yield "frame"
            await asyncio.sleep(0.005)

    async def hear(frames):
        opened.append("open")
        try:
            async for _ in frames:
                yield len(opened)
        finally:
            opened.append("closed")

    async def listen():
        async for event in hold.listen(audio(), hear):
            heard.append(event)

    listening = asyncio.create_task(listen())
    await wait_until(lambda: heard)
    hold.begin()
    await wait_until(lambda: opened == ["open", "closed"])
    count = len(heard)
    await asyncio.sleep(0.03)
    assert len(heard) == count
    hold.end()
    await wait_until(lambda: heard[-1] == 3)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    assert opened == ["open", "closed", "open", "closed"]
