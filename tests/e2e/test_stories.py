"""What other SIP stacks do to a call, one story a file (tests/e2e/sipp), played by SIPp."""

import json

import pytest

from telephony import demo
from tests.e2e.stack import Stack, eventually
from tests.e2e.test_other_phones import STORIES, sipp

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

LOGIN = "+12025550188"  # a number whose trunk asks for name and password


def play(stack: Stack, folder, name: str, number: str = demo.NUMBER) -> None:
    sipp(stack, folder, number, "-sf", str(STORIES / f"{name}.xml"))


def outcome(stack: Stack, caller: str) -> tuple[str, str]:
    row = stack.settled(caller)
    return row["state"], row["end_reason"]


@pytest.fixture(scope="module")
def login(stack):
    stack.manage("shell", "-v0", "-c", f"""
from django.conf import settings
from agents import seal
from telephony.models import DispatchRule, Number, Trunk
trunk = Trunk.objects.create(
    name="Asks for a password", auth_username="carrier",
    sealed_auth_password=seal.seal("right-horse", keys=settings.SEAL_KEYS),
)
Number.objects.create(e164="{LOGIN}", trunk=trunk)
DispatchRule.objects.get(name="{demo.RULE}").trunks.add(trunk)
""")  # fmt: skip
    stack.manage("synclivekit", "--apply")
    return LOGIN


def test_a_caller_who_cancels_while_it_rings(stack, tmp_path):
    play(stack, tmp_path, "cancel")
    # 487 came, so he was never answered; but LiveKit may have told us that he would be
    assert outcome(stack, "+12025550181") in {("ended", "abandoned"), ("ended", "caller")}


def test_a_call_on_hold_goes_on(stack, tmp_path):
    play(stack, tmp_path, "hold")
    assert outcome(stack, "+12025550182") == ("ended", "no_media")  # this phone sends no sound


def test_a_caller_who_hangs_up_at_the_answer(stack, tmp_path):
    play(stack, tmp_path, "early_bye")
    assert outcome(stack, "+12025550183") in {("ended", "caller"), ("ended", "abandoned")}
    eventually(lambda: stack.free_slots() > 0, 20)


def test_all_sixteen_keys_are_heard(stack, tmp_path):
    play(stack, tmp_path, "sixteen_keys")
    row = stack.settled("+12025550184")

    def pressed() -> str:
        found = stack.rows(
            "select data from recordings_journalentry where call_id = ? and kind = 'dtmf' "
            "order by n", row["id"],
        )  # fmt: skip
        return "".join(json.loads(each["data"])["digit"] for each in found)

    eventually(lambda: len(pressed()) >= 16, 20)
    assert pressed().upper() == "*#ABCD7894561230"


def test_the_right_password_is_let_in(stack, tmp_path, login):
    play(stack, tmp_path, "digest_right", login)
    assert outcome(stack, "+12025550185") == ("ended", "caller")


def test_a_wrong_password_is_not(stack, tmp_path, login):
    play(stack, tmp_path, "digest_wrong", login)
    assert stack.call_of("+12025550186") == {}
