"""The table of a number's policy, row by row."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from agents.entrance import Lookup
from telephony.hours import Hours
from telephony.policy import Caller, Policy, Way, decide

pytestmark = pytest.mark.unit

MONDAY = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
NIGHT = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
WEEK = Hours(expression="Mo-Fr 09:00-18:00; PH off", timezone="Europe/Berlin", country="DE")
SHUT = Way(action="message", words="We are closed.")
POLICY = Policy(opening=WEEK, closed=SHUT, blocked=Way(action="refuse"))
SOMEBODY = Caller()


@pytest.mark.parametrize(
    ("changes", "caller", "at", "action", "reason"),
    [
        ({}, SOMEBODY, MONDAY, "answer", ""),
        ({}, SOMEBODY, NIGHT, "message", "closed"),
        ({"opening": None}, SOMEBODY, NIGHT, "answer", ""),
        ({"closed": Way(action="voicemail")}, SOMEBODY, NIGHT, "voicemail", "closed"),
        ({"closed": Way(action="refuse")}, SOMEBODY, NIGHT, "refuse", "closed"),
        ({"closed": Way(action="answer")}, SOMEBODY, NIGHT, "answer", ""),
        ({"closed": Way(action="forward", number="+12025550123")}, SOMEBODY, NIGHT, "forward",
         "closed"),
        ({"closed": Way(action="forward", words="Sorry.")}, SOMEBODY, NIGHT, "message", "closed"),
        ({"closed": Way(action="message")}, SOMEBODY, NIGHT, "refuse", "closed"),
        ({}, Caller(rule="block"), MONDAY, "refuse", "blocked"),
        ({}, Caller(rule="block"), NIGHT, "refuse", "blocked"),
        ({"blocked": SHUT}, Caller(rule="block"), MONDAY, "message", "blocked"),
        ({}, Caller(withheld=True), MONDAY, "answer", ""),
        ({"withheld_allowed": False}, Caller(withheld=True), MONDAY, "refuse", "blocked"),
        ({"listed_only": True}, SOMEBODY, MONDAY, "refuse", "blocked"),
        ({"listed_only": True}, Caller(rule="allow"), MONDAY, "answer", ""),
        ({}, Caller(rule="allow"), NIGHT, "message", "closed"),
        ({"opening": replace(WEEK, expression="often")}, SOMEBODY, NIGHT, "answer", ""),
    ],
)  # fmt: skip
def test_what_becomes_of_a_call(changes, caller, at, action, reason):
    decision = decide(replace(POLICY, **changes), caller, at)
    assert (decision.action, decision.reason) == (action, reason)


def test_a_decision_says_until_when_it_holds():
    opens = datetime(2026, 11, 24, 8, 0, tzinfo=UTC).timestamp()  # nine in Berlin
    decision = decide(POLICY, SOMEBODY, NIGHT)
    assert decision.holds(opens - 1)
    assert not decision.holds(opens)
    assert decide(Policy(), SOMEBODY, NIGHT).holds(opens + 10**9)


def test_a_holiday_is_closed():
    christmas = datetime(2026, 12, 25, 11, 0, tzinfo=UTC)  # a Friday
    assert decide(POLICY, SOMEBODY, christmas).reason == "closed"


def test_only_who_is_answered_is_looked_up():
    policy = replace(POLICY, lookup=Lookup(url="https://crm.example/who"))
    assert decide(policy, SOMEBODY, MONDAY).lookup
    assert decide(policy, SOMEBODY, NIGHT).lookup is None


def test_the_higher_priority_counts():
    policy = replace(POLICY, priority=3)
    assert decide(policy, Caller(priority=7, rule="allow"), MONDAY).priority == 7
    assert decide(policy, Caller(priority=1, rule="allow"), MONDAY).priority == 3
