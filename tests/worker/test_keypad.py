"""Keys in whole conversations: the real pipeline, a menu, digits, a secret."""

import asyncio
from dataclasses import replace

import pytest
from livekit.agents.utils import http_context

from agents.menus import MASK, Menu, Option, Page, Purpose
from agents.plan import Stage
from agents.seal import seal
from tests.emulators.core import Script
from tests.emulators.server import Emulators
from tests.fakes.desk import wait_until
from tests.worker.engines import AT, SEAL
from tests.worker.plan import a_plan
from tests.worker.talking import talking

pytestmark = pytest.mark.worker

START, SERVICE = "For our hours press one, for service press two.", "This is the service."
HOURS, ASK_PIN = "We open at nine.", "Your PIN, please."
MENU = Menu(
    pages=(
        Page(name="start", announcement=START, timeout_s=1, repeats=1, then="end", options=(
            Option(digit="1", does="answer", says=HOURS, menu="service"),
            Option(digit="2", does="menu", menu="service", names=("opening hours",)),
            Option(digit="4", does="collect", purpose="pin", menu="service"),
            Option(digit="5", does="collect", purpose="order", menu="service"),
        )),
        Page(name="service", announcement=SERVICE, timeout_s=60),
    ),
    invalid="No such key.",
)  # fmt: skip
PURPOSES = (
    Purpose(key="pin", ask=ASK_PIN, least=4, most=4, secret=True),
    Purpose(key="order", ask="Your order, please.", least=2, most=8),
)


def keyed(**changes):
    return a_plan(**{"menu": MENU, "purposes": PURPOSES} | changes)


async def said(talk, text):
    await wait_until(lambda: text in talk.said("agent"))


def bot_of(talk):
    assert talk.call.bot
    return talk.call.bot


def journal_of(talk):
    return talk.book.path.read_text()


async def test_a_key_interrupts_the_announcement_and_leads_on(tmp_path):
    async with talking(keyed(), tmp_path) as talk:
        bot = bot_of(talk)
        await asyncio.sleep(0.6)  # in the middle of the first announcement
        bot.digit("1")
        await said(talk, SERVICE)
        turns = [(e.data["text"], e.data["interrupted"]) for e in talk.entries("turn")]
    assert turns[0][0] == "Welcome to Northwind."
    assert turns[1][1]  # cut, not said to its end
    assert [text for text, _ in turns[2:]] == [HOURS, SERVICE]


async def test_nobody_presses_anything(tmp_path):
    async with talking(keyed(), tmp_path) as talk:
        await wait_until(lambda: talk.ended == ["bot"], timeout_s=20)
        assert talk.said("agent") == ["Welcome to Northwind.", START, START, "Goodbye."]


async def test_a_secret_stays_with_us(tmp_path):
    async with talking(keyed(), tmp_path) as talk:
        bot = bot_of(talk)
        bot.digit("4")
        await said(talk, ASK_PIN)
        assert talk.ear.deaf  # nor does a recogniser hear a PIN which is spoken
        for key in "4711":
            bot.digit(key)
        bot.digit("#")
        await said(talk, SERVICE)
        assert bot.keypad.variables.secret == {"pin": "4711"}
        assert bot.keypad.variables.public == {}
        assert [e.data["digit"] for e in talk.entries("dtmf")] == ["4", *MASK * 5]
        (entry,) = talk.entries("tool")
        context = bot_of(talk).session.history.to_dict()
    assert entry.data == {"name": "collect_digits", "outcome": "4 digits", "purpose": "pin"}
    assert "4711" not in journal_of(talk)
    assert "4711" not in str(context)
    assert "4711" not in repr(bot.keypad.variables)


async def test_other_digits_become_a_variable_and_are_in_the_journal(tmp_path):
    async with talking(keyed(), tmp_path) as talk:
        bot = bot_of(talk)
        bot.digit("5")
        for key in "12*345#":
            bot.digit(key)
        await said(talk, SERVICE)
        assert bot.keypad.variables.public == {"order": "345"}
        assert talk.entries("tool")[0].data["value"] == "345"


async def test_a_menu_of_keys_hears_no_words_and_one_with_speech_does(tmp_path):
    async with talking(keyed(), tmp_path / "a") as talk:
        assert talk.ear.deaf
    plan = keyed(menu=replace(MENU, speech=True))
    async with talking(plan, tmp_path / "b") as talk:
        assert not talk.ear.deaf
        await talk.says("Opening hours")
        await said(talk, SERVICE)
        assert talk.said("caller") == ["opening hours"]
        assert talk.entries("tool")[0].data == {"name": "choose_from_menu", "outcome": "done"}


async def test_a_model_asks_for_digits_which_the_project_defines(tmp_path):
    wish = "What are your opening hours?"
    asks = {wish: {"tool": "collect_digits", "arguments": {"purpose": "order"}}}
    script = Script.of([wish], {wish: "Thank you."}, tools=asks)
    async with Emulators("zero", script) as emulators, http_context.open():
        stages = {
            role: (
                Stage(
                    provider=slug, options={"base_url": emulators.base + AT[slug]},
                    sealed_key=seal("k-test", keys=SEAL),
                ),
            )
            for role, slug in {"stt": "deepgram-stt", "llm": "openai-llm"}.items()
        }  # fmt: skip
        plan = keyed(menu=None, faq=(), **stages)
        async with talking(plan, tmp_path) as talk:
            await talk.says(wish)
            await said(talk, "Your order, please.")
            for key in "4242#":
                bot_of(talk).digit(key)
            await wait_until(lambda: talk.entries("tool"))
            await wait_until(lambda: len(talk.said("agent")) == 3)
            context = str(bot_of(talk).session.history.to_dict())
    assert bot_of(talk).keypad.variables.public == {"order": "4242"}
    assert "The caller entered 4242." in context
    assert journal_of(talk).count("collect_digits") == 1
