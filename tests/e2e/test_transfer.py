"""Calls which are sent to another telephone: over real SIP, with what each side hears."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from telephony.caller import audio
from telephony.caller.call import Call
from tests.e2e.ears import Ears, WordEars
from tests.e2e.stack import HOURS, Stack, eventually
from tests.fakes.uas import Telephone

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]

HELLO = "Connecting you now."
SORRY = "Sorry, nobody answers there."
SETTING_UP = """
from django.utils import timezone
from agents.models import Project
from agents.services import publish
from telephony.models import Destination, Trunk
trunk = Trunk.objects.create(
    name="Way out to the desk", direction="outbound", address="127.0.0.1:{port}",
    caller_ids=["+12025550111"],
)
row = Destination.objects.create(
    name="Service desk", key="desk", description="repairs and complaints", for_people=True,
    number="+12025550177", trunk=trunk, ring_s=8, announcement={hello!r}, sorry={sorry!r},
)
for project in Project.objects.filter(published__isnull=False, rules__isnull=False).distinct():
    publish(project_id=project.pk, by="tests", now=timezone.now())
"""
TAKING_DOWN = """
from django.utils import timezone
from agents.models import Project
from agents.services import publish
from telephony.models import Destination, Trunk
Destination.objects.all().delete()
Trunk.objects.filter(name="Way out to the desk").delete()
for project in Project.objects.filter(published__isnull=False, rules__isnull=False).distinct():
    publish(project_id=project.pk, by="tests", now=timezone.now())
"""


@pytest.fixture(scope="module")
def port(stack: Stack) -> Iterator[int]:
    """Where the desk's telephone is. Everything is as before afterwards."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    set_up = SETTING_UP.format(port=port, hello=HELLO, sorry=SORRY)
    stack.manage("shell", "-c", set_up)
    stack.manage("synclivekit", "--apply")
    wait_for_plan(stack)
    yield port
    stack.manage("shell", "-c", TAKING_DOWN)
    stack.manage("synclivekit", "--apply")
    wait_for_plan(stack)


def wait_for_plan(stack: Stack) -> None:
    """Until the rules name what was published, and the worker has spoken its sentences."""
    plans = stack.home.data / "worker" / "plans"
    live = (
        "select p.digest from agents_publishedplan p join agents_project o "
        "on o.published_id = p.id where o.slug = 'demo'"
    )

    def ready() -> bool:
        pending = stack.rows(
            "select 1 from telephony_dispatchrule r join agents_project o on o.id = r.project_id "
            "where o.slug = 'demo' and r.sync_state != 'synced'"
        )  # other tests leave rules behind
        found = [plans / row["digest"] / "audio" for row in stack.rows(live)]
        return not pending and all(len(list(folder.glob("*.wav"))) >= 7 for folder in found)

    eventually(ready, 60)


def steps(stack: Stack, caller: str) -> list[tuple[str, str, int]]:
    """What the journal says of the transfer: outcome, method, SIP status."""
    row = stack.settled(caller)
    query = (
        "select data from recordings_journalentry where call_id = ? and kind = 'transfer' "
        "order by n"
    )
    found = [json.loads(entry["data"]) for entry in stack.rows(query, row["id"])]
    return [(step["outcome"], step["method"], step["sip_status"]) for step in found]


async def ready_to_ask(call: Call) -> None:
    await call.answered()
    await call.quiet(900)


def loud(pcm: Any, hertz: float) -> float:
    """How much of a tone is in it."""
    if not len(pcm):
        return 0.0
    times = np.arange(len(pcm)) / audio.RATE
    return float(abs(np.mean(pcm * np.exp(-2j * np.pi * hertz * times))))


def tone(hertz: float, seconds: float) -> Any:
    times = np.arange(int(seconds * audio.RATE)) / audio.RATE
    return (8000 * np.sin(2 * np.pi * hertz * times)).astype(np.int16)


def test_a_carrier_which_accepts_gets_the_caller(stack, port):
    async def run():
        async with stack.call(caller="+12025550381") as call:
            call.leg.refer_status = 202
            await ready_to_ask(call)
            await call.press("0")
            await asyncio.wait_for(call.ended.wait(), 15)
            return call.leg.referred_to, call.ended_by

    target, ended_by = asyncio.run(run())
    assert "+12025550177" in target
    assert ended_by == "them"
    assert stack.settled("+12025550381")["end_reason"] == "transferred"
    assert steps(stack, "+12025550381") == [("asked", "", 0), ("accepted", "refer", 202)]


