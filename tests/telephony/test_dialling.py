"""Whom we may call, when, and what an attempt's end means."""

from datetime import UTC, datetime, timedelta

import pytest

from telephony import dialling
from telephony.dialling import Destination, RetryPlan

pytestmark = pytest.mark.unit

NOON = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)  # Monday; noon in New York, 9 in Los Angeles
CHRISTMAS_EVE = datetime(2026, 12, 24, 18, tzinfo=UTC)
OFFICE = "Mo-Fr 09:00-18:00; PH off"


def allow(*prefixes: str, **values) -> list[Destination]:
    return [Destination(prefix=prefix, allow=True, **values) for prefix in prefixes]


@pytest.mark.parametrize(
    ("number", "rules", "words"),
    [
        ("+4930123456", [], "nothing is allowed by itself"),
        ("+4930123456", allow("+43"), "nothing is allowed by itself"),
        ("+4930123456", allow("+49"), ""),
        ("+4930123456", [*allow("+49"), Destination(prefix="+4930", allow=False)], "shut"),
        ("+4930123456", [Destination(prefix="+49", allow=False), *allow("+4930")], ""),
        ("+19005550100", allow("+1"), "premium rate"),
        ("+19005550100", allow("+1900", premium=True), ""),
        ("+33899123456", allow("+33"), "premium rate"),
        ("+4918012345", allow("+49"), "shared cost"),
        ("+4990012345678", allow("+49"), "kind nobody knows"),
        ("+18765550100", allow("+1"), "in JM"),
        ("+18765550100", allow("+1876"), ""),
        ("+18005550100", allow("+1"), ""),
        ("+881612345678", allow("+49"), "nothing is allowed"),
    ],
)
def test_where_we_may_call(number, rules, words):
    told = dialling.hindrance(number, rules)
    assert (words in told) if words else (told == "")


def test_prefixes_are_those_a_rule_may_have():
    assert dialling.prefixes("+4930")[0] == "+4930"
    assert dialling.prefixes("+4930")[-1] == "+4"
    assert [
        t for t in ("+49", "49", "+", "+0", "+4x", "+" + "1" * 16) if dialling.is_prefix(t)
    ] == ["+49"]


@pytest.mark.parametrize(
    ("number", "now", "expected"),
    [
        ("+12025550100", NOON, NOON),
        ("+12025550100", NOON + timedelta(hours=7), datetime(2026, 11, 24, 14, 0, tzinfo=UTC)),
        # toll-free: anywhere in the +1 zones, so never while all of them are at work
        ("+18005550100", NOON, None),
        ("+4930123456", NOON, datetime(2026, 11, 24, 8, 0, tzinfo=UTC)),
        # Christmas is a Friday
        ("+4930123456", CHRISTMAS_EVE, datetime(2026, 12, 28, 8, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_it_rings_in_the_callees_daytime(number, now, expected):
    assert dialling.may_ring_at(number, now, expression=OFFICE, otherwise="UTC") == expected


def test_a_number_without_a_place_goes_by_our_own_clock():
    assert dialling.zones_of("+881612345678", otherwise="Europe/Berlin") == ("Europe/Berlin",)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (486, "busy"), (600, "busy"), (408, "no_answer"), (480, "no_answer"), (487, "no_answer"),
        (603, "declined"), (404, "no_such_number"), (410, "no_such_number"), (401, "carrier"),
        (407, "carrier"), (403, "carrier"), (488, "carrier"), (500, "carrier"), (503, "carrier"),
        (499, "carrier"),
    ],
)  # fmt: skip
def test_a_status_means_an_outcome_and_is_said_in_words(status, outcome):
    assert dialling.outcome_of(status) == outcome
    assert dialling.words_for(status).endswith(f"(SIP {status})")


PLAN = RetryPlan(attempts=3, minutes={"busy": 10, "no_answer": 120, "machine": 0, "carrier": 5})


@pytest.mark.parametrize(
    ("outcome", "attempts", "minutes"),
    [
        ("busy", 1, 10), ("busy", 2, 10), ("busy", 3, None), ("no_answer", 1, 120),
        ("machine", 1, None), ("carrier", 1, 5), ("declined", 1, None), ("talked", 1, None),
        ("no_such_number", 1, None), ("unknown", 1, None),
    ],
)  # fmt: skip
def test_who_is_called_again_and_when(outcome, attempts, minutes):
    again = dialling.next_attempt(PLAN, outcome=outcome, attempts=attempts, now=NOON)
    assert again == (None if minutes is None else NOON + timedelta(minutes=minutes))
