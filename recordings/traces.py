"""What is here about a number beside its calls' own parts, and taking it away.

Each of these looks at a whole table once, in pieces, and may be repeated.
"""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import CharField, F, Model, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Concat

from agents import seal
from recordings import personal
from recordings.models import StoreFinding
from telephony import anonymous, erased
from telephony.models import (
    CallerRule,
    CarrierCall,
    DoNotCall,
    IdempotentAnswer,
    InboundEvent,
    LegalHold,
    OutboundCall,
)
from telephony.models_legs import Leg
from telephony.written import GONE, Written

CHUNK = 2000  # rows looked at by one statement


def take_away(written: Written, *, now: datetime) -> dict[str, int]:
    """Returns how many of each, in words for the certificate."""
    found = {words: step(written, now) for words, step in _STEPS.items()}
    for model in (one for one in apps.get_models() if personal.how(one) is personal.How.SCRUBBED):
        found[f"{model._meta.verbose_name_plural}: mentions"] = scrub(model, written)
    return found


def outbound(written: Written) -> "QuerySet[OutboundCall]":
    return OutboundCall.objects.filter(to__in=written.exact)


def events(written: Written) -> Iterator[int]:
    """Stored hooks in whose payload or error it stands. `payload` is looked at as text: carriers
    put numbers wherever they like."""
    texts = {"told": Cast("payload", TextField()), "said": F("error")}
    for rows in _pieces(InboundEvent.objects.all()):
        hinted = rows.alias(**texts).filter(_hinted(written, texts))
        for pk, payload, error in hinted.values_list("pk", "payload", "error"):
            if written.is_in(f"{json.dumps(payload, ensure_ascii=False)}\n{error}"):
                yield pk


def scrub(model: type[Model], written: Written) -> int:
    """Take the number out of all words of a table."""
    columns = [one.attname for one in personal.words_of(model)]
    texts = {f"text_{name}": Cast(name, TextField()) for name in columns}
    count = 0
    for rows in _pieces(model._base_manager.all()):
        for row in rows.alias(**texts).filter(_hinted(written, texts)):
            changes = {name: _without(getattr(row, name), written) for name in columns}
            changes = {n: value for n, value in changes.items() if value != getattr(row, n)}
            if changes:
                model._base_manager.filter(pk=row.pk).update(**changes)
                count += 1
    return count


def _without(value: Any, written: Written) -> Any:
    if isinstance(value, str):
        return written.out_of(value)
    if isinstance(value, list):
        return [_without(one, written) for one in value]
    if isinstance(value, dict):
        return {_without(k, written): _without(v, written) for k, v in value.items()}
    return value


def _hinted(written: Written, texts: dict[str, Any]) -> Q:
    found = Q(pk=None)
    for name in texts:
        for hint in written.hints:
            found |= Q(**{f"{name}__icontains": hint})
    return found


def _pieces(rows: "QuerySet[Any]") -> Iterator["QuerySet[Any]"]:
    """By ranges of keys, so that no statement holds on to a large table for long."""
    last: Any = rows.order_by("pk").values_list("pk", flat=True).first()
    while last is not None:
        piece = rows.filter(pk__gte=last).order_by("pk").values_list("pk", flat=True)
        keys = list(piece[: CHUNK + 1])
        last = keys[CHUNK] if len(keys) > CHUNK else None
        yield rows.filter(pk__gte=keys[0], pk__lte=keys[min(len(keys), CHUNK) - 1])


# --- one step for each table ----------------------------------------------------------------------


def _outbound(written: Written, now: datetime) -> int:
    return anonymous.anonymise_wishes(outbound(written))


def _legs(written: Written, now: datetime) -> int:
    """Legs of other people's calls: he was the one they were put through to."""
    rows = Leg.objects.filter(remote__in=written.exact, call__ended_at__isnull=False)
    return rows.update(
        remote="", sip_call_id="", sip_full_id="", carrier_id="",
        identity=Concat(Value(f"{GONE}_"), Cast("pk", CharField())),
    )  # fmt: skip


def _carrier_calls(written: Written, now: datetime) -> int:
    rows = CarrierCall.objects.filter(Q(caller__in=written.exact) | Q(called__in=written.exact))
    rows = rows.filter(Q(call=None) | Q(call__ended_at__isnull=False))
    erased.note(map(erased.carriers_name, rows.values_list("carrier_id", flat=True)), now=now)
    return rows.delete()[0]


def _events(written: Written, now: datetime) -> int:
    """Of calls which are on they are still to be handled: those come with the next look."""
    pks = list(events(written))
    for begin in range(0, len(pks), CHUNK):
        part = InboundEvent.objects.filter(pk__in=pks[begin : begin + CHUNK])
        part.update(payload={}, error="")
        part.filter(handled_at=None).update(handled_at=now)
    return len(pks)


def _rules(written: Written, now: datetime) -> int:
    if not written.is_number:
        return 0
    return CallerRule.objects.filter(digits=written.text[1:], is_prefix=False).delete()[0]


def _notes(written: Written, now: datetime) -> int:
    """Words beside rules and numbers of other people."""
    return sum(scrub(model, written) for model in (CallerRule, DoNotCall))


def _suppressed(written: Written, now: datetime) -> int:
    listed = list(DoNotCall.objects.filter(number__in=written.exact))
    for row in listed:
        erased.suppress(written.text, since=row.since, now=now)
    return DoNotCall.objects.filter(pk__in=[row.pk for row in listed]).delete()[0]


def _answers(written: Written, now: datetime) -> int:
    """They are kept for a day, sealed; so each is opened."""
    gone = []
    for pk, sealed in IdempotentAnswer.objects.values_list("pk", "sealed_answer").iterator():
        try:
            text = seal.unseal(sealed, keys=settings.SEAL_KEYS)
        except seal.SealBroken:
            text = ""
        if written.is_in(text):
            gone.append(pk)
    return IdempotentAnswer.objects.filter(pk__in=gone).delete()[0]


def _findings(written: Written, now: datetime) -> int:
    """Objects in the store which belong to no call of ours are named after their caller."""
    strangers = StoreFinding.objects.filter(call=None)
    texts = {"key": F("object_key")}
    gone = [
        row.pk
        for rows in _pieces(strangers)
        for row in rows.alias(**texts).filter(_hinted(written, texts))
        if written.is_in(row.object_key)
    ]
    return StoreFinding.objects.filter(pk__in=gone).delete()[0]


def _holds(written: Written, now: datetime) -> int:
    """Of holds which are over; one in force would have refused the erasure."""
    lifted = LegalHold.objects.filter(number__in=written.exact)
    return lifted.update(number=GONE) + scrub(LegalHold, written)


def _sessions(written: Written, now: datetime) -> int:
    """What somebody typed and has not sent yet. He has to log in again."""
    gone = [
        row.pk
        for row in Session.objects.filter(expire_date__gte=now).iterator()
        if written.is_in(json.dumps(row.get_decoded(), default=str))
    ]
    return Session.objects.filter(pk__in=gone).delete()[0]


_STEPS: dict[str, Callable[[Written, datetime], int]] = {
    "calls we were to make": _outbound,
    "legs of other calls": _legs,
    "calls as carriers tell of them": _carrier_calls,
    "stored hooks": _events,
    "caller rules": _rules,
    "do-not-call entries, now a keyed hash": _suppressed,
    "notes": _notes,
    "answers of the API": _answers,
    "lifted legal holds": _holds,
    "sessions": _sessions,
    "findings about stray objects": _findings,
}
