"""Forgets what outside systems told us long ago: their hooks, and calls as carriers tell of them.

Both hold callers' numbers. Rows are written in the order of their keys, so the old ones stand first
and are found without an index on their moments, which every hook would have to pay for.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet, TextField, Value
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce

from telephony import holds
from telephony.models import Call, CarrierCall, InboundEvent

CHUNK = 1000  # rows deleted by one statement: nobody waits long for its locks
MOST = 50  # chunks of one run


def forget_old(*, now: datetime) -> bool:
    """Handled events (others are still somebody's work) and carriers' calls, but what a legal hold
    keeps. Whether there is more to delete: then run it again."""
    hooks = now - timedelta(days=settings.HOOKS_KEEP_DAYS)
    calls = now - timedelta(days=settings.CARRIER_CALLS_KEEP_DAYS)
    old_hooks = InboundEvent.objects.filter(received_at__lt=hooks, handled_at__isnull=False)
    old_calls = CarrierCall.objects.filter(heard_at__lt=calls)
    if held := holds.in_force(now):
        rooms = list(Call.objects.filter(held.of_calls()).values_list("room", flat=True))
        room = Coalesce(
            KT("payload__room__name"), Value("", TextField())
        )  # of a NULL, SQL excludes everything
        old_hooks = old_hooks.alias(room=room).exclude(room__in=rooms)
        old_calls = old_calls.exclude(pk__in=CarrierCall.objects.filter(held.of_calls("call__")))
    more_hooks = _forget(InboundEvent.objects.all(), old_hooks, hooks, "received_at")
    more_calls = _forget(CarrierCall.objects.all(), old_calls, calls, "heard_at")
    return more_hooks or more_calls


def _forget(rows: QuerySet, mine: QuerySet, before: datetime, moment: str) -> bool:  # type: ignore[type-arg]
    """Goes through the keys until a chunk ends with a row which is young enough."""
    last = deleted = 0
    for _ in range(MOST):
        chunk = list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", moment)[:CHUNK])
        if not chunk:
            return False
        keys = [pk for pk, _ in chunk]
        deleted += mine.filter(pk__range=(keys[0], keys[-1])).delete()[0]
        last, youngest = chunk[-1]
        if youngest >= before:
            return False
    return deleted > 0
