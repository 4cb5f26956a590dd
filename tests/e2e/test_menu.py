"""A telephone menu on real calls: keys are pressed, and then nobody says anything."""

import asyncio
import json
import re
import subprocess
import urllib.request

import numpy as np
import pytest

from telephony.caller.call import Call
from tests.e2e.ears import Ears
from tests.e2e.stack import Stack, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

NUMBER = "+12025550141"
PRESSING, SILENT = "+12025550143", "+12025550144"
PIN = "4711"
KEY_S = 0.1
GREETING, START = "Welcome to the harbour museum.", "For tickets press two, or press five to talk."
TICKETS = "Press the letter key for prices, or press four to collect your order."
PRICES = "A ticket costs twelve dollars, children pay nothing."
ASK_PIN, INVALID = "Please enter your secret number.", "Sorry, that key has no meaning here."
TALK, GOODBYE = "Just tell me what you need.", "Thank you for calling the museum."
STILL_THERE, CANNOT_HEAR = "Are you still there?", "I cannot hear anything from your side."
LINES = [
    GREETING, START, TICKETS, PRICES, ASK_PIN, INVALID, TALK, GOODBYE, STILL_THERE, CANNOT_HEAR,
    f"{GREETING} {START}", f"{PRICES} {TICKETS}", f"{INVALID} {TICKETS}",
]  # fmt: skip
# runs inside the product: there is no other way to its database than its own models
SETTING_UP = """
import json
import re
from django.utils import timezone
from agents.models import ChainMember, DigitPurpose, MenuOption, MenuPage, Project, ProviderAccount
from agents.services import publish
from telephony.models import DispatchRule, Number, Trunk
facts = json.loads({facts!r})
project = Project.objects.create(
    slug="museum", name="Museum", silence_s=3, kind="menu", mode="local", vad_preset="fast_qa",
    turn_detector="v1-mini", **facts["texts"])
for role, provider in (("stt", "sphinx"), ("llm", "faq"), ("tts", "flite")):
    account = ProviderAccount.objects.filter(provider=provider).first()
    ChainMember.objects.create(project=project, role=role, account=account)
project.faq.create(question="When are you open?", answer="We are open from nine to six.")
pin = DigitPurpose.objects.create(
    project=project, key="pin", ask=facts["ask_pin"], least=4, most=8, secret=True)
start = MenuPage.objects.create(project=project, name="start", announcement=facts["start"])
tickets = MenuPage.objects.create(
    project=project, name="tickets", position=1, announcement=facts["tickets"])
MenuOption.objects.create(page=start, digit="2", does="menu", menu=tickets)
MenuOption.objects.create(page=start, digit="5", does="bot", says=facts["talk"])
MenuOption.objects.create(page=tickets, digit="A", does="answer", says=facts["prices"])
MenuOption.objects.create(page=tickets, digit="4", does="collect", purpose=pin)
publish(project_id=project.pk, by="tests", now=timezone.now())
trunk = Trunk.objects.create(name="museum", allowed_addresses=["127.0.0.1/32"])
Number.objects.create(e164=facts["number"], trunk=trunk)
rule = DispatchRule.objects.create(name="museum", project=project)
rule.trunks.add(trunk)
"""


@pytest.fixture(scope="module")
def museum(stack: Stack) -> Stack:
    facts = {
        "number": NUMBER, "start": START, "tickets": TICKETS, "prices": PRICES, "talk": TALK,
        "ask_pin": ASK_PIN,
        "texts": {
            "greeting": GREETING, "goodbye": GOODBYE, "menu_invalid": INVALID,
            "silence_prompt": STILL_THERE, "silence_prompt_2": CANNOT_HEAR,
        },
    }  # fmt: skip
    stack.manage("shell", "-c", SETTING_UP.format(facts=json.dumps(facts)))
    stack.manage("synclivekit", "--apply")
    (row,) = stack.rows(
        "select digest from agents_publishedplan p join agents_project o on o.published_id = p.id "
        "where o.slug = 'museum'"
    )
    folder = stack.home.data / "worker" / "plans" / row["digest"] / "audio"
    eventually(lambda: len(list(folder.glob("*.wav"))) >= 16, 60)
    return stack


