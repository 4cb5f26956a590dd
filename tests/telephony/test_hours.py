"""When a line is open."""

from datetime import UTC, date, datetime

import pytest

from telephony import hours
from telephony.hours import Hours
from telephony.shapes import Misshapen

pytestmark = pytest.mark.unit

OFFICE = Hours(
    expression="Mo-Fr 09:00-18:00; PH off",
    timezone="Europe/Berlin",
    country="DE",
    closed_on=(date(2026, 12, 24),),
)


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        (at(2026, 11, 23, 7, 59), False),
        (at(2026, 11, 23, 8, 0), True),  # nine in Berlin, in winter
        (at(2026, 7, 20, 7, 0), True),  # nine in Berlin, in summer
        (at(2026, 11, 23, 17, 0), False),
        (at(2026, 11, 21, 10, 0), False),  # Saturday
        (at(2026, 12, 25, 10, 0), False),  # Christmas, a Friday
        (at(2026, 12, 24, 10, 0), False),  # a day off of our own
    ],
)
def test_a_line_is_open_by_its_own_clock_and_holidays(when, expected):
    assert hours.is_open(OFFICE, when) is expected


def test_it_is_known_when_it_opens_next():
    assert hours.next_change(OFFICE, at(2026, 11, 21, 10, 0)) == at(2026, 11, 23, 8, 0)
    assert hours.next_change(Hours(expression="24/7", timezone="UTC"), at(2026, 1, 1)) is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Hours(expression="nine to five", timezone="UTC"), "cannot be read"),
        (Hours(expression="", timezone="UTC"), "cannot be read"),
        (Hours(expression="24/7", timezone="Mars/Olympus"), "no time zone"),
        (Hours(expression="24/7", timezone="../../etc/passwd"), "no time zone"),
        (Hours(expression="24/7", timezone="UTC", country="XX"), "no country code"),
    ],
)
def test_what_cannot_be_read_is_said(given, words):
    with pytest.raises(Misshapen, match=words):
        hours.check(given)
