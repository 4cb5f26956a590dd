"""Whom we may call, when, and what an attempt's end means. Pure.

Numbers are E.164. Outcomes are keys of `agents.entries.END_REASONS`, so that a call's end and an
attempt's are said alike.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import phonenumbers
from phonenumbers import PhoneNumberType as Kind
from phonenumbers import timezone as zones

from agents.order import outcome_of as outcome_of
from telephony import hours
from telephony.hours import Hours
from telephony.shapes import Misshapen

# --- where to ------------------------------------------------------------------------------------

# what an ordinary call costs, more or less; all else may be a trap and wants a rule of its own
_ORDINARY = {
    Kind.FIXED_LINE, Kind.MOBILE, Kind.FIXED_LINE_OR_MOBILE, Kind.TOLL_FREE, Kind.VOIP,
}  # fmt: skip
_KINDS = {
    Kind.PREMIUM_RATE: "a premium rate number",
    Kind.SHARED_COST: "a shared cost number",
    Kind.PERSONAL_NUMBER: "a personal number, which may be dear",
    Kind.PAGER: "a pager",
    Kind.UAN: "a company's universal number, which may be dear",
    Kind.VOICEMAIL: "a mailbox",
}
_SHORTEST, _LONGEST = 2, 16  # characters of a prefix, with the plus
_OWN_OF_PLUS_ONE = {"US", "CA"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A rule: numbers which begin so may, or may not, be called."""

    prefix: str
    allow: bool
    premium: bool = False  # … even if they are of a dear or unknown kind


def prefixes(number: str) -> list[str]:
    """What a rule for this number may begin with, the longest first."""
    return [number[:length] for length in range(min(len(number), _LONGEST), _SHORTEST - 1, -1)]


def is_prefix(text: str) -> bool:
    digits = text.removeprefix("+")
    return text.startswith("+") and digits.isdigit() and len(text) <= _LONGEST and digits[0] != "0"


def rule_of(number: str, rules: Iterable[Destination]) -> Destination | None:
    """The rule with the longest prefix."""
    fitting = [rule for rule in rules if number.startswith(rule.prefix)]
    return max(fitting, key=lambda rule: len(rule.prefix), default=None)


def hindrance(number: str, rules: Iterable[Destination]) -> str:
    """Why a number may not be called, for a supervisor; empty if it may."""
    rule = rule_of(number, rules)
    if rule is None:
        return (
            f"No rule allows calls to {number[:4]}…, and nothing is allowed by itself. "
            f"Add a destination whose prefix it begins with."
        )
    if not rule.allow:
        return f"Calls to {rule.prefix}… are shut by a rule. Ask whoever wrote it."
    if rule.premium:
        return ""
    return _dear(phonenumbers.parse(number, None), rule)


def _dear(number: phonenumbers.PhoneNumber, rule: Destination) -> str:
    kind = phonenumbers.number_type(number)
    if kind not in _ORDINARY:
        what = _KINDS.get(kind, "of a kind nobody knows")
        return (
            f"The number is {what}, which {rule.prefix}… does not include. "
            f"Check it; a rule of its own may allow it, dear numbers ticked."
        )
    region = phonenumbers.region_code_for_number(number)
    if rule.prefix == "+1" and region not in _OWN_OF_PLUS_ONE:
        return (
            f"The number is in {region}, and +1 stands for the United States and Canada only. "
            f"Add a destination with its area code, as +{number.country_code}"
            f"{str(number.national_number)[:3]}."
        )
    return ""


# --- when ---------------------------------------------------------------------------------------

_UNKNOWN_ZONE = "Etc/Unknown"
_STEPS = 40  # changes looked at: more than any week has


def zones_of(number: str, *, otherwise: str) -> tuple[str, ...]:
    """Where the callee may be; a number without a place is taken to be where we are."""
    found: tuple[str, ...] = tuple(zones.time_zones_for_number(phonenumbers.parse(number, None)))
    return tuple(zone for zone in found if zone != _UNKNOWN_ZONE) or (otherwise,)


