"""The SIP edge between a carrier and the product: registration, calls, and who is kept out."""

import asyncio
import json
from collections.abc import Iterator
from functools import partial

import pytest

from telephony import demo
from telephony.caller.call import Call, CallFailed
from tests.e2e.carrier import Carrier, carrier
from tests.e2e.stack import HOURS, Stack, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

OURS, THEIRS, NOBODYS = "+12025550160", "+12025550166", "+12025550998"
MAKE = """
import json
from django.conf import settings
from agents import seal
from telephony import tasks
from telephony.models import DispatchRule, Number, Trunk
made = {}
for name, number, values in json.loads(%r):
    password = values.pop("password", "")
    if password:
        values["sealed_auth_password"] = seal.seal(password, keys=settings.SEAL_KEYS)
    trunk = Trunk.objects.create(name=name, via_edge=True, **values)
    if number:
        Number.objects.create(e164=number, trunk=trunk)
        DispatchRule.objects.first().trunks.add(trunk)
tasks.push_now.delay()
tasks.sync_edge.delay()
"""


def registering(name: str, number: str, user: str, password: str, at: str) -> tuple:
    values = {"registers": True, "registrar": at, "auth_username": user, "password": password}
    return name, number, values


@pytest.fixture(scope="module")
def line(stack: Stack, tmp_path_factory) -> Iterator[Carrier]:
    """Trunks through the edge: one registered as it should be, others which cannot be."""
    with carrier(tmp_path_factory.mktemp("carrier"), expires_s=8) as made:
        at = made.address
        rows = [
            registering("right", OURS, "alice", "open-sesame", at),
            registering("wrong password", "+12025550161", "alice", "guess", at),
            registering("forbidden", "+12025550162", "banned", "x", at),
            registering("unknown", "+12025550163", "nobody", "x", at),
            registering("silent", "+12025550164", "mute", "x", at),
            ("elsewhere", THEIRS, {"allowed_addresses": ["203.0.113.7/32"]}),
        ]
        stack.manage("shell", "-c", MAKE % json.dumps(rows))
        eventually(lambda: state(stack, "right")[0] == "registered", 40)
        eventually(lambda: sync_state(stack, "right") == "synced", 20)
        yield made


def state(stack: Stack, name: str) -> tuple[str, str]:
    query = "select registration_state, registration_text from telephony_trunk where name = ?"
    (row,) = stack.rows(query, name)
    return row["registration_state"], row["registration_text"]


def sync_state(stack: Stack, name: str) -> str:
    (row,) = stack.rows("select sync_state from telephony_trunk where name = ?", name)
    return str(row["sync_state"])


def through(stack: Stack, number: str, caller: str) -> Call:
    return Call(f"sip:{number}@127.0.0.1:{stack.home.env['EDGE_PORT']}", caller=caller)


async def refused(call: Call, wait_s: float) -> int:
    async with call:
        with pytest.raises(CallFailed) as failure:
            await call.answered(wait_s)
        return failure.value.status


def test_refusals_are_told_in_words(stack, line):
    told = {
        "wrong password": ("refused", "password"),
        "forbidden": ("refused", "forbids"),
        "unknown": ("refused", "does not know this user"),
        "silent": ("silent", "does not answer"),
    }
    for name, (expected, word) in told.items():
        eventually(partial(_is, stack, name, expected), 40)
        assert word in state(stack, name)[1]


def _is(stack: Stack, name: str, expected: str) -> bool:
    return state(stack, name)[0] == expected


def test_it_registers_again_before_it_expires(line):
    eventually(lambda: len(line.registrations()) >= 3, 20)
    assert {entry.split()[0] for entry in line.registrations()} == {"alice"}


def test_a_call_through_the_edge_is_talked_and_ended_by_the_caller(stack, line):
    async def run() -> list[str | None]:
        async with through(stack, OURS, "+12025550171") as call:
            await call.answered()
            await call.quiet(900)
            greeting = stack.ears.line(call.heard_since(call.times["answered"]))
            return [greeting, await stack.ask(call, "What are your opening hours?")]

    assert asyncio.run(run()) == [demo.GREETING, HOURS]
    row = stack.settled("+12025550171")
    assert (row["state"], row["end_reason"]) == ("ended", "caller")


def test_the_bots_good_bye_reaches_the_caller(stack, line):
    async def run() -> str:
        async with through(stack, OURS, "+12025550172") as call:
            await call.answered()
            await call.quiet(900)
            await stack.ask(call, "That is all, thank you.")
            await asyncio.wait_for(call.ended.wait(), 15)
            return call.ended_by

    assert asyncio.run(run()) == "them"


def test_a_call_to_the_registered_contact_means_the_trunks_number(stack, line):
    contact = next(e for e in line.registrations() if e).partition("sip:")[2].partition("@")[0]

    async def run() -> None:
        async with through(stack, contact, "+12025550173") as call:
            await call.answered()

    asyncio.run(run())
    assert stack.settled("+12025550173")["called"].lstrip("+") == OURS.lstrip("+")


def test_a_carrier_cannot_call_the_number_of_another(stack, line):
    assert asyncio.run(refused(through(stack, THEIRS, "+12025550174"), 5)) == 403


def test_a_number_nobody_has_is_refused(stack, line):
    assert asyncio.run(refused(through(stack, NOBODYS, "+12025550175"), 8)) == 486


def test_who_is_on_no_list_hears_nothing(stack, line, monkeypatch):
    monkeypatch.setattr("telephony.caller.call._own_address", lambda server: "127.0.0.2")
    assert asyncio.run(refused(through(stack, OURS, "+12025550176"), 2)) == 0


def test_without_livekit_sip_the_carrier_hears_so_at_once(stack, line):
    with stack.without("livekit-sip"):
        assert asyncio.run(refused(through(stack, OURS, "+12025550177"), 6)) == 503


def test_an_edge_which_was_restarted_is_told_everything_again(stack, line):
    with stack.without("edge"):
        before = len(line.registrations())
    eventually(lambda: len(line.registrations()) > before, 40)
    eventually(partial(_answers, stack), 20)


def _answers(stack: Stack) -> bool:
    async def run() -> bool:
        async with through(stack, OURS, "+12025550178") as call:
            await call.answered(10)
            return True

    return asyncio.run(run())
