"""What a search can be narrowed by, as a table. Another app's field is one more row.

A filter is told once of calls and, where a turn's own row knows it as well, of turns: that spares
the way to the call when a word is rare. Both say the same of one value.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q

from agents.entries import END_REASONS
from recordings.models import JournalEntry, TurnFigure
from recordings.switches import ROLES
from telephony import search as numbers
from telephony.models import Call

Condition = Callable[[Any], Q]
FAULTS = {
    "any": "Anything",
    "error": "An error of ours",
    "switch": "A provider failed",
}
FAULT_KINDS = {"any": ["error", "switch"], "error": ["error"], "switch": ["switch"]}


@dataclass(frozen=True, slots=True)
class Filter:
    """At least one of both. Only `turns`: it is of the turn itself."""

    calls: Condition | None = None
    turns: Condition | None = None


def _number(text: str) -> Q:
    return Q(pk__in=numbers.calls(Call.objects.all(), text.replace("\0", "")).values("pk"))


def _fault(which: str) -> Q:
    kinds = FAULT_KINDS[which]
    return Q(Exists(JournalEntry.objects.filter(call=OuterRef("pk"), kind__in=kinds)))


def _provider(slug: str) -> Q:
    """Heard, thought or spoke in the call."""
    served = Q()
    for role in ROLES:
        served |= Q(**{role: slug})
    return Q(Exists(TurnFigure.objects.filter(served, call=OuterRef("pk"))))


def _lasted(least: int) -> Q:
    return Q(ended_at__gte=F("started_at") + timedelta(seconds=least))


def _lasted_at_most(most: int) -> Q:
    return Q(ended_at__lte=F("started_at") + timedelta(seconds=most))


FILTERS: dict[str, Filter] = {
    "project": Filter(lambda pk: Q(project=pk), lambda pk: Q(project=pk)),
    "since": Filter(lambda at: Q(started_at__gte=at), lambda at: Q(started_at__gte=at)),
    "until": Filter(lambda at: Q(started_at__lt=at), lambda at: Q(started_at__lt=at)),
    "number": Filter(_number),
    "longer_s": Filter(_lasted),
    "shorter_s": Filter(_lasted_at_most),
    "provider": Filter(_provider),
    "fault": Filter(_fault),
    "end": Filter(lambda reason: Q(end_reason=reason)),
    "who": Filter(turns=lambda who: Q(who=who)),
    "disposition": Filter(lambda name: Q(insight__disposition=name)),
    "sentiment": Filter(lambda label: Q(insight__sentiment_label=label)),
}
ENDS = {reason: words for reason, words in END_REASONS.items() if reason != "unknown"}


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The same filters for both ways to search."""

    calls: Q  # what calls say
    turns: Q  # what only turns say
    cheap: Q  # what turns say for calls too
    rest: Q  # what only calls say


def narrowed(chosen: Mapping[str, Any]) -> Narrowed:
    """Raises KeyError for a filter nobody knows. Empty values filter nothing."""
    calls, turns, cheap, rest = Q(), Q(), Q(), Q()
    for name, value in chosen.items():
        one = FILTERS[name]
        if value in (None, ""):
            continue
        if one.calls:
            calls &= one.calls(value)
        if one.turns and one.calls:
            cheap &= one.turns(value)
        elif one.turns:
            turns &= one.turns(value)
        elif one.calls:
            rest &= one.calls(value)
    return Narrowed(calls, turns, cheap, rest)
