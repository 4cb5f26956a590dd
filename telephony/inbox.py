"""Takes events in and handles them: all handlers of one or none, until it works."""

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from telephony import erased, events
from telephony.models import InboundEvent

log = logging.getLogger(__name__)

MOST_AT_ONCE = 200  # handled by one task
SWEEP_AFTER = timedelta(seconds=30)  # a queued event is handled within ms; later the sweep takes it
_ROW = "(%s, %s, %s, %s, %s, %s, 0, '')"
# One statement, where the ORM's get_or_create takes five (SELECT, SAVEPOINT, INSERT …). Both our
# databases know it, and it alone tells which of the events are new.
_INSERT = """
    INSERT INTO {table} (event_id, name, payload, received_at, try_after, handled_at,
        attempts, error)
    VALUES {rows} ON CONFLICT (event_id) DO NOTHING RETURNING id, handled_at
"""


def store(told: Sequence[tuple[str, str, Mapping[str, Any]]], *, now: datetime) -> list[int]:
    """Store events, each once: `(event id, name, payload)`. The keys of those to be handled: which
    are new, and mean something to somebody. (Half of LiveKit's hooks tell of tracks.)

    They are on disk when this returns, unless a transaction is open.
    """
    if not told:
        return []
    adapt = connection.ops.adapt_datetimefield_value
    values: list[Any] = []
    for event_id, name, payload in told:
        done = None if events.handlers(name) else adapt(now)
        times = [adapt(now), adapt(now + SWEEP_AFTER), done]
        values += [event_id, name, json.dumps(payload), *times]
    table = connection.ops.quote_name(InboundEvent._meta.db_table)
    sql = _INSERT.format(table=table, rows=", ".join([_ROW] * len(told)))
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [pk for pk, handled_at in cursor.fetchall() if handled_at is None]


def handle_event(*, pk: int, now: datetime) -> bool:
    """Run the handlers of one event. Handling it again does nothing; returns whether it was done.

    What fails stays in the table with its reason, and is tried again later and later, so that one
    bad event stops neither itself for ever nor the others.
    """
    try:
        with transaction.atomic():
            mine = InboundEvent.objects.select_for_update(
                skip_locked=connection.features.has_select_for_update_skip_locked
            )
            event = mine.filter(pk=pk).first()  # none: somebody is at it
            if event is None or event.handled_at:
                return False
            if erased.is_of_erased(event.payload):
                mine.filter(pk=pk).update(payload={}, handled_at=now, error="")
                return True
            events.emit(event.name, payload=event.payload)
            InboundEvent.objects.filter(pk=pk).update(handled_at=now, error="")
    except Exception as reason:
        _put_back(pk, now, f"{type(reason).__name__}: {reason}")
        log.exception("event not handled", extra={"event": pk})
        return False
    return True


def waiting_events() -> list[int]:
    """Events nobody has tried to handle yet, oldest first."""
    fresh = InboundEvent.objects.filter(handled_at=None, attempts=0).order_by("try_after", "pk")
    return list(fresh.values_list("pk", flat=True)[:MOST_AT_ONCE])


def _put_back(pk: int, now: datetime, error: str) -> None:
    mine = InboundEvent.objects.filter(pk=pk)
    attempts = mine.values_list("attempts", flat=True).first() or 0
    wait = timedelta(seconds=10 * 2**attempts)
    mine.update(attempts=F("attempts") + 1, error=error[:2000], try_after=now + wait)


def due_events(*, now: datetime, limit: int = 200) -> list[int]:
    """Events nobody handled in time, oldest first."""
    due = InboundEvent.objects.due(now).order_by("received_at", "pk")
    return list(due.values_list("pk", flat=True)[:limit])
