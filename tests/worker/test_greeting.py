"""What is known of a caller: in the greeting, and in what a model is told. And the mailbox."""

import asyncio
from typing import cast

import pytest
from livekit.agents import llm

from agents.entrance import Decision, filled
from agents.worker.line import Mouth
from agents.worker.mailbox import Mailbox
from agents.worker.prepared import texts_of
from agents.worker.prompt import knowing
from tests.fakes.desk import wait_until
from tests.worker.plan import a_plan
from tests.worker.talking import Talk, talking

pytestmark = pytest.mark.worker

PLACE = "Welcome, {name|dear caller}."


def test_the_greeting_without_a_name_is_the_one_made_in_advance():
    assert texts_of(a_plan(greeting=PLACE))[0] == "Welcome, dear caller."
    assert texts_of(a_plan())[0] == a_plan().greeting


def test_what_is_known_stands_behind_the_instructions():
    talk = llm.ChatContext.empty()
    talk.add_message(role="system", content="Help.")
    talk.add_message(role="user", content="Hello?")
    told = knowing(talk, {"name": "Ada"})
    said = [(m.role, m.text_content or "") for m in told.messages()]
    assert [role for role, _ in said] == ["system", "system", "user"]
    assert 'name: "Ada"' in said[1][1]
    assert len(talk.items) == 2  # the conversation itself stays as it was
    assert knowing(talk, {}) is talk


async def test_a_place_in_the_greeting_is_spoken_with_its_default(tmp_path):
    async with talking(a_plan(greeting=PLACE), tmp_path) as talk:
        assert talk.said("agent") == [filled(PLACE, {})]
        assert talk.entries("turn")[0].data["via"] == "greeting"


class Line:
    """A mouth which is always done."""

    def __init__(self):
        self.filled = 0

    def fill(self, sound):
        self.filled += 1
        return True

    async def drained(self):
        pass


def mailbox(talk: Talk, line: Line, decision: Decision) -> Mailbox:
    assert talk.call.bot
    return Mailbox(talk.call.bot, cast(Mouth, line), decision)


async def test_a_caller_who_says_nothing_has_left_no_message(tmp_path, monkeypatch):
    monkeypatch.setattr("agents.worker.mailbox.BEGIN_S", 0.3)
    decision = Decision(action="voicemail", reason="closed", words="Speak now.")
    async with talking(a_plan(), tmp_path) as talk:
        box = mailbox(talk, Line(), decision)
        async with asyncio.timeout(20):
            assert await box.take() == "closed"
        assert talk.said("agent")[-1] == "Speak now."


async def test_a_message_is_taken_down_and_not_answered(tmp_path):
    decision = Decision(action="voicemail", reason="closed", words="Speak now.", silence_s=2)
    async with talking(a_plan(), tmp_path) as talk:
        line = Line()
        box = mailbox(talk, line, decision)
        talk.call.hush()
        taking = asyncio.create_task(box.take())
        await wait_until(lambda: line.filled, timeout_s=20)
        await talk.says("What are your opening hours?", then_quiet_s=3.0)
        async with asyncio.timeout(20):
            assert await taking == "voicemail"
        assert talk.said("caller") == ["What are your opening hours?"]
        assert talk.said("agent")[-1] == "Speak now."
        assert box.reason("caller") == "voicemail"