def may_ring_at(number: str, now: datetime, *, expression: str, otherwise: str) -> datetime | None:
    """The first moment from `now` at which it is calling time wherever the callee may be; None if
    there is none. Raises Misshapen for hours which cannot be read."""
    clocks = _clocks(number, expression, otherwise)
    return first_open(clocks, now)


def first_open(clocks: Iterable[Hours], now: datetime) -> datetime | None:
    """The first moment at which all of them are open; None if there is none."""
    clocks = tuple(clocks)
    at = now
    for _ in range(_STEPS):
        shut = next((clock for clock in clocks if not hours.is_open(clock, at)), None)
        if shut is None:
            return at
        change = hours.next_change(shut, at)
        if change is None:
            return None
        at = change
    return None


def _clocks(number: str, expression: str, otherwise: str) -> tuple[Hours, ...]:
    region = phonenumbers.region_code_for_number(phonenumbers.parse(number, None)) or ""
    return tuple(
        _with_holidays(Hours(expression=expression, timezone=zone, country=region))
        for zone in zones_of(number, otherwise=otherwise)
    )


def _with_holidays(clock: Hours) -> Hours:
    """Of some countries nobody here knows the holidays; their days are ordinary ones."""
    try:
        hours.check(clock)
    except Misshapen:
        plain = Hours(expression=clock.expression, timezone=clock.timezone)
        hours.check(plain)
        return plain
    return clock


# --- what became of it ---------------------------------------------------------------------------

_WORDS = {
    401: "The carrier wants another user name and password. Check the trunk's.",
    402: "The carrier wants to be paid. Look at the account with it.",
    403: "The carrier forbids this call. Ask it whether the account may call there, and whether "
    "the number shown is registered with it.",
    404: "The carrier knows no such number.",
    407: "The carrier wants another user name and password. Check the trunk's.",
    408: "Nobody answered in time.",
    410: "The number is no longer in use.",
    480: "The telephone cannot be reached, or nobody answered.",
    484: "The number is not complete.",
    486: "The line was busy.",
    487: "It rang as long as allowed, and nobody answered.",
    488: "The carrier accepts none of our sound formats.",
    500: "The carrier failed.",
    502: "The carrier failed on the way to the callee.",
    503: "The carrier is overloaded, or takes no more calls from us now.",
    504: "The carrier did not hear from the callee's network.",
    600: "The callee is busy everywhere.",
    603: "The callee declined the call, or the carrier did.",
    604: "The number exists nowhere.",
    606: "The carrier does not accept the call as we offered it.",
    607: "The callee rejected the call as unwanted.",
    608: "A filter of the carrier's rejected the call. Ask it how to be cleared.",
}


def words_for(status: int) -> str:
    """A status said to a supervisor; empty for no status."""
    if not status:
        return ""
    known = _WORDS.get(status, "The carrier did not connect the call.")
    return f"{known} (SIP {status})"


# --- again --------------------------------------------------------------------------------------

_CALL_AGAIN = {
    "busy": "busy", "no_answer": "no_answer", "machine": "machine", "carrier": "carrier",
    "no_agent": "carrier", "error": "carrier", "providers": "carrier", "no_media": "carrier",
    "abandoned": "no_answer",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPlan:
    """How often a person is called, and the minutes to wait by how the last attempt ended."""

    attempts: int = 1
    minutes: Mapping[str, int]  # by busy, no_answer, machine, carrier; 0: not again


def next_attempt(plan: RetryPlan, *, outcome: str, attempts: int, now: datetime) -> datetime | None:
    """When to call again; None if that was the last time."""
    minutes = plan.minutes.get(_CALL_AGAIN.get(outcome, ""), 0)
    if attempts >= plan.attempts or minutes <= 0:
        return None
    return now + timedelta(minutes=minutes)
