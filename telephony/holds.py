"""Legal holds: what nobody may delete, whoever asks. Few rows, so they are read as a whole."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q

from telephony.errors import Held
from telephony.models import Call, CallerRule, DoNotCall, LegalHold, OutboundCall
from telephony.shapes import Misshapen
from telephony.written import Written


@dataclass(frozen=True, slots=True)
class Holds:
    calls: frozenset[int]
    numbers: frozenset[str]  # in all ways of writing them

    def __bool__(self) -> bool:
        return bool(self.calls or self.numbers)

    def cover(self, call: Call) -> bool:
        return call.pk in self.calls or not self.numbers.isdisjoint({call.caller, call.called})

    def of_calls(self, prefix: str = "") -> Q:
        """Rows whose call is held; `prefix` leads to the call, as `call__`."""
        by_number = Q(**{f"{prefix}caller__in": self.numbers})
        by_number |= Q(**{f"{prefix}called__in": self.numbers})
        return Q(**{f"{prefix}pk__in": self.calls}) | by_number


def in_force(now: datetime) -> Holds:
    rows = LegalHold.objects.in_force(now).values_list("call", "number")
    found = list(rows)
    written = {form for _, number in found if number for form in Written(number).exact}
    return Holds(frozenset(call for call, _ in found if call), frozenset(written))


def hindrance(written: Written, *, now: datetime) -> str:
    """Why nothing of this number may be erased. Empty: nothing hinders it."""
    forms = written.exact
    mine = Q(number__in=forms) | Q(call__caller__in=forms) | Q(call__called__in=forms)
    hold = LegalHold.objects.in_force(now).filter(mine).order_by("pk").first()
    return _words(hold) if hold else ""


def hinders(row: Any, *, now: datetime) -> str:
    """Why this row may not be deleted by hand. Empty: it may."""
    calls, numbers = _subject(row)
    try:
        forms = [form for number in numbers if number for form in Written.of(number).exact]
    except Misshapen:
        forms = [*numbers]
    mine = Q(call__in=calls) | Q(number__in=forms)
    hold = LegalHold.objects.in_force(now).filter(mine).order_by("pk").first()
    return _words(hold) if hold else ""


def require_free(rows: Iterable[Any], *, now: datetime) -> None:
    """Raises Held."""
    for row in rows:
        if words := hinders(row, now=now):
            raise Held(words)


def _subject(row: Any) -> tuple[list[int], list[str]]:
    """The calls and numbers a row is about."""
    if isinstance(row, CallerRule):
        return [], [] if row.is_prefix else [f"+{row.digits}"]
    if isinstance(row, DoNotCall):
        return [], [row.number]
    if isinstance(row, OutboundCall):
        return [row.call_id] if row.call_id else [], [row.to]
    call = row if isinstance(row, Call) else getattr(row, "call", None)
    return ([call.pk], [call.caller, call.called]) if isinstance(call, Call) else ([], [])


def _words(hold: LegalHold) -> str:
    until = f" until {hold.until:%Y-%m-%d}" if hold.until else ""
    return (
        f"Legal hold {hold.pk}{until} ({hold.reason}) keeps this. Whoever placed it "
        f"({hold.placed_by}) or an administrator has to lift it first."
    )