async def pressed(call: Call, keys: str, ears: Ears) -> str | None:
    """What is heard from the last of these keys on: LiveKit reports a key as it is pressed, not as
    it is let go. Press it into quiet, or words which are still on their way are heard too."""
    end = await call.press(keys)
    await call.quiet(900, 25, since=end - KEY_S)
    return ears.line(call.heard_since(end - KEY_S))


@pytest.fixture(scope="module")
def keys(museum: Stack) -> dict:
    ears = Ears(LINES)

    async def run() -> dict:
        async with museum.call(caller=PRESSING, number=NUMBER) as call:
            await call.answered()
            await asyncio.sleep(2.5)  # in the middle of the greeting or the announcement
            heard = [await pressed(call, key, ears) for key in ("2", "A", "C", "4", f"{PIN}#")]
            await call.hang_up()
            return {"heard": heard}

    found = asyncio.run(run())
    row = museum.settled(PRESSING)
    return found | {"row": row, "shown": museum.shown(row["room"])}


def test_each_key_is_answered_by_its_own_words(keys):
    """Also one of the keys which few telephones have."""
    heard = [f"{PRICES} {TICKETS}", f"{INVALID} {TICKETS}", ASK_PIN, TICKETS]
    assert keys["heard"][1:] == heard  # the first one came into our words: see below


def test_a_key_cuts_what_is_being_said(keys):
    said = [line for line in keys["shown"]["transcript"] if line["who"] == "agent"]
    last = next(n for n, line in enumerate(said) if line["text"] == TICKETS)
    assert said[last - 1]["interrupted"]
    assert said[last - 1]["text"].endswith("…")
    assert [line["text"] for line in said[last:]] == [
        TICKETS, PRICES, TICKETS, INVALID, TICKETS, ASK_PIN, TICKETS,
    ]  # fmt: skip


def test_a_secret_is_nowhere(museum, keys):
    entries = museum.rows(
        "select kind, data from recordings_journalentry where call_id = ? order by n",
        keys["row"]["id"],
    )
    digits = [json.loads(entry["data"])["digit"] for entry in entries if entry["kind"] == "dtmf"]
    assert digits == ["2", "A", "C", "4", *"•" * 5]
    (tool,) = [json.loads(entry["data"]) for entry in entries if entry["kind"] == "tool"]
    assert tool == {"name": "collect_digits", "outcome": "4 digits", "purpose": "pin"}
    assert PIN not in json.dumps([line["text"] for line in keys["shown"]["transcript"]])
    for path in museum.home.logs.glob("*.log"):
        found = re.findall(r"(?i)(?:digit|dtmf)\W{1,4}[0-9].*", path.read_text())
        assert found == [], path.name


def test_keys_make_no_sound_in_the_recording(keys):
    """They come as events (RFC 4733): whoever hears the recording cannot tell a secret's tones."""
    with urllib.request.urlopen(keys["shown"]["recording"]["url"], timeout=10) as answer:
        data = answer.read()
    pcm = subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-i", "-", "-ar", "16000", "-f", "s16le", "-"],
        input=data, capture_output=True, check=True,
    ).stdout  # fmt: skip
    left, right = np.frombuffer(pcm, np.int16).reshape(-1, 2).astype(int).T
    assert np.abs(right).max() > 3000
    # 20 ms each. A key's tone would fill four; on a busy machine livekit-sip (1.8.0) may read four
    # bytes of an event's packet into a packet of sound, which is a click in one or two of them
    windows = left[: len(left) // 320 * 320].reshape(-1, 320)
    loud = np.sqrt((windows**2).mean(axis=1)) > 300
    assert not (loud[2:] & loud[1:-1] & loud[:-2]).any()


def test_whoever_says_nothing_is_asked_twice_and_let_go(museum):
    ears = Ears(LINES)

    async def run():
        async with museum.call(caller=SILENT, number=NUMBER) as call:
            await call.answered()
            await call.quiet(900)
            first = await pressed(call, "5", ears)  # the bot, which is not answered
            await asyncio.wait_for(call.ended.wait(), 40)
            return first, call.ended_by

    assert asyncio.run(run()) == (TALK, "them")
    row = museum.settled(SILENT)
    assert (row["state"], row["end_reason"]) == ("ended", "silence")
    said = [s["text"] for s in museum.shown(row["room"])["transcript"] if s["who"] == "agent"]
    assert said[-4:] == [TALK, STILL_THERE, CANNOT_HEAR, GOODBYE]
