"""Every way a call can end or fail to begin: one outcome each, nothing left running."""

import asyncio
import contextlib
import json
import time

import pytest

from telephony import demo
from telephony.caller.call import Call, CallFailed
from tests.e2e.stack import HOURS, SLOTS, Stack, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


def jobs(stack: Stack) -> int:
    """Calls the worker is in, by its own books."""
    path = stack.home.data / "worker" / "journal"
    return len(list(path.glob("*.jsonl")))


def all_is_quiet(stack: Stack) -> None:
    eventually(lambda: jobs(stack) == 0, 20)
    spool = stack.home.data / "worker" / "spool"
    eventually(lambda: not list(spool.glob("*")), 20)


def test_an_unknown_number_is_not_answered(stack):
    async def run():
        async with stack.call(number="+12025550999", caller="+12025550150") as call:
            begun = time.monotonic()
            with pytest.raises(CallFailed) as failure:
                await call.answered(8)
            return failure.value.status, time.monotonic() - begun

    status, seconds = asyncio.run(run())
    assert status >= 400
    assert seconds < 3
    row = stack.settled("+12025550150")
    assert (row["state"], row["end_reason"]) == ("failed", "unknown_number")
    assert row["called"] == "+12025550999"
    assert stack.rows("select * from recordings_recording where call_id = ?", row["id"]) == []


def test_a_caller_who_hangs_up_while_ringing(stack):
    async def run():
        async with stack.call(caller="+12025550151") as call:
            await asyncio.sleep(0.12)
            was_answered = "answered" in call.times
            await call.hang_up()
            return was_answered

    answered = asyncio.run(run())
    row = stack.settled("+12025550151")
    expected = "caller" if answered else "abandoned"
    assert (row["state"], row["end_reason"]) == ("ended", expected)
    recordings = stack.rows("select state from recordings_recording where call_id = ?", row["id"])
    eventually(
        lambda: {r["state"] for r in stack.rows(
            "select state from recordings_recording where call_id = ?", row["id"]
        )} <= {"skipped", "stored"},
        20,
    )  # fmt: skip
    assert len(recordings) <= 1
    all_is_quiet(stack)


def test_a_caller_who_hangs_up_during_the_greeting(stack):
    async def run():
        async with stack.call(caller="+12025550152") as call:
            await call.answered()
            await asyncio.sleep(1.2)
            await call.hang_up()
            return call.seconds

    seconds = asyncio.run(run())
    row = stack.settled("+12025550152")
    assert (row["state"], row["end_reason"]) == ("ended", "caller")
    shown = stack.shown(row["room"])
    assert shown["recording"]["state"] == "stored"
    assert shown["recording"]["duration_ms"] == pytest.approx(seconds * 1000, abs=200)
    assert [s["who"] for s in shown["transcript"]] == ["agent"]
    assert shown["transcript"][0]["interrupted"]
    all_is_quiet(stack)


def test_a_caller_who_hangs_up_while_the_bot_answers(stack):
    async def run():
        async with stack.call(caller="+12025550153") as call:
            await call.answered()
            await call.quiet(900)
            await call.press("1")
            await asyncio.sleep(1.5)
            await call.hang_up()

    asyncio.run(run())
    row = stack.settled("+12025550153")
    assert (row["state"], row["end_reason"]) == ("ended", "caller")
    texts = [s["text"] for s in stack.shown(row["room"])["transcript"]]
    assert texts[:2] == [demo.GREETING, "[1]"]
    all_is_quiet(stack)


def test_a_caller_who_vanishes_without_a_word_of_sip(stack):
    """No BYE, no more audio: the call ends, the slot is free again."""

    async def run():
        call = stack.call(caller="+12025550154")
        async with call:
            await call.answered()
            await call.quiet(900)
            call.vanish()

    asyncio.run(run())
    row = stack.settled("+12025550154", timeout_s=60)
    assert row["state"] == "ended"
    all_is_quiet(stack)


