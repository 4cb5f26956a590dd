"""Calls we make, over the real media plane, to telephones which do what people do."""

import asyncio
import json
from collections import Counter

import numpy as np
import pytest

from telephony import demo
from telephony.caller.audio import RATE, Pcm
from telephony.caller.speech import speak
from tests.e2e.ears import stretches
from tests.e2e.stack import Stack, eventually
from tests.e2e.switchboard import Switchboard

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

PERSON, MAILBOX, SILENT, BUSY, DECLINES, NOBODY, BROKEN, LOCKED = (
    f"+120255502{n:02}" for n in range(8)
)
REFUSALS = {
    BUSY: (486, "Busy Here"),
    DECLINES: (603, "Decline"),
    NOBODY: (404, "Not Found"),
    BROKEN: (503, "Service Unavailable"),
}
MAIL = (
    "Hello, you have reached the house of the Miller family, we are all out in the garden, "
    "so please say what you want and we will think about it"
)

PREPARE = """
from django.conf import settings
from agents import seal
from agents.models import Project
from telephony import demo
from telephony.models import DestinationRule, OutboundProfile, Trunk
project = Project.objects.get(slug=demo.SLUG)
Trunk.objects.create(
    name="Way out for our calls", direction="outbound", address="127.0.0.1:{port}", transport="udp",
    caller_ids=["+12025550100"], auth_username="us", max_calls=3, max_calls_per_s=5,
    sealed_auth_password=seal.seal("secret", keys=settings.SEAL_KEYS), daily_spend_cap=100)
OutboundProfile.objects.create(
    project=project, hours="24/7", ring_s=5, attempts=1, on_voicemail="message",
    message=demo.GOODBYE)
"""
ASK = """
from django.utils import timezone
from telephony import demo, outbound
from telephony.errors import CallNotAllowed
from agents.models import Project
from telephony.models import DestinationRule, Trunk
project = Project.objects.get(slug=demo.SLUG)
out = Trunk.objects.get(name="Way out for our calls")
if {allow}:
    DestinationRule.objects.create(prefix="+1202")
for to in {numbers}:
    try:
        outbound.request_call(
            to=to, project_id=project.pk, trunk_id=out.pk, by="e2e", now=timezone.now())
    except CallNotAllowed as reason:
        print("refused:", reason)
"""


@pytest.fixture(scope="module")
def calls(stack: Stack) -> dict:
    """All of them at once, over three lines; how each ended and what the answered ones heard."""

    async def run() -> dict:
        voices = {PERSON: await speak("Hello?"), MAILBOX: await mailbox()}
        async with Switchboard(
            refusals=REFUSALS, voices=voices, locked=LOCKED, password="secret"
        ) as board:
            heard = await asyncio.to_thread(place_all, stack, board)
            return heard | {
                "invited": board.numbers("INVITE"),
                "called_off": board.numbers("CANCEL"),
                "lines": {n: line.heard() for n, line in board.lines.items()},
            }

    return asyncio.run(run())


def place_all(stack: Stack, board: Switchboard) -> dict:
    stack.manage("shell", "-c", PREPARE.format(port=board.port))
    stack.manage("synclivekit", "--apply")
    numbers = [PERSON, MAILBOX, SILENT, *REFUSALS, LOCKED]
    refused = stack.manage("shell", "-c", ASK.format(allow=False, numbers=[PERSON]))
    stack.manage("shell", "-c", ASK.format(allow=True, numbers=numbers))
    rows = eventually(lambda: all_over(stack, len(numbers)), 100)
    return {"refused": refused, "rows": {row["to"]: row for row in rows}}


def all_over(stack: Stack, count: int) -> list:
    """The rows, with their last call, once none of them is open."""
    rows = stack.rows(
        "select o.*, c.end_reason, c.state as call_state, c.room from telephony_outboundcall o "
        "left join telephony_call c on c.id = o.call_id"
    )
    open_ = [row for row in rows if row["state"] in {"waiting", "dialling", "talking"}]
    return rows if len(rows) == count and not open_ else []


async def mailbox() -> Pcm:
    """A long sentence and a beep."""
    beep = (8000 * np.sin(2 * np.pi * 1000 * np.arange(RATE * 2 // 5) / RATE)).astype(np.int16)
    pause = np.zeros(RATE // 4, np.int16)
    return np.concatenate([await speak(MAIL, "slt"), pause, beep])


def end(calls: dict, number: str) -> tuple:
    row = calls["rows"][number]
    return row["state"], row["outcome"], row["sip_status"]


def test_nobody_is_called_until_a_destination_is_allowed(calls):
    assert "nothing is allowed by itself" in calls["refused"]


def test_a_person_who_answers_is_greeted_once_he_has_spoken(stack, calls):
    assert end(calls, PERSON)[:2] == ("done", "talked")
    row = calls["rows"][PERSON]
    assert (row["answered_by"], row["call_state"]) == ("human", "ended")
    heard = calls["lines"][PERSON]
    assert demo.GREETING in {stack.ears.line(heard[a:b]) for a, b in stretches(heard)}


def test_a_mailbox_is_left_the_message_after_its_beep(stack, calls):
    assert end(calls, MAILBOX)[:2] == ("done", "machine")
    row = calls["rows"][MAILBOX]
    assert (row["answered_by"], row["end_reason"]) == ("voicemail", "machine")
    heard = calls["lines"][MAILBOX]
    assert [stack.ears.line(heard[a:b]) for a, b in stretches(heard)] == [demo.GOODBYE]


@pytest.mark.parametrize(
    ("number", "outcome", "status"),
    [
        (BUSY, "busy", 486), (DECLINES, "declined", 603), (NOBODY, "no_such_number", 404),
        (BROKEN, "carrier", 503), (LOCKED, "carrier", 407),
    ],
)  # fmt: skip
def test_a_refusal_keeps_its_status_and_says_it_in_words(stack, calls, number, outcome, status):
    assert end(calls, number) == ("failed", outcome, status)
    row = calls["rows"][number]
    assert f"(SIP {status})" in row["words"]
    assert row["end_reason"] == outcome
    legs = stack.rows("select sip_status from telephony_leg where call_id = ?", row["call_id"])
    assert legs == [{"sip_status": status}]


def test_a_telephone_nobody_answers_stops_ringing(calls):
    assert end(calls, SILENT)[:2] == ("failed", "no_answer")
    assert calls["called_off"] == [SILENT]


def test_each_was_called_once(calls):
    invited = Counter(number for number in calls["invited"] if number != LOCKED)
    assert set(invited) == set(calls["rows"]) - {LOCKED}
    assert set(invited.values()) == {2}  # without a password, and at once with it


def test_no_line_and_no_number_is_left_behind(stack, calls):
    assert [row["calls"] for row in stack.rows("select calls from telephony_trunkuse")] == [0]
    for path in (stack.home.logs / name for name in ("worker.log", "celery.log", "web.log")):
        text = path.read_text()
        assert not any(number in text for number in calls["rows"]), path.name


def test_the_journal_says_who_answered(stack, calls):
    rows = stack.rows(
        "select data from recordings_journalentry where call_id = ? and kind = 'answered_by'",
        calls["rows"][MAILBOX]["call_id"],
    )
    [entry] = [json.loads(row["data"]) for row in rows]
    assert (entry["verdict"], entry["action"]) == ("voicemail", "message")
