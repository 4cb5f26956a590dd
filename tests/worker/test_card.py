"""A payment card in whole conversations: nobody and nothing but the tokeniser learns it."""

import asyncio
import logging
import re
import shutil
import threading
import time

import numpy as np
import pytest
from livekit import rtc

from agents.card import CardWords, Tokeniser
from agents.menus import Menu, Option, Page, Purpose
from agents.seal import seal
from agents.worker import prepare, tokeniser
from agents.worker.card_steps import Card
from agents.worker.keypad import LATE_S
from agents.worker.recorder import FROM_CALLER_S, HOLD_S, Recorder
from agents.worker.tokeniser import Token, TokeniserFailed
from tests.fakes.desk import wait_until
from tests.fakes.tokeniser import SECRET, FakeTokeniser
from tests.worker.engines import SEAL
from tests.worker.talking import light, talking
from tests.worker.test_recorder import channels

pytestmark = pytest.mark.worker

AMEX, EXPIRY, CODE = "378282246310005", "1235", "7391"
START, NUMBER, THANKS = "For a payment press four.", "Your card number.", "Thank you for that."
FAILED = "Sorry, that did not work."
WORDS = CardWords(
    expiry="Its expiry.", code="Its code.", wrong="Wrong.", wait="A moment.", done=THANKS,
    failed=FAILED,
)  # fmt: skip
MENU = Menu(
    pages=(
        Page(name="start", announcement=START, timeout_s=60, options=(
            Option(digit="4", does="collect", purpose="pay"),
            Option(digit="7", does="answer", says="Seven."),
        )),
    ),
    invalid="No such key.",
)  # fmt: skip