def test_the_bot_says_good_bye_and_hangs_up(stack):
    async def run():
        async with stack.call(caller="+12025550155") as call:
            await call.answered()
            await call.quiet(900)
            heard = await stack.ask(call, "Goodbye.")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(call.ended.wait(), 10)
            return heard, call.ended_by

    heard, ended_by = asyncio.run(run())
    assert heard == demo.GOODBYE
    assert ended_by == "them"
    row = stack.settled("+12025550155")
    assert (row["state"], row["end_reason"]) == ("ended", "bot")
    assert stack.shown(row["room"])["transcript"][-1]["text"] == demo.GOODBYE


def test_a_wish_for_a_person_is_noted(stack):
    async def run():
        async with stack.call(caller="+12025550156") as call:
            await call.answered()
            await call.quiet(900)
            return await stack.ask(call, "I want to speak to a person.", "slt")

    assert asyncio.run(run()) == demo.HANDOVER
    row = stack.settled("+12025550156")
    assert row["handover_requested"] == 1


def test_an_interruption_stops_the_bot_and_is_answered(stack):
    async def run():
        async with stack.call(caller="+12025550158") as call:
            await call.answered()
            await asyncio.sleep(2.5)  # in the middle of the greeting
            return await stack.ask(call, "What are your opening hours?")

    assert asyncio.run(run()) == HOURS
    lines = stack.shown(stack.settled("+12025550158")["room"])["transcript"]
    greeting = next(line for line in lines if line["via"] == "greeting")
    assert greeting["interrupted"]
    assert greeting["text"].endswith("…")  # only what was heard of it
    assert not any(line["text"] == demo.ASK_BACK for line in lines)


def test_a_second_agent_leaves_the_call_to_the_first(stack):
    """A watchdog may ask again for an agent who was only slow."""
    gateway = stack.gateway()

    async def run():
        async with stack.call(caller="+12025550159") as call:
            await call.answered()
            await call.quiet(900)
            room = eventually(lambda: stack.call_of("+12025550159").get("room"), 10)
            plan = stack.call_of("+12025550159")["plan_digest"]
            metadata = json.dumps({"plan": plan})
            await asyncio.to_thread(gateway.create_dispatch, room=room, metadata=metadata)
            asked = time.monotonic()
            await asyncio.sleep(4)  # time to come, and to greet if it stayed
            spoken = call.first_speech_after(asked)
            people = await asyncio.to_thread(gateway.list_participants, room=room)
            heard = await stack.ask(call, "What are your opening hours?")
            return spoken, [who.kind for who in people], heard

    spoken, kinds, heard = asyncio.run(run())
    assert spoken is None
    assert sorted(kinds) == ["agent", "sip"]
    assert heard == HOURS
    row = stack.settled("+12025550159")
    journals = stack.rows(
        "select distinct journal from recordings_journalentry where call_id = ?", row["id"]
    )
    assert len(journals) == 1


def test_calls_beyond_the_slots_are_refused_at_once(stack):
    all_is_quiet(stack)

    async def run():
        async with contextlib.AsyncExitStack() as calls:
            placed: list[Call] = []
            for index in range(SLOTS):
                call = stack.call(caller=f"+1202555016{index}")
                placed.append(await calls.enter_async_context(call))
            await asyncio.gather(*(call.answered(15) for call in placed))
            begun = time.monotonic()
            async with stack.call(caller="+12025550169") as beyond:
                with pytest.raises(CallFailed) as failure:
                    await beyond.answered(15)
            refused_after = time.monotonic() - begun
            return failure.value.status, refused_after

    status, seconds = asyncio.run(run())
    assert status == 486
    assert seconds < 10  # not left ringing; how fast exactly is the benchmark's business
    row = stack.settled("+12025550169")
    assert (row["state"], row["end_reason"]) == ("failed", "refused")
    for index in range(SLOTS):
        assert stack.settled(f"+1202555016{index}")["end_reason"] == "caller"
    all_is_quiet(stack)


def test_after_all_that_a_call_is_answered(stack):
    async def run():
        async with stack.call(caller="+12025550170") as call:
            await call.answered()
            await call.quiet(900)
            return stack.ears.line(call.heard_since(call.times["answered"]))

    assert asyncio.run(run()) == demo.GREETING
    row = stack.settled("+12025550170")
    entries = stack.rows(
        "select data from recordings_journalentry where call_id = ? and kind = 'error'", row["id"]
    )
    assert [json.loads(entry["data"]) for entry in entries] == []
