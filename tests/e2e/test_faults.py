"""Parts of the product are taken away while it runs. Calls go on, and nothing is lost."""

import asyncio
import contextlib
import os
import signal
import time
import urllib.error
import urllib.request

import psutil
import pytest

from deploy.embedded import supervise
from telephony import demo
from telephony.caller.call import CallFailed
from tests.e2e.stack import HOURS, Stack, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

STANDS_STILL_S = 3.0


def short_call(stack: Stack, caller: str) -> str | None:
    """One question; returns which of the bot's lines the caller heard as the answer."""

    async def run():
        async with stack.call(caller=caller) as call:
            await call.answered()
            await call.quiet(900)
            heard = await stack.ask(call, "What are your opening hours?")
            await asyncio.sleep(0.3)
            return heard

    return asyncio.run(run())


def test_calls_are_answered_while_django_is_down_and_told_afterwards(stack):
    with stack.without("web"), stack.without("celery"):
        assert short_call(stack, "+12025550180") == HOURS
        assert stack.call_of("+12025550180") == {}
    row = stack.settled("+12025550180", 60)
    assert (row["state"], row["end_reason"]) == ("ended", "caller")
    shown = stack.shown(row["room"], 40)
    assert shown["transcript"][0]["text"] == demo.GREETING
    assert shown["recording"]["state"] == "stored"


def test_a_recording_waits_for_the_store_and_is_never_called_stored_early(stack):
    with stack.without("s3"):
        assert short_call(stack, "+12025550181") == HOURS
        row = stack.settled("+12025550181")
        time.sleep(2)  # time in which a wrong "stored" could appear
        state = recording_state(stack, row["id"])
        assert state in {"wanted", "uploading"}
        assert list((stack.home.data / "worker" / "spool").glob("*.ogg"))
    eventually(lambda: recording_state(stack, row["id"]) == "stored", 60)
    eventually(lambda: not list((stack.home.data / "worker" / "spool").glob("*.ogg")), 10)
    assert stack.shown(row["room"])["recording"]["size"] > 1000


def recording_state(stack: Stack, call_id: int) -> str:
    rows = stack.rows("select state from recordings_recording where call_id = ?", call_id)
    return rows[0]["state"] if rows else ""


def test_a_journal_survives_the_death_of_the_worker(stack):
    """The worker is killed in the middle of a call while nobody takes its entries."""

    async def run():
        async with stack.call(caller="+12025550182") as call:
            await call.answered()
            await call.quiet(900)
            for process in supervise.ours(stack.home):
                with contextlib.suppress(psutil.Error):  # gone with the one before
                    if "agents.worker" in " ".join(process.cmdline()):
                        process.kill()
            await asyncio.sleep(1)

    with stack.without("web"):
        asyncio.run(run())
    stack.wait_ready("worker")
    row = stack.settled("+12025550182", 60)
    transcript = stack.shown(row["room"], 70)["transcript"]
    assert transcript[0]["text"] == demo.GREETING
    assert short_call(stack, "+12025550183") == HOURS


def test_an_emptied_redis_gets_its_trunks_and_rules_back(stack):
    from redis import Redis

    with Redis.from_url(stack.home.env["REDIS_URL"]) as redis:
        # the demo's line at least, and the one which refuses unknown numbers
        trunks, rules = redis.hlen("sip_inbound_trunk"), redis.hlen("sip_dispatch_rule")
        assert min(trunks, rules) >= 2
        redis.flushall()
        eventually(lambda: redis.hlen("sip_inbound_trunk") == trunks, 30)
        eventually(lambda: redis.hlen("sip_dispatch_rule") == rules, 30)
    stack.wait_ready()
    assert "holds what is configured" in stack.manage("synclivekit")
    assert short_call(stack, "+12025550184") == HOURS


def test_without_a_worker_the_caller_is_refused_instead_of_left_ringing(stack):
    async def run():
        async with stack.call(caller="+12025550185") as call:
            with pytest.raises(CallFailed) as failure:
                await call.answered(25)
            return failure.value.status

    with stack.without("worker"):
        assert asyncio.run(run()) == 486
    row = stack.settled("+12025550185")
    assert (row["state"], row["end_reason"]) == ("failed", "no_agent")


@pytest.mark.parametrize("part", ["livekit-sip", "livekit-server", "redis", "celery", "beat"])
def test_a_killed_part_comes_back_by_itself(stack, part):
    before = stack.pid(part)
    os.kill(before, signal.SIGKILL)
    eventually(lambda: stack.pid(part) not in {0, before}, 30)
    stack.wait_ready()
    caller = {"livekit-sip": "0", "livekit-server": "1", "redis": "2", "celery": "3", "beat": "4"}
    number = f"+1202555019{caller[part]}"
    assert short_call(stack, number) == HOURS
    assert stack.settled(number, 60)["end_reason"] == "caller"


@pytest.mark.parametrize(
    ("part", "caller"), [("livekit-sip", "+12025550171"), ("livekit-server", "+12025550172")]
)
def test_a_part_which_stands_still_for_a_moment_costs_no_call(stack, part, caller):
    """As on a machine which is paused, or a network which is away for so long."""

    async def run():
        async with stack.call(caller=caller) as call:
            await call.answered()
            await call.quiet(900)
            with stack.paused(part):
                await asyncio.sleep(STANDS_STILL_S)
            await call.quiet(900)
            heard = await stack.ask(call, "What are your opening hours?")
            await asyncio.sleep(0.3)
            return heard, call.ended_by

    assert asyncio.run(run()) == (HOURS, "")
    assert stack.settled(caller)["end_reason"] == "caller"


def test_a_forged_hook_is_refused(stack):
    request = urllib.request.Request(
        f"{stack.home.env['PUBLIC_URL']}/hooks/livekit",
        data=b'{"event": "room_finished", "id": "EV_forged"}',
        headers={"Authorization": "forged", "Content-Type": "application/webhook+json"},
    )
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=10)
    assert refusal.value.code == 401
    assert stack.rows("select 1 from telephony_inboundevent where event_id = 'EV_forged'") == []


def test_a_hook_of_50_megabytes_is_refused_unread(stack):
    import socket

    port = int(stack.home.env["WEB_PORT"])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(
            b"POST /hooks/livekit HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: x\r\n"
            b"Content-Type: application/webhook+json\r\nContent-Length: 52428800\r\n\r\n{"
        )
        assert b" 413 " in line.recv(200).split(b"\r\n")[0]


def test_workers_doors_stay_shut_without_the_token(stack):
    for path in ("plans/", "journal", "recordings"):
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(f"{stack.home.env['PUBLIC_URL']}/internal/{path}", timeout=10)
        assert refusal.value.code == 401
