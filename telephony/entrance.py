"""What is decided about a ringing call: rows become the policy's table, and its answer.

The worker asks before it is in the room. Then it knows the plan it was called for and, from the
room's name, the caller; so it is told of each number which may have been dialled.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from agents.entrance import Decision, Lookup, digits
from agents.models import PublishedPlan
from telephony import policy
from telephony.models import CallerRule, Entrance, Number
from telephony.models_hours import hours_of
from telephony.policy import Caller, Policy, Way

MOST = 50  # numbers in one answer; a worker which misses its own asks for it by name


def decisions(*, plan: str, caller: str, called: str = "", now: datetime) -> dict[str, Any]:
    """By number (E.164): the decision for this caller, and for callers nobody listed."""
    entrances = list(_entrances(plan, called)[: MOST + 1])
    rules = _rules_for(caller, now)
    told = {entrance.number.e164: _told(entrance, caller, rules, now) for entrance in entrances}
    whole = len(entrances) <= MOST and not called
    # a rule for all numbers also holds where there is no policy
    others = policy.decide(Policy(), _caller(caller, rules, None), now)
    return {"numbers": told, "others": others.to_dict(), "whole": whole}


def decision_for(*, called: str, caller: str, now: datetime) -> Decision:
    """As a worker is told for one number; without a caller, for those whom nobody listed."""
    told = decisions(plan="", caller=caller, called=called, now=now)
    found = told["numbers"].get(f"+{digits(called)}")
    if found is None:
        return Decision.from_dict(told["others"]) if caller else Decision()
    return Decision.from_dict(found["decision"] if caller else found["usual"])


def policy_of(entrance: Entrance) -> Policy:
    plan = entrance.project.published if entrance.project else None
    return Policy(
        opening=hours_of(entrance.schedule) if entrance.schedule else None,
        closed=Way(
            action=entrance.closed_action,  # type: ignore[arg-type]
            words=entrance.closed_words,
            number=entrance.closed_number,
        ),
        blocked=Way(action=entrance.blocked_action, words=entrance.blocked_words),  # type: ignore[arg-type]
        withheld_allowed=entrance.withheld_allowed,
        listed_only=entrance.listed_only,
        cause=entrance.refuse_cause,
        plan=plan.digest if plan else "",
        priority=entrance.priority,
        limit_s=entrance.voicemail_limit_s,
        silence_s=entrance.voicemail_silence_s,
        lookup=_lookup(entrance),
        **_line(entrance),
    )


def _line(entrance: Entrance) -> dict[str, str]:
    """Over which callers are sent on, if LiveKit has it. Shown is the number they dialled, where
    the trunk may show it."""
    trunk = entrance.overflow_trunk
    if trunk is None or not trunk.enabled or not trunk.remote_id:
        return {}
    ours = entrance.number.e164
    return {"trunk": trunk.remote_id, "caller_id": ours if ours in trunk.caller_ids else ""}


def _lookup(entrance: Entrance) -> Lookup | None:
    if not entrance.lookup_url:
        return None
    return Lookup(
        url=entrance.lookup_url,
        sealed_secret=entrance.sealed_lookup_secret,
        limit_ms=entrance.lookup_ms,
    )


def _entrances(plan: str, called: str) -> Any:
    rows = Entrance.objects.select_related(
        "number", "schedule", "project__published", "overflow_trunk"
    )
    if called:
        return rows.filter(number__e164=f"+{digits(called)}")
    project = PublishedPlan.objects.filter(digest=plan).values("project")
    rules = {
        "number__trunk__rules__project__in": project, "number__trunk__rules__enabled": True,
    }  # fmt: skip
    numbers = Entrance.objects.filter(**rules).values("pk")
    return rows.filter(pk__in=numbers).order_by("pk")


def _told(
    entrance: Entrance, caller: str, rules: list[CallerRule], now: datetime
) -> dict[str, Any]:
    made = policy_of(entrance)
    his = policy.decide(made, _caller(caller, rules, entrance.number_id), now)
    usual = policy.decide(made, Caller(), now)
    return {"decision": his.to_dict(), "usual": usual.to_dict()}


def _rules_for(caller: str, now: datetime) -> list[CallerRule]:
    """All rules which speak of this caller, the most exact first."""
    known = digits(caller)
    if not known:
        return []
    beginnings = [known[:length] for length in range(1, min(len(known), 15) + 1)]
    rows = CallerRule.objects.in_force(now).filter(digits__in=beginnings)
    fitting = [rule for rule in rows if rule.is_prefix or rule.digits == known]
    return sorted(fitting, key=lambda rule: (len(rule.digits), not rule.is_prefix), reverse=True)


def _caller(caller: str, rules: Iterable[CallerRule], number_id: int | None) -> Caller:
    """A number's own rules come before those for all numbers."""
    mine = [rule for rule in rules if rule.number_id in {None, number_id}]
    mine.sort(key=lambda rule: rule.number_id is None)
    rule = mine[0] if mine else None
    return Caller(
        withheld=not digits(caller),
        rule=rule.kind if rule else "",
        priority=rule.priority if rule and rule.kind == CallerRule.Kind.ALLOW else 0,
    )


def block(*, caller: str, note: str) -> tuple[CallerRule, bool]:
    """Keep a caller out of all our numbers; whether that is news. Raises NoNumber."""
    known = digits(caller)[:15]
    if not known:
        raise NoNumber("This caller showed no number, so there is nothing to block.")
    return CallerRule.objects.get_or_create(
        digits=known, is_prefix=False, number=None,
        defaults={"kind": CallerRule.Kind.BLOCK, "note": note[:200]},
    )  # fmt: skip


class NoNumber(Exception):
    """The text is for the supervisor."""


def of_call(number: Number | None) -> Entrance | None:
    if number is None:
        return None
    return Entrance.objects.filter(number=number).select_related("overflow_trunk").first()
