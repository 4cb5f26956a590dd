"""Other SIP stacks than our own caller: SIPp with one INVITE story each, baresip, linphone."""

import asyncio
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest

from telephony import demo
from telephony.caller.speech import speak
from tests.e2e.ears import stretches
from tests.e2e.stack import HOURS, Stack
from tests.phones import Line, baresip, linphone

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

STORIES = Path(__file__).parent / "sipp"


def sipp(stack: Stack, folder: Path, number: str, *story: str) -> None:
    """Run one story once. SIPp ends with 0 only when every message came as told."""
    done = subprocess.run(
        ["sipp", *story, "-s", number, f"127.0.0.1:{stack.home.env['SIP_PORT']}",
         "-i", "127.0.0.1", "-m", "1", "-nostdin", "-timeout", "30s", "-timeout_error",
         "-trace_err", "-error_file", str(folder / "errors.log")],
        cwd=folder, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    errors = folder / "errors.log"
    assert done.returncode == 0, errors.read_text() if errors.exists() else done.stdout[-2000:]


def test_a_plain_call_is_answered_and_ends(stack, tmp_path):
    sipp(stack, tmp_path, demo.NUMBER, "-sn", "uac", "-d", "1500")
    row = stack.settled("sipp")
    assert (row["state"], row["end_reason"]) == ("ended", "caller")


def test_a_number_nobody_has_is_refused(stack, tmp_path):
    sipp(stack, tmp_path, "+12025550998", "-sf", str(STORIES / "refused.xml"))
    row = stack.settled("+12025550189")
    assert (row["state"], row["end_reason"]) == ("failed", "unknown_number")


@pytest.fixture(scope="module")
def question(tmp_path_factory) -> Path:
    """A question into the bot's greeting, and silence while it answers."""
    path = tmp_path_factory.mktemp("question") / "question.wav"
    said = asyncio.run(speak("What are your opening hours?", "rms"))
    quiet = np.zeros(8000, np.int16)
    pcm = np.concatenate([*[quiet] * 4, said, *[quiet] * 12]).astype(np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(pcm.tobytes())
    return path


@pytest.mark.parametrize("phone", [baresip, linphone])
def test_a_softphone_is_answered_and_talked_with(stack, tmp_path, question, phone):
    address = f"{demo.NUMBER}@127.0.0.1:{stack.home.env['SIP_PORT']}"
    heard = phone(tmp_path, address, question, 13, Line())
    assert heard.answered, heard.log
    row = stack.settled("phone")
    said = [(s["who"], s["text"]) for s in stack.shown(row["room"])["transcript"]]
    assert said[1:3] == [("caller", "What are your opening hours?"), ("agent", HOURS)]
    lines = [stack.ears.line(heard.sound[a:b], 8000) for a, b in stretches(heard.sound, 8000)]
    assert HOURS in lines
