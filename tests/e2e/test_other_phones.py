"""Another SIP stack than our own caller: SIPp, one INVITE story each."""

import subprocess
from pathlib import Path

import pytest

from telephony import demo
from tests.e2e.stack import Stack

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
