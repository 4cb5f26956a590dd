"""One ordinary call, from INVITE to the page a supervisor reads."""

import asyncio
import json
import subprocess
import time
import urllib.error
import urllib.request

import numpy as np
import pytest

from telephony import demo
from tests.e2e.ears import Ears, stretches
from tests.e2e.stack import HOURS, RENT, REPAIR, Stack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

CALLER = "+12025550142"
QUESTIONS = ["What are your opening hours?", "Can I rent a bike?"]


@pytest.fixture(scope="module")
def talk(stack: Stack) -> dict:
    """A call in which two questions are asked and key 2 is pressed; what was heard, and when."""

    async def run() -> dict:
        async with stack.call(caller=CALLER) as call:
            await call.answered()
            await call.quiet(900)
            greeting = stack.ears.line(call.heard_since(call.times["answered"]))
            answers = [await stack.ask(call, QUESTIONS[0], "rms")]
            answers.append(await stack.ask(call, QUESTIONS[1], "slt"))
            await call.press("2")
            answers.append(await stack.reply(call, time.monotonic() - 0.2))
            await asyncio.sleep(0.5)
            await call.hang_up()
            return {"greeting": greeting, "answers": answers, "seconds": call.seconds}

    heard = asyncio.run(run())
    row = stack.settled(CALLER)
    return heard | {"row": row, "shown": stack.shown(row["room"])}


def test_the_caller_hears_the_greeting(talk):
    assert talk["greeting"] == demo.GREETING


def test_the_caller_hears_the_answer_to_each_question_and_key(talk):
    assert talk["answers"] == [HOURS, RENT, REPAIR]


def test_the_call_has_one_final_state_and_its_reason(talk):
    row = talk["row"]
    assert (row["state"], row["end_reason"]) == ("ended", "caller")
    assert row["called"].lstrip("+") == demo.NUMBER.lstrip("+")
    assert row["plan_digest"]
    assert row["answered_at"]


def test_the_journal_is_complete_and_in_order(stack, talk):
    entries = stack.rows(
        "select n, kind, data from recordings_journalentry where call_id = ? order by n",
        talk["row"]["id"],
    )
    assert [entry["n"] for entry in entries] == list(range(len(entries)))
    kinds = [entry["kind"] for entry in entries]
    assert kinds[0] == "opened"
    assert kinds[-1] == "closed"
    assert {"answered", "turn", "dtmf", "recording"} <= set(kinds)
    assert [json.loads(e["data"])["digit"] for e in entries if e["kind"] == "dtmf"] == ["2"]


def test_the_transcript_has_what_was_said_by_both(talk):
    lines = [(s["who"], s["text"]) for s in talk["shown"]["transcript"]]
    assert lines == [
        ("agent", demo.GREETING),
        ("caller", QUESTIONS[0]),
        ("agent", HOURS),
        ("caller", QUESTIONS[1]),
        ("agent", RENT),
        ("caller", "[2]"),
        ("agent", REPAIR),
    ]


def test_each_answer_has_its_latency(talk):
    answers = [s for s in talk["shown"]["transcript"] if s["text"] in {HOURS, RENT}]
    assert [answer["latency"].get("total", 0) > 0 for answer in answers] == [True, True]


@pytest.fixture(scope="module")
def sound(talk) -> np.ndarray:
    """The stored recording at 16 kHz, one column a channel."""
    with urllib.request.urlopen(talk["shown"]["recording"]["url"], timeout=10) as answer:
        data = answer.read()
    pcm = subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-i", "-", "-ar", "16000", "-f", "s16le", "-"],
        input=data, capture_output=True, check=True,
    ).stdout  # fmt: skip
    return np.frombuffer(pcm, np.int16).reshape(-1, 2)


def test_the_recording_is_as_long_as_the_call(talk, sound):
    recording = talk["shown"]["recording"]
    assert recording["state"] == "stored"
    assert recording["duration_ms"] == pytest.approx(talk["seconds"] * 1000, abs=200)
    assert len(sound) / 16 == pytest.approx(recording["duration_ms"], abs=100)


def test_the_caller_is_left_and_the_bot_right(stack, sound):
    left, right = sound[:, 0], sound[:, 1]
    bot = [stack.ears.line(right[a:b], 16000) for a, b in stretches(right, 16000)]
    assert bot == [demo.GREETING, HOURS, RENT, REPAIR]
    ears = Ears([*QUESTIONS, "Where is my order?", "I want my money back"])
    caller = [ears.line(left[a:b], 16000) for a, b in stretches(left, 16000)]
    assert [line for line in caller if line] == QUESTIONS


def test_a_transcript_line_lies_where_its_sound_is(talk, sound):
    """What the page plays when a line is clicked."""
    starts_ms = talk["shown"]["recording"]["starts_ms"]
    begins = [a / 16 for a, _ in stretches(sound[:, 1], 16000)]
    lines = [s for s in talk["shown"]["transcript"] if s["who"] == "agent"]
    assert len(lines) == len(begins)
    for line, begin in zip(lines, begins, strict=True):
        assert line["start_ms"] - starts_ms == pytest.approx(begin, abs=350)


def test_the_playable_link_is_refused_after_tampering(talk):
    url = talk["shown"]["recording"]["url"].replace(".ogg?", ".oga?")
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(url, timeout=10)
    assert refusal.value.code == 403


def test_logs_carry_no_words_and_no_numbers(stack, talk):
    logs = {p.name: p.read_text() for p in (stack.home.logs).glob("*.log")}
    ours = {name: logs[name] for name in ("worker.log", "celery.log", "web.log", "beat.log")}
    for name, text in ours.items():
        for private in (CALLER, "opening hours", "rent a bike", "Monday to Friday"):
            assert private not in text, f"{private!r} in {name}"


def test_no_secret_is_in_a_log(stack, talk):
    names = ("LIVEKIT_API_SECRET", "SEAL_KEY", "WORKER_TOKEN", "S3_SECRET_KEY", "SECRET_KEY")
    secrets = [stack.home.env[name] for name in names]
    for path in stack.home.logs.glob("*.log"):
        text = path.read_text()
        assert [secret for secret in secrets if secret in text] == [], path.name
