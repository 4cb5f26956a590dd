"""Whose number it is, and what is here about it: counted before anything is done."""

from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Count, Q, QuerySet

from recordings import personal
from recordings.errors import RequestRefused
from telephony import holds
from telephony.models import Call, DoNotCall, Number, Trunk
from telephony.shapes import Misshapen
from telephony.written import Written

COUNTED = 2000  # calls whose parts are counted for the page which asks


@dataclass(slots=True)
class Found:
    """What would be erased."""

    written: Written
    calls: int = 0
    open_calls: int = 0
    forms: list[tuple[str, int]] = field(default_factory=list)  # as it stands on the calls
    parts: list[tuple[str, int]] = field(default_factory=list)
    hindrance: str = ""


def read(typed: str) -> Written:
    """Raises RequestRefused for what is no number, and for numbers of our own."""
    try:
        written = Written.of(typed)
    except Misshapen as reason:
        raise RequestRefused(str(reason)) from reason
    ours = Number.objects.filter(e164__in=written.exact).exists()
    if ours or any(set(written.exact) & set(map(str, ids)) for ids in _shown()):
        raise RequestRefused(
            f"{written.text} is a number of this installation, not of a caller. To erase calls "
            f"from it, take it off its trunk first."
        )
    return written


def _shown() -> "QuerySet[Trunk, list[str]]":
    return Trunk.objects.exclude(caller_ids=[]).values_list("caller_ids", flat=True)


def calls_of(written: Written) -> "QuerySet[Call]":
    return Call.objects.filter(Q(caller__in=written.exact) | Q(called__in=written.exact))


def look(written: Written, *, now: datetime) -> Found:
    calls = calls_of(written)
    found = Found(written, hindrance=holds.hindrance(written, now=now))
    found.calls, found.open_calls = calls.count(), calls.filter(ended_at=None).count()
    for side in ("caller", "called"):
        rows = Call.objects.filter(**{f"{side}__in": written.exact}).values_list(side)
        found.forms += list(rows.annotate(n=Count("pk")).order_by(side))
    found.parts = _parts(list(calls.order_by("-pk").values_list("pk", flat=True)[:COUNTED]))
    listed = DoNotCall.objects.filter(number__in=written.exact).count()
    if listed:
        found.parts.append(("do-not-call entries (become a keyed hash)", listed))
    return found


def _parts(calls: list[int]) -> list[tuple[str, int]]:
    counted = [
        (str(part.model._meta.verbose_name_plural), part.rows(calls).count())
        for part in reversed(personal.parts())
        if part.how in (personal.How.CALL, personal.How.EMPTIED)
    ]
    return [(words, n) for words, n in counted if n]
