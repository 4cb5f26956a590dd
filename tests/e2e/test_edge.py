"""The SIP edge between a carrier and the product: registration, calls, and who is kept out."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from functools import partial

import pytest
from livekit import api

from telephony.caller.call import Call, CallFailed
from telephony.caller.speech import speak
from tests.e2e.carrier import Carrier, carrier
from tests.e2e.stack import HOURS, Stack, eventually, free_ports

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

(CALLEE,) = free_ports(1)
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
for soon in (0, 6, 12):
    tasks.sync_edge.apply_async(countdown=soon)
"""


def registering(name: str, number: str, user: str, password: str, at: str) -> tuple:
    values = {"registers": True, "registrar": at, "auth_username": user, "password": password}
    return name, number, values


@pytest.fixture(scope="module")
def line(stack: Stack, tmp_path_factory) -> Iterator[Carrier]:
    """Trunks through the edge: one registered as it should be, others which cannot be."""
    callee = f"127.0.0.1:{CALLEE}"
    with carrier(tmp_path_factory.mktemp("carrier"), expires_s=8, callee=callee) as made:
        at = made.address
        outbound = {
            "direction": "outbound", "address": at, "caller_ids": [OURS], "auth_username": "alice",
            "password": "open-sesame",
        }  # fmt: skip
        rows = [
            registering("right", OURS, "alice", "open-sesame", at),
            registering("wrong password", "+12025550161", "alice", "guess", at),
            registering("forbidden", "+12025550162", "banned", "x", at),
            registering("unknown", "+12025550163", "nobody", "x", at),
            registering("silent", "+12025550164", "mute", "x", at),
            ("outbound", "", outbound),
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


def refused(stack: Stack, number: str, caller: str, wait_s: float) -> int:
    """The status with which a call ended, 0 if nothing came."""

    async def run() -> int:
        async with through(stack, number, caller) as call:
            with pytest.raises(CallFailed) as failure:
                await call.answered(wait_s)
            call.vanish()
            return failure.value.status

    return asyncio.run(run())


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


def test_a_call_through_the_edge_is_talked_and_ended_by_the_bot(stack, line):
    async def run() -> list[str | None]:
        async with through(stack, OURS, "+12025550171") as call:
            await call.answered()
            await call.quiet(900)
            answer = await stack.ask(call, "What are your opening hours?")
            await call.say(await speak("That is all, thank you.", "rms"))
            await asyncio.wait_for(call.ended.wait(), 15)
            return [answer, call.ended_by]

    assert asyncio.run(run()) == [HOURS, "them"]


def test_a_call_to_the_registered_contact_means_the_trunks_number(stack, line):
    contact = next(e for e in line.registrations() if e).partition("sip:")[2].partition("@")[0]

    async def run() -> None:
        async with through(stack, contact, "+12025550173") as call:
            await call.answered()
            await call.quiet(900)  # who goes at the moment of the answer may be taken for abandoned

    asyncio.run(run())
    row = stack.settled("+12025550173")
    assert row["called"].lstrip("+") == OURS.lstrip("+")
    assert row["end_reason"] == "caller"


def test_a_carrier_cannot_call_the_number_of_another(stack, line):
    assert refused(stack, THEIRS, "+12025550174", 5) == 403


def test_a_number_nobody_has_is_refused(stack, line):
    assert refused(stack, NOBODYS, "+12025550175", 8) == 486


def test_who_is_on_no_list_hears_nothing(stack, line, monkeypatch):
    monkeypatch.setattr("telephony.caller.call._own_address", lambda server: "127.0.0.2")
    assert refused(stack, OURS, "+12025550176", 2) == 0


def test_a_call_out_is_let_in_by_the_carrier_and_ends(stack, line, tmp_path):
    """The carrier asks for a password and passes the call on to SIPp, which waits for BYE."""
    (row,) = stack.rows("select remote_id from telephony_trunk where name = 'outbound'")
    phone = subprocess.Popen(
        ["sipp", "-sn", "uas", "-i", "127.0.0.1", "-p", str(CALLEE), "-m", "1", "-nostdin",
         "-timeout", "30s", "-timeout_error"], cwd=tmp_path, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    asyncio.run(dial(stack, row["remote_id"]))
    assert phone.wait(20) == 0


async def dial(stack: Stack, trunk_id: str) -> None:
    env = stack.home.env
    url, key, secret = (env[f"LIVEKIT_{name}"] for name in ("URL", "API_KEY", "API_SECRET"))
    async with api.LiveKitAPI(url, key, secret) as lk:
        request = api.CreateSIPParticipantRequest(
            sip_trunk_id=trunk_id, sip_call_to="+12025550190", room_name="out",
            participant_identity="callee", wait_until_answered=True,
        )  # fmt: skip
        await lk.sip.create_sip_participant(request)
        await asyncio.sleep(1)
        await lk.room.delete_room(api.DeleteRoomRequest(room="out"))


def test_without_livekit_sip_the_carrier_hears_so_at_once(stack, line):
    with stack.without("livekit-sip"):
        assert refused(stack, OURS, "+12025550177", 6) == 503


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
