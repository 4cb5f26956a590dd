"""“What would a caller hear now?”, with what a number's policy says."""

from datetime import UTC, datetime
from io import StringIO

import pytest
from django.core.management import call_command
from django.urls import reverse

from telephony import dryrun, dryrun_entrance, push, shapes
from telephony.models import CallerRule, Entrance, Number, Schedule
from tests.factories import NOW, NUMBER, make_rule

pytestmark = [pytest.mark.db, pytest.mark.django_db]

SATURDAY = datetime(2026, 11, 21, 12, tzinfo=UTC)
CALLER = "+12025550123"


@pytest.fixture
def line(livekit):
    """One line which works."""
    make_rule()
    push.push(now=NOW, gateway=livekit)
    return livekit


def policy(**values) -> Entrance:
    return Entrance.objects.create(number=Number.objects.get(e164=NUMBER), **values)


def office(expression: str = "Mo-Fr 09:00-18:00") -> Schedule:
    return Schedule.objects.create(name="O", expression=expression, timezone="Europe/Berlin")


def heard(now: datetime = SATURDAY, caller: str = "") -> dryrun_entrance.Heard:
    return dryrun_entrance.heard(called=NUMBER, caller=caller, now=now)


@pytest.mark.parametrize(
    ("action", "words"),
    [
        ("message", "the caller hears “Closed.”, and the call ends."),
        ("voicemail", "the caller hears “Closed.”, and may leave a message."),
        ("forward", "the caller hears “Closed.” and is sent to +1 202-555-0188."),
        ("refuse", "the call is refused without an answer (486, User busy)."),
    ],
)
def test_outside_the_hours_it_is_told_until_when_and_what_is_heard(line, action, words):
    policy(
        schedule=office(), closed_action=action, closed_words="Closed.",
        closed_number="+12025550188",
    )  # fmt: skip
    assert heard().headline == f"It is closed until Monday 09:00 (Europe/Berlin): {words}"


def test_a_long_time_has_its_date_and_an_open_line_its_end(line):
    policy(schedule=office("Mo-Fr 09:00-18:00; 2026 Nov 21-2026 Dec 06 off"), closed_words="Bye.")
    assert "until Monday 07 December 2026 09:00" in heard().headline
    monday = datetime(2026, 12, 7, 12, tzinfo=UTC)
    assert heard(monday) == dryrun_entrance.Heard(
        step="By its opening hours it is open until Monday 18:00 (Europe/Berlin)."
    )


def test_a_blocked_caller_and_nobody_else_is_refused(line):
    CallerRule.objects.create(digits=CALLER[1:], kind="block")
    told = dryrun.ask(called=NUMBER, address="", gateway=line, caller="+1 202 555 0123")
    assert told.works
    assert told.headline.startswith("This caller is not let in: the call is refused")
    assert told.steps[-1] == "The number's policy decides."
    for other in ("", "+12025550124", "anonymous"):
        told = dryrun.ask(called=NUMBER, address="", gateway=line, caller=other)
        assert told.headline == "Project “Shop” answers (version 1)."


def test_withheld_numbers_and_a_number_for_listed_callers(line):
    policy(withheld_allowed=False)
    assert heard(caller="anonymous").headline.startswith("This caller is not let in")
    assert heard().headline == ""
    Entrance.objects.update(listed_only=True)
    assert heard().headline.startswith("Callers nobody listed are not let in")


def test_a_number_which_does_not_reach_us_has_no_policy_to_tell(line):
    policy(schedule=office("24/7 off"), closed_words="Closed.")
    line.rules.clear()
    assert "rule" in dryrun.ask(called=NUMBER, address="", gateway=line).headline


def test_page_and_command_take_a_caller(line, admin_client):
    CallerRule.objects.create(digits=CALLER[1:], kind="block")
    url = reverse("admin:telephony_trunk_doctor")
    page = admin_client.get(url, {"called": NUMBER, "caller": CALLER}).content.decode()
    assert "This caller is not let in" in page
    assert f'value="{CALLER}"' in page
    assert (
        "cannot be used"
        in admin_client.get(url, {"called": NUMBER, "caller": "12"}).content.decode()
    )
    out = StringIO()
    call_command("doctor", "--called", NUMBER, "--caller", CALLER, stdout=out)
    assert "This caller is not let in" in out.getvalue()
    with pytest.raises(shapes.Misshapen):
        dryrun.ask(called=NUMBER, address="", gateway=line, caller="0123")
