"""What is told to other systems: kinds of events, and the rows which will carry them out.

An event and its deliveries are written in the transaction of the change they tell of; they are
sent after the commit. Other apps register their own kinds in their `ready()`.
"""

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from telephony import events, tasks
from telephony.later import after_commit
from telephony.models import Call, Delivery, OutgoingEvent, Subscription

VERSION = 1  # of the payload
TEST = "webhook.test"
More = Callable[[Call], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Kind:
    """One type of event: what it is called, and what is told beside the call itself."""

    type: str
    words: str
    more: More | None = None
    at: Callable[[Call], datetime | None] | None = None  # when it happened, if not now


_kinds: dict[str, Kind] = {}


def register(kind: Kind, *, on: str) -> None:
    """Tell subscribers of `kind` whenever the event `on` is emitted, whose payload has `call`."""
    if kind.type in _kinds:
        return
    _kinds[kind.type] = kind

    def handler(*, payload: Mapping[str, Any]) -> None:
        tell(kind, call_id=payload["call"])

    events.on(on, handler)


def kinds() -> dict[str, str]:
    """The types one can subscribe to, in words."""
    return {kind.type: kind.words for kind in _kinds.values()}


def tell(kind: Kind, *, call_id: int) -> OutgoingEvent | None:
    """Write down what happened for all who want to hear it; None if nobody does.

    Needs a transaction. The call's row is locked, so that the order of its events is one.
    """
    hearers = [s for s in Subscription.objects.filter(enabled=True) if kind.type in s.events]
    if not hearers:
        return None
    call = Call.objects.select_for_update().filter(pk=call_id).first()
    if call is None:
        return None
    last = OutgoingEvent.objects.filter(call=call).aggregate(last=Max("sequence"))["last"] or 0
    data = {"sequence": last + 1, "call": describe(call)} | (kind.more(call) if kind.more else {})
    happened = (kind.at and kind.at(call)) or timezone.now()
    event = _write(kind.type, data, at=happened, call=call, sequence=last + 1)
    _address(event, hearers)
    return event


@transaction.atomic
def tell_test(*, subscription: Subscription) -> Delivery:
    """An event of no call, for this one subscription."""
    event = _write(TEST, {"message": "This is a test."}, at=timezone.now(), call=None, sequence=0)
    return _address(event, [subscription])[0]


def describe(call: Call) -> dict[str, Any]:
    """A call as subscribers and the API see it."""
    return {
        "id": call.pk,
        "room": call.room,
        "direction": call.direction,
        "state": call.state,
        "end_reason": call.end_reason,
        "caller": call.caller,
        "called": call.called,
        "project_id": call.project_id,
        "project": call.project.slug if call.project else None,
        "trunk_id": call.trunk_id,
        "number_id": call.number_id,
        "handover_requested": call.handover_requested,
        "started_at": _iso(call.started_at),
        "answered_at": _iso(call.answered_at),
        "ended_at": _iso(call.ended_at),
    }


def _write(
    type_: str, data: dict[str, Any], *, at: datetime, call: Call | None, sequence: int
) -> OutgoingEvent:
    told = {"type": type_, "timestamp": _iso(at), "version": VERSION, "data": data}
    return OutgoingEvent.objects.create(
        uid=f"evt_{uuid.uuid4().hex}",
        type=type_,
        call=call,
        sequence=sequence,
        body=json.dumps(told, ensure_ascii=False, separators=(",", ":")),
        created_at=timezone.now(),
    )


def _address(event: OutgoingEvent, hearers: list[Subscription]) -> list[Delivery]:
    """Whoever fails at the moment is left to the sweep, which asks him now and then."""
    due = event.created_at
    rows = [Delivery(event=event, subscription=s, next_try_at=due) for s in hearers]
    Delivery.objects.bulk_create(rows)
    for row, hearer in zip(rows, hearers, strict=True):
        if hearer.failing_since is None or event.type == TEST:
            after_commit(tasks.send_delivery.delay, pk=row.pk)
    return rows


def _iso(at: datetime | None) -> str | None:
    return at.isoformat().replace("+00:00", "Z") if at else None