def paying(url: str = "", **changes):
    keeps = Tokeniser(url=url, sealed_secret=seal(SECRET, keys=SEAL)) if url else None
    purposes = (Purpose(key="pay", ask=NUMBER, card=True),)
    return light(
        **{"menu": MENU, "purposes": purposes, "card": WORDS, "tokeniser": keeps} | changes
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Its sentences are spoken once for all tests."""
    folder = tmp_path_factory.mktemp("plan")
    asyncio.run(prepare.prepare(paying(), folder, seal_keys=SEAL))
    return folder


@pytest.fixture
def folder(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return tmp_path


async def said(talk, text, times=1):
    await wait_until(lambda: talk.said("agent").count(text) >= times, timeout_s=15)


def wired(talk, plan, *, hosts=("127.0.0.1",)):
    """As the cast does it."""
    talk.call.bot.tokenise = lambda card, purpose: tokeniser.ask(
        plan.tokeniser, card, call="call_1", purpose=purpose, hosts=hosts, seal_keys=SEAL
    )
    return talk.call.bot


async def pay(talk, bot, code=CODE):
    bot.digit("4")
    await said(talk, NUMBER)
    for key in AMEX:
        bot.digit(key)
    await said(talk, "Its expiry.")
    for key in EXPIRY:
        bot.digit(key)
    await said(talk, "Its code.")
    for key in code:
        bot.digit(key)


def noise(samples=320):
    return rtc.AudioFrame(
        (np.arange(samples) % 40 * 300 - 5850).astype(np.int16).tobytes(), 16_000, 1, samples
    )


async def babble(ear):
    """The caller reads his card aloud, as people do."""
    while True:
        ear.hear(noise())
        await asyncio.sleep(0.02)


async def test_a_card_becomes_a_token_and_is_found_nowhere(folder, caplog):
    caplog.set_level(logging.DEBUG)
    async with FakeTokeniser() as keeper:
        plan = paying(keeper.url)
        async with talking(plan, folder) as talk:
            bot = wired(talk, plan)
            began = time.monotonic()
            recorder = Recorder(folder / "call.ogg", began=began)
            talk.ear.tap = recorder
            bot.pauses.attach(recorder)
            talking_on = asyncio.create_task(babble(talk.ear))
            await wait_until(lambda: START in talk.said("agent"), timeout_s=15)
            await asyncio.sleep(HOLD_S)
            paused_at = time.monotonic() - began
            await pay(talk, bot)
            assert talk.ear.deaf
            await said(talk, THANKS)
            ended_at = time.monotonic() - began
            talking_on.cancel()
            await asyncio.to_thread(recorder.close, time.monotonic())
            (tool,) = talk.entries("tool")
            marks = [entry.data for entry in talk.entries("pause")]
            spans = [entry.ms for entry in talk.entries("pause")]
            keys = [entry.data["digit"] for entry in talk.entries("dtmf")]
            context = str(bot.session.history.to_dict())
            variables = dict(bot.keypad.variables.public)
    assert [told["number"] for told in keeper.taken.values()] == [AMEX]
    (told,) = keeper.taken.values()
    assert {name: told[name] for name in ("expiry", "code", "call", "purpose")} == {
        "expiry": EXPIRY, "code": CODE, "call": "call_1", "purpose": "pay",
    }  # fmt: skip
    assert tool.data == {
        "name": "collect_card", "outcome": "visa ending in 0005", "purpose": "pay",
        "token": "tok_7f3a", "last4": "0005", "brand": "visa",
    }  # fmt: skip
    assert variables == {"pay": "tok_7f3a", "pay_last4": "0005", "pay_brand": "visa"}
    assert marks == [
        {"what": what, "why": "card", "by": "pay"} for what in ("begin", "end")
    ]  # fmt: skip
    assert spans[1] > spans[0]
    assert keys == ["4"]  # before; not even how many there were
    assert talk.said("caller") == []

    # --- the canary
    texts = [context, caplog.text, repr(bot.keypad.variables)]
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert folder / "call.ogg" in files
    for text in [*texts, *(path.read_bytes().decode("latin-1") for path in files)]:
        assert AMEX not in text
    for text in [*texts, talk.book.path.read_text()]:
        assert not re.search(rf"(?<![\d.]){CODE}(?![\d.])", re.sub(r'"(ms|\w+_ms)":\d+', "", text))

    # --- the sound
    (left, _), rate = channels(folder / "call.ogg")
    low, high = round((paused_at + 0.25) * rate), round((ended_at - 3.0) * rate)
    assert np.abs(left[: round((paused_at - FROM_CALLER_S - 0.1) * rate)]).max() > 0.05
    assert np.abs(left[low:high]).max() < 0.003


async def test_samples_of_a_pause_are_zero_before_they_are_encoded(tmp_path, monkeypatch):
    blocks = []
    import av

    class Seen:
        def __getattr__(self, name):
            return getattr(av.AudioFrame, name)

        @staticmethod
        def from_ndarray(block, **how):
            blocks.append((threading.get_ident(), block.reshape(-1, 2).copy()))
            return av.AudioFrame.from_ndarray(block, **how)

    began = time.monotonic() + 600  # nothing is written before it is closed
    recorder = Recorder(tmp_path / "a.ogg", began=began)
    monkeypatch.setattr(
        "agents.worker.recorder.av", type("Av", (), {"AudioFrame": Seen(), "open": av.open})
    )
    loud = np.full(16_000 * 3, 9000, dtype=np.int16)
    recorder.caller(began, loud)
    recorder.agent(began, loud)
    recorder.pause(began + 1.0)
    recorder.resume(began + 2.0)
    await asyncio.to_thread(recorder.close, began + 3.0)
    mine = recorder._thread.ident  # others may not have come to their end
    samples = np.concatenate([block for thread, block in blocks if thread == mine])
    silent = slice(round((1.0 - FROM_CALLER_S) * 16_000), 2 * 16_000)
    assert len(samples) == 3 * 16_000
    assert not samples[silent].any()
    assert (samples[: silent.start - 3200, 0] == 9000).all()
    assert (samples[silent.stop + 3200 : 45_000, 1] == 9000).all()


async def test_a_failure_is_said_politely_and_the_call_goes_on(folder):
    async with FakeTokeniser() as keeper:
        keeper.status = 400
        plan = paying(keeper.url)
        async with talking(plan, folder) as talk:
            bot = wired(talk, plan)
            await pay(talk, bot)
            await wait_until(lambda: talk.said("agent")[-2:] == [FAILED, START], timeout_s=20)
            (tool,) = talk.entries("tool")
            assert tool.data["outcome"] == "no card: the tokeniser answered with status 400"
            assert not bot.pauses.is_on
            assert AMEX not in talk.book.path.read_text()
            await asyncio.sleep(LATE_S)  # keys right after a card are still the card's
            bot.digit("7")
            await said(talk, "Seven.")


def a_card():
    return Card(*(bytearray(part.encode()) for part in (AMEX, EXPIRY, CODE)))


async def given(url, **changes):
    """To the tokeniser, as the cast does it."""
    how = {"call": "c", "purpose": "pay", "hosts": ("127.0.0.1",), "seal_keys": SEAL} | changes
    secret = seal(SECRET, keys=SEAL)
    at = Tokeniser(url=url, sealed_secret=secret, limit_ms=2000) if url else None
    return await tokeniser.ask(at, a_card(), **how)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"says": {"token": AMEX}}, "what is no token"),
        ({"says": {"token": f"tok-{AMEX}"}}, "what is no token"),
        ({"says": {"token": "4111111111111111"}}, "what is no token"),
        ({"says": {"token": "<script>"}}, "what is no token"),
        ({"says": {"nothing": 1}}, "without a token"),
        ({"says": {"token": "t" * 5000}}, "without a token"),
        ({"fails": 9}, "status 503"),
        ({"status": 302}, "status 302"),
    ],
)
async def test_what_is_no_token_is_a_failure_in_words_without_the_card(changes, why):
    async with FakeTokeniser() as keeper:
        for name, value in changes.items():
            setattr(keeper, name, value)
        with pytest.raises(TokeniserFailed, match=why) as failure:
            await given(keeper.url)
    assert AMEX not in str(failure.value)
    assert failure.value.__cause__ is None


async def test_a_tokeniser_which_says_no_brand_gets_ours():
    async with FakeTokeniser() as keeper:
        keeper.says = {"token": "tok_1", "brand": AMEX}
        assert await given(keeper.url) == Token(
            token="tok_1", last4="0005", brand="american express"
        )  # fmt: skip


async def test_an_answer_which_got_lost_is_asked_for_again_with_the_same_key():
    async with FakeTokeniser() as keeper:
        keeper.fails = 1
        assert (await given(keeper.url)).token == "tok_7f3a"
    assert keeper.asked == 2
    assert len(keeper.taken) == 1


@pytest.mark.parametrize(
    ("url", "hosts", "why"),
    [
        ("https://cards.example/x", (), "not in TOKENISER_HOSTS"),
        ("http://cards.example/x", ("cards.example",), "not https"),
        ("", (), "names no tokeniser"),
        ("http://127.0.0.1:9/x", ("127.0.0.1",), "not reached"),
    ],
)
async def test_a_card_goes_only_where_an_operator_allowed_it(url, hosts, why):
    with pytest.raises(TokeniserFailed, match=why):
        await given(url, hosts=hosts)


async def test_where_the_recording_cannot_be_paused_no_digit_is_asked_for(folder):
    async def refuses(what):
        return False

    plan = paying("http://127.0.0.1:9/cards")
    async with talking(plan, folder) as talk:
        bot = wired(talk, plan)
        bot.pauses.egress = refuses
        bot.digit("4")
        for key in AMEX:  # who knows the way types ahead
            bot.digit(key)
        await said(talk, FAILED)
        assert NUMBER not in talk.said("agent")
        assert talk.entries("tool")[0].data["outcome"] == (
            "no card: the recording could not be paused"
        )
        assert talk.entries("error")[0].data["what"] == "pause"
        assert [entry.data["digit"] for entry in talk.entries("dtmf")] == ["4"]


async def test_a_hangup_in_the_middle_leaves_nothing(folder):
    plan = paying("http://127.0.0.1:9/cards")
    async with talking(plan, folder) as talk:
        bot = wired(talk, plan)
        bot.digit("4")
        await said(talk, NUMBER)
        for key in AMEX[:9]:
            bot.digit(key)
        held = bot.keypad._collector.card.number
        assert held == AMEX[:9].encode()
        bot.stop()
        bot.pauses.close()
        assert held == b""
        assert [entry.data["what"] for entry in talk.entries("pause")] == ["begin", "end"]
        assert AMEX[:9] not in talk.book.path.read_text()
