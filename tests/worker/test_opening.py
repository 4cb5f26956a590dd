"""The first words of a call we made, with the real pipeline."""

import asyncio
from typing import Any

import numpy as np
import pytest
from livekit import rtc

from agents.order import Order
from agents.plan import Vad
from agents.worker.line import RATE
from agents.worker.opening import Opening
from tests.fakes.desk import wait_until
from tests.worker.plan import a_plan
from tests.worker.talking import PIECE, Talk, talking
from tests.worker.test_answered_by import MAILBOX, beep

pytestmark = pytest.mark.worker


def an_order(**values: Any) -> Order:
    return Order(id=1, to="+12025550123", trunk="ST_1", caller_id="+12025550100",
                 identity="callee_1", **values)  # fmt: skip


async def play(talk: Talk, sound: np.ndarray) -> None:
    for start in range(0, len(sound) - PIECE + 1, PIECE):
        talk.ear.hear(rtc.AudioFrame(sound[start : start + PIECE].tobytes(), RATE, 1, PIECE))
        await asyncio.sleep(0.019)


def opened(talk: Talk, order: Order) -> asyncio.Task[None]:
    assert talk.call.bot
    return asyncio.create_task(Opening(order, talk.call.bot, talk.ear, talk.book).run())


def verdicts(talk: Talk) -> list[tuple[str, str]]:
    return [(e.data["verdict"], e.data["action"]) for e in talk.entries("answered_by")]


async def test_a_person_is_greeted_by_name_after_his_hello(tmp_path):
    async with talking(a_plan(), tmp_path, greet=False) as talk:
        opening = opened(talk, an_order(greeting="Hello {name}.", variables={"name": "Ann"}))
        await talk.says("Hello?", then_quiet_s=1.5)
        await opening
        await wait_until(lambda: talk.said("agent"))
        assert talk.said("agent") == ["Hello Ann."]
        assert verdicts(talk) == [("human", "talk")]
        await talk.says("What are your opening hours?")
        await wait_until(lambda: len(talk.said("agent")) > 1)
        assert "nine to six" in talk.said("agent")[1]


async def test_a_hello_whose_turn_ends_late_does_not_cut_the_greeting(tmp_path):
    """A patient detector ends his turn only after it is known that he is a person."""
    plan = a_plan(vad=Vad(min_silence_ms=900))
    async with talking(plan, tmp_path, greet=False) as talk:
        opening = opened(talk, an_order(greeting="Hello, this is Northwind, may I ask something?"))
        await talk.says("Hello?", then_quiet_s=5)
        await opening
        await wait_until(lambda: talk.said("agent"))
        assert talk.said("agent") == ["Hello, this is Northwind, may I ask something?"]
        await talk.says("What are your opening hours?", then_quiet_s=3)
        await wait_until(lambda: len(talk.said("agent")) > 1)
        assert "nine to six" in talk.said("agent")[1]


async def test_whoever_speaks_into_the_greeting_is_heard(tmp_path):
    greeting = "Hello, this is Northwind, and we have so very much to tell you today, so listen."
    async with talking(a_plan(), tmp_path, greet=False) as talk:
        opening = opened(talk, an_order(greeting=greeting))
        await talk.says("Hello?", then_quiet_s=1.5)
        await talk.says("What are your opening hours?", then_quiet_s=3)
        await opening
        await wait_until(lambda: len(talk.said("agent")) > 1)
        cut, answer = (entry.data for entry in talk.entries("turn") if entry.data["who"] == "agent")
        assert cut["interrupted"]
        assert "nine to six" in answer["text"]


async def test_a_key_pressed_into_the_greeting_is_answered(tmp_path):
    greeting = "Hello, this is Northwind, and we have so very much to tell you today, so listen."
    async with talking(a_plan(), tmp_path, greet=False) as talk:
        opening = opened(talk, an_order(greeting=greeting))
        await talk.says("Hello?", then_quiet_s=1.5)
        assert talk.call.bot
        talk.call.bot.digit("1")
        await opening
        await wait_until(lambda: len(talk.said("agent")) > 1)
        assert "nine to six" in talk.said("agent")[1]


async def test_nobody_speaks_before_it_is_known_who_answered(tmp_path):
    async with talking(a_plan(), tmp_path, greet=False) as talk:
        opening = opened(talk, an_order(on_voicemail="hang_up"))
        await talk.says(MAILBOX, then_quiet_s=2.5)
        await opening
        await wait_until(lambda: talk.ended)
        assert talk.said("agent") == []
        assert verdicts(talk) == [("voicemail", "hang_up")]
        assert talk.ended == ["machine"]


async def test_the_message_is_left_after_the_beep(tmp_path):
    async with talking(a_plan(), tmp_path, greet=False) as talk:
        order = an_order(on_voicemail="message", message="Please call us back.")
        opening = opened(talk, order)
        await talk.says(MAILBOX, then_quiet_s=0.3)
        assert talk.said("agent") == []
        await play(talk, np.concatenate([beep(), np.zeros(RATE, np.int16)]))
        await opening
        await wait_until(lambda: talk.ended)
        assert talk.said("agent") == ["Please call us back."]
        assert verdicts(talk) == [("voicemail", "message")]


async def test_a_screener_is_told_who_calls_and_the_person_is_greeted(tmp_path):
    async with talking(a_plan(), tmp_path, greet=False) as talk:
        order = an_order(who_calls="This is Northwind.", greeting="Good day.")
        assert talk.call.bot
        opening = Opening(order, talk.call.bot, talk.ear, talk.book)
        running = asyncio.create_task(opening.run())
        speaking = asyncio.create_task(talk.says(MAILBOX, then_quiet_s=4))
        await asyncio.sleep(1)
        # the embedded recogniser knows the plan's phrases only; another would tell these words
        opening.read("please record your name and reason for calling")
        await speaking
        await wait_until(lambda: talk.said("agent"))
        await talk.says("Hello?", then_quiet_s=1.5)
        await running
        await wait_until(lambda: len(talk.said("agent")) == 2)
        assert talk.said("agent") == ["This is Northwind.", "Good day."]
        assert verdicts(talk) == [("screening", "say_who"), ("human", "talk")]


async def test_without_detection_the_greeting_comes_at_once(tmp_path):
    async with talking(a_plan(), tmp_path, greet=False) as talk:
        await opened(talk, an_order(detect=False))
        await wait_until(lambda: talk.said("agent"))
        assert talk.said("agent") == ["Welcome to Northwind."]
        assert verdicts(talk) == []
