"""What becomes of one caller of one number: the table of its policy. Pure.

In this order: a caller who may always in; a blocked one; a withheld number; one who is not on the
list of a number which admits listed callers only; the opening hours.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from agents.entrance import BUSY, Action, Decision, Lookup
from telephony import hours
from telephony.hours import Hours
from telephony.shapes import Misshapen


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What is done with a call which is not simply answered."""

    action: Action = "answer"
    words: str = ""
    number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    opening: Hours | None = None  # none: always open
    closed: Way = Way(action="message")
    blocked: Way = Way(action="refuse")
    withheld_allowed: bool = True
    listed_only: bool = False
    cause: int = BUSY
    plan: str = ""
    priority: int = 0
    limit_s: int = 120
    silence_s: int = 4
    lookup: Lookup | None = None
    trunk: str = ""  # LiveKit's id of the line callers are sent on over; empty: by REFER only
    caller_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    withheld: bool = False
    rule: str = ""  # allow, block, or nothing
    priority: int = 0  # of his rule


def decide(policy: Policy, caller: Caller, now: datetime) -> Decision:
    """Hours which cannot be read count as open: a typing error must not close a line."""
    base = Decision(
        plan=policy.plan, cause=policy.cause, limit_s=policy.limit_s, silence_s=policy.silence_s,
        priority=max(policy.priority, caller.priority), lookup=policy.lookup,
        trunk=policy.trunk, caller_id=policy.caller_id,
    )  # fmt: skip
    if caller.rule != "allow" and _is_barred(policy, caller):
        return _by(base, policy.blocked, "blocked")
    if policy.opening is None:
        return base
    try:
        is_open = hours.is_open(policy.opening, now)
        change = hours.next_change(policy.opening, now)
    except Misshapen:
        return base
    base = replace(base, valid_until=change.timestamp() if change else 0.0)
    return base if is_open else _by(base, policy.closed, "closed")


def _is_barred(policy: Policy, caller: Caller) -> bool:
    if caller.rule == "block" or policy.listed_only:
        return True
    return caller.withheld and not policy.withheld_allowed


def _by(base: Decision, way: Way, reason: str) -> Decision:
    """A way which lacks what it needs still ends well: without a number, the message."""
    action = way.action
    if action == "answer":
        return base
    if action == "forward" and not way.number:
        action = "message"
    if action == "message" and not way.words:
        action = "refuse"
    return replace(
        base, action=action, reason=reason, words=way.words, number=way.number, lookup=None
    )
