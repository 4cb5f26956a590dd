"""Consent and a payment card on real calls: who refuses is not recorded, and a card is nowhere."""

import asyncio
import json
import re
import subprocess
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from telephony.caller.call import Call
from telephony.caller.speech import speak
from tests.contract.servers import free_port
from tests.e2e.ears import Ears
from tests.e2e.stack import Stack, eventually
from tests.fakes.tokeniser import SECRET, FakeTokeniser

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

NUMBER = "+12025550145"
PAYING, REFUSING = "+12025550146", "+12025550147"
AMEX, EXPIRY, CODE = "378282246310005", "1235", "7391"
KEY_S = 0.1
QUESTION, REFUSED = "May we keep a recording?", "We keep nothing of this call."
GREETING, START = "Welcome to the opera house.", "To pay for your tickets press four."
ASK_CARD, ASK_EXPIRY = "Please type the number of your card.", "When does it run out?"
ASK_CODE, WAIT = "And the three letters on its back.", "Just a moment."
DONE, FAILED = "The seats are yours.", "That did not work out."
LINES = [
    QUESTION, f"{REFUSED} {GREETING} {START}", f"{GREETING} {START}", ASK_CARD, ASK_EXPIRY,
    ASK_CODE, f"{WAIT} {DONE} {START}", f"{DONE} {START}", f"{FAILED} {START}", START,
]  # fmt: skip
# runs inside the product: there is no other way to its database than its own models
SETTING_UP = """
import json
from django.conf import settings
from django.utils import timezone
from agents import seal
from agents.models import ChainMember, DigitPurpose, MenuOption, MenuPage, Project, ProviderAccount
from agents.services import publish
from telephony.models import DispatchRule, Number, Trunk
facts = json.loads({facts!r})
project = Project.objects.create(
    slug="opera", name="Opera", silence_s=60, kind="menu", mode="local", vad_preset="fast_qa",
    turn_detector="v1-mini", consent="question", recorder="worker",
    sealed_tokeniser_secret=seal.seal(facts["secret"], keys=settings.SEAL_KEYS), **facts["texts"])
for role, provider in (("stt", "sphinx"), ("llm", "faq"), ("tts", "flite")):
    account = ProviderAccount.objects.filter(provider=provider).first()
    ChainMember.objects.create(project=project, role=role, account=account)
project.faq.create(question="When are you open?", answer="We are open from nine to six.")
pay = DigitPurpose.objects.create(project=project, key="pay", ask=facts["ask"], card=True)
start = MenuPage.objects.create(
    project=project, name="start", announcement=facts["start"], timeout_s=60)
MenuOption.objects.create(page=start, digit="4", does="collect", purpose=pay)
publish(project_id=project.pk, by="tests", now=timezone.now())
trunk = Trunk.objects.create(name="opera", allowed_addresses=["127.0.0.1/32"])
Number.objects.create(e164=facts["number"], trunk=trunk)
rule = DispatchRule.objects.create(name="opera", project=project)
rule.trunks.add(trunk)
"""


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def opera(stack: Stack, port: int) -> Stack:
    texts = {
        "greeting": GREETING, "consent_words": QUESTION, "consent_refused": REFUSED,
        "card_expiry": ASK_EXPIRY, "card_code": ASK_CODE, "card_wait": WAIT, "card_done": DONE,
        "card_failed": FAILED, "tokeniser_url": f"http://127.0.0.1:{port}/cards",
    }  # fmt: skip
    facts = {"number": NUMBER, "ask": ASK_CARD, "start": START, "secret": SECRET, "texts": texts}
    stack.manage("shell", "-c", SETTING_UP.format(facts=json.dumps(facts)))
    stack.manage("synclivekit", "--apply")
    (row,) = stack.rows(
        "select digest from agents_publishedplan p join agents_project o on o.published_id = p.id "
        "where o.slug = 'opera'"
    )
    folder = stack.home.data / "worker" / "plans" / row["digest"] / "audio"
    eventually(lambda: len(list(folder.glob("*.wav"))) >= 17, 90)
    return stack


async def pressed(call: Call, keys: str, ears: Ears) -> str | None:
    """What is heard from the last of these keys on."""
    end = await call.press(keys)
    await call.quiet(1200, 30, since=end - KEY_S)
    return ears.line(call.heard_since(end - KEY_S))


@pytest.fixture(scope="module")
def paid(opera: Stack, port: int) -> dict:
    """He agrees by key, pays by card, and reads something aloud while he types."""
    ears = Ears(LINES)

    async def run() -> dict:
        async with (
            FakeTokeniser(port=port) as keeper,
            opera.call(caller=PAYING, number=NUMBER) as call,
        ):
            await call.answered()
            await call.quiet(900)
            question = ears.line(call.heard_since(call.times["answered"]))
            heard = [await pressed(call, keys, ears) for keys in ("1", "4", AMEX)]
            aloud = asyncio.create_task(call.say(await speak("When are you open?", "rms")))
            await aloud
            heard.append(await pressed(call, EXPIRY, ears))
            heard.append(await pressed(call, CODE, ears))
            await call.hang_up()
            return {"question": question, "heard": heard, "taken": list(keeper.taken.values())}

    found = asyncio.run(run())
    row = opera.settled(PAYING)
    eventually(lambda: opera.shown(row["room"])["recording"]["state"] == "stored", 40)
    return found | {"row": row, "shown": opera.shown(row["room"])}


