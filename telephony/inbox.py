"""Handles stored events: all handlers of one event or none, again and again until it works."""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from telephony import events
from telephony.models import InboundEvent

log = logging.getLogger(__name__)


def handle_event(*, pk: int, now: datetime) -> bool:
    """Run the handlers of one event. Handling it again does nothing; returns whether it was done.

    What fails stays in the table with its reason, and is tried again later and later, so that one
    bad event stops neither itself for ever nor the others.
    """
    try:
        with transaction.atomic():
            event = InboundEvent.objects.select_for_update().filter(pk=pk).first()
            if event is None or event.handled_at:
                return False
            events.emit(event.name, payload=event.payload)
            InboundEvent.objects.filter(pk=pk).update(handled_at=now, error="")
    except Exception as reason:
        _put_back(pk, now, f"{type(reason).__name__}: {reason}")
        log.exception("event not handled", extra={"event": pk})
        return False
    return True


def _put_back(pk: int, now: datetime, error: str) -> None:
    mine = InboundEvent.objects.filter(pk=pk)
    attempts = mine.values_list("attempts", flat=True).first() or 0
    wait = timedelta(seconds=10 * 2**attempts)
    mine.update(attempts=F("attempts") + 1, error=error[:2000], try_after=now + wait)


def due_events(*, now: datetime, limit: int = 200) -> list[int]:
    """Events nobody handled in time, oldest first."""
    due = InboundEvent.objects.due(now).order_by("received_at", "pk")
    return list(due.values_list("pk", flat=True)[:limit])