def test_a_carrier_which_refuses_is_done_without(stack, port):
    """The desk's telephone is dialled into the room; both hear each other, and not the bot."""

    async def run():
        async with (
            Telephone(port=port, tone=tone(700, 30)) as desk,
            stack.call(caller="+12025550382") as call,
        ):
            await ready_to_ask(call)
            begun = await call.press("0")
            await desk.wait_for("ACK")
            await asyncio.sleep(1)
            talking = await call.say(tone(1100, 2))
            await asyncio.sleep(1)
            heard = call.heard_since(talking - 2)
            there = desk.audio.heard()
            words = call.heard_since(begun)
            desk.hang_up()
            await asyncio.wait_for(call.ended.wait(), 10)
            return heard, there, words, desk.seen("INVITE")[0], call.ended_by

    heard, there, words, invite, ended_by = asyncio.run(run())
    assert Ears([HELLO, SORRY]).line(words[: audio.RATE * 3]) == HELLO
    assert loud(heard, 700) > 1000
    assert loud(there[-4 * audio.RATE :], 1100) > 500
    assert "+12025550177" in invite.uri
    assert "+12025550111" in invite.get("from")
    assert ended_by == "them"
    assert stack.settled("+12025550382")["end_reason"] == "transferred"
    assert steps(stack, "+12025550382") == [
        ("asked", "", 0), ("refused", "refer", 405), ("ringing", "dial", 0),
        ("connected", "dial", 200), ("ended", "dial", 0),
    ]  # fmt: skip


def test_a_busy_desk_gives_the_caller_back_to_the_bot(stack, port):
    async def run():
        async with (
            Telephone(port=port, refuse=(486, "Busy Here")),
            stack.call(caller="+12025550383") as call,
        ):
            await ready_to_ask(call)
            pressed = await call.press("0")
            await call.quiet(1500, 20, since=pressed)
            said = call.heard_since(pressed)
            return said, await stack.ask(call, "What are your opening hours?")

    said, answer = asyncio.run(run())
    assert {"sorry", "nobody"} <= set(WordEars([HELLO, SORRY]).words(said))
    assert answer == HOURS
    assert steps(stack, "+12025550383")[-1] == ("busy", "dial", 486)
    assert stack.settled("+12025550383")["end_reason"] == "caller"


def test_a_caller_who_gives_up_while_the_desk_rings(stack, port):
    async def run():
        async with (
            Telephone(port=port, picks_up=False) as desk,
            stack.call(caller="+12025550384") as call,
        ):
            await ready_to_ask(call)
            await call.press("0")
            await desk.wait_for("INVITE")
            rang = time.monotonic()
            await asyncio.sleep(2)
            heard = call.heard_since(rang)
            await call.hang_up()
            await desk.wait_for("CANCEL")
            return heard

    heard = asyncio.run(run())
    assert loud(heard, 425) > 100  # a ringing tone
    assert stack.settled("+12025550384")["end_reason"] == "caller"
    assert steps(stack, "+12025550384")[-1][0] == "abandoned"


def test_a_supervisor_sends_a_call_on_and_ends_another(stack, port):
    """The other party hangs up on him, and the caller is gone too when a supervisor says so."""

    async def run():
        async with (
            Telephone(port=port, tone=tone(700, 30)) as desk,
            stack.call(caller="+12025550385") as call,
        ):
            await ready_to_ask(call)
            await asyncio.to_thread(
                stack.manage, "shell", "-c", ordered("+12025550385", "transfer")
            )
            await desk.wait_for("ACK")
            await asyncio.sleep(1)
            await asyncio.to_thread(stack.manage, "shell", "-c", ordered("+12025550385", "hang_up"))
            await desk.wait_for("BYE")
            await asyncio.wait_for(call.ended.wait(), 10)
            return call.ended_by

    assert asyncio.run(run()) == "them"
    row = stack.settled("+12025550385")
    assert (row["end_reason"], row["ended_by"]) == ("supervisor", "boss")
    orders = stack.rows("select * from telephony_transferorder where call_id = ?", row["id"])
    assert [order["by"] for order in orders] == ["boss"]
    assert ("connected", "dial", 200) in steps(stack, "+12025550385")


def ordered(caller: str, what: str) -> str:
    more = ", destination_id=Destination.objects.get(key='desk').pk" if what == "transfer" else ""
    where = "transfers" if what == "transfer" else "endings"
    return (
        f"from django.utils import timezone\n"
        f"from telephony import {where}\n"
        f"from telephony.models import Call, Destination\n"
        f"call = Call.objects.filter(caller={caller!r}).latest('pk')\n"
        f"{where}.{what}(call_id=call.pk{more}, by='boss', now=timezone.now())\n"
    )


def test_a_caller_whose_sound_never_arrives(stack):
    async def run():
        async with stack.call(caller="+12025550386") as call:
            call.leg.on_answer = lambda peer: None
            await call.answered()
            await asyncio.sleep(3)

    asyncio.run(run())
    row = stack.settled("+12025550386")
    assert (row["state"], row["end_reason"]) == ("ended", "no_media")