def entries(opera: Stack, row: dict, kind: str) -> list[dict]:
    found = opera.rows(
        "select ms, data from recordings_journalentry where call_id = ? and kind = ? order by n",
        row["id"], kind,
    )  # fmt: skip
    return [json.loads(each["data"]) | {"at_ms": each["ms"]} for each in found]


def test_the_caller_is_asked_before_he_is_greeted(paid):
    assert paid["question"] == QUESTION
    assert paid["heard"][0] == f"{GREETING} {START}"


def test_each_part_of_a_card_is_asked_for_and_only_the_tokeniser_learns_it(opera, paid):
    assert paid["heard"][1:4] == [ASK_CARD, ASK_EXPIRY, ASK_CODE]
    (card,) = paid["taken"]
    assert (card["number"], card["expiry"], card["code"]) == (AMEX, EXPIRY, CODE)
    assert card["call"] == paid["row"]["room"]
    (tool,) = entries(opera, paid["row"], "tool")
    assert {name: tool[name] for name in ("name", "token", "last4", "brand", "purpose")} == {
        "name": "collect_card", "token": "tok_7f3a", "last4": "0005", "brand": "visa",
        "purpose": "pay",
    }  # fmt: skip


def test_what_was_said_and_done_meanwhile_left_markers_only(opera, paid):
    marks = entries(opera, paid["row"], "pause")
    assert [(mark["what"], mark["why"]) for mark in marks] == [("begin", "card"), ("end", "card")]
    assert [entry["digit"] for entry in entries(opera, paid["row"], "dtmf")] == ["4"]
    said = [line for line in paid["shown"]["transcript"] if line["who"] == "caller"]
    assert [line["text"] for line in said] == ["[4]"]


def sound_of(paid: dict) -> np.ndarray:
    with urllib.request.urlopen(paid["shown"]["recording"]["url"], timeout=10) as answer:
        data = answer.read()
    pcm = subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-i", "-", "-ar", "16000", "-f", "s16le", "-"],
        input=data, capture_output=True, check=True,
    ).stdout  # fmt: skip
    return np.frombuffer(pcm, np.int16).reshape(-1, 2).astype(int)


def test_the_recording_begins_with_the_consent_and_is_silent_while_the_card_is_taken(opera, paid):
    (asked,) = entries(opera, paid["row"], "consent")
    assert (asked["outcome"], asked["how"]) == ("given", "key")
    (told,) = entries(opera, paid["row"], "recording")
    assert told["starts_ms"] >= asked["at_ms"]
    begin, end = (
        mark["at_ms"] - told["starts_ms"] for mark in entries(opera, paid["row"], "pause")
    )
    sound = sound_of(paid)
    assert end - begin > 5000
    assert np.abs(sound[: 16 * begin]).max() > 3000  # the greeting
    assert np.abs(sound[16 * (begin + 300) : 16 * (end - 50)]).max() < 40
    assert np.abs(sound[16 * (end + 300) :]).max() > 3000  # and it went on


def canary_files(opera: Stack) -> list[Path]:
    """All the product keeps: database, logs, spool, store, plans, Redis' own file."""
    return [path for path in opera.home.data.rglob("*") if path.is_file()]


def test_the_card_is_nowhere(opera, paid):
    files = canary_files(opera)
    kept = {path.name for path in files}
    assert {"db.sqlite3", "worker.log"} <= kept
    assert any(path.suffix == ".ogg" or "opera/" in str(path) for path in files)
    needles = (AMEX.encode(), AMEX.encode("utf-16-le"), " ".join(AMEX).encode())
    for path in files:
        content = path.read_bytes()
        assert not any(needle in content for needle in needles), path
    for row in opera.rows("select data from recordings_journalentry"):
        texts = [str(value) for value in json.loads(row["data"]).values() if isinstance(value, str)]
        assert not [text for text in texts if re.search(rf"(?<!\d)({CODE}|{EXPIRY})(?!\d)", text)]
    for path in opera.home.logs.glob("*.log"):
        found = re.findall(r"(?i)(?:digit|dtmf)\W{1,4}[0-9].*", path.read_text())
        assert found == [], path.name


def test_who_says_no_is_not_recorded(opera):
    ears = Ears(LINES)

    async def run() -> str | None:
        async with opera.call(caller=REFUSING, number=NUMBER) as call:
            await call.answered()
            await call.quiet(900)
            heard = await call.say(await speak("No", "rms"))
            await call.quiet(1500, 30, since=heard)
            words = ears.line(call.heard_since(heard))
            await call.hang_up()
            return words

    assert asyncio.run(run()) == f"{REFUSED} {GREETING} {START}"
    row = opera.settled(REFUSING)
    (asked,) = entries(opera, row, "consent")
    assert (asked["outcome"], asked["how"]) == ("refused", "speech")
    eventually(lambda: entries(opera, row, "closed"), 20)
    assert entries(opera, row, "recording") == []
    (recording,) = opera.rows("select * from recordings_recording where call_id = ?", row["id"])
    assert (recording["state"], recording["error"]) == ("skipped", "The caller refused.")
    worker = opera.home.data / "worker"
    left = [p for name in ("spool", "recording") for p in (worker / name).glob("*")]
    assert [path for path in left if path.suffix in {".ogg", ".json"}] == []
    assert not [path for path in canary_files(opera) if row["room"] in path.name]
