"""Forgets what outside systems told us long ago: their hooks, and calls as carriers tell of them.

Both hold callers' numbers. Rows are written in the order of their keys, so the old ones stand first
and are found without an index on their moments, which every hook would have to pay for.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import QuerySet

from telephony.models import CarrierCall, InboundEvent

CHUNK = 1000  # rows deleted by one statement: nobody waits long for its locks
MOST = 50  # chunks of one run


def forget_old(*, now: datetime) -> bool:
    """Handled events (others are still somebody's work) and carriers' calls. Whether there is
    more to delete: then run it again."""
    hooks = now - timedelta(days=settings.HOOKS_KEEP_DAYS)
    calls = now - timedelta(days=settings.CARRIER_CALLS_KEEP_DAYS)
    more_hooks = _forget(
        InboundEvent.objects.all(),
        InboundEvent.objects.filter(received_at__lt=hooks, handled_at__isnull=False),
        hooks, "received_at",
    )  # fmt: skip
    more_calls = _forget(
        CarrierCall.objects.all(), CarrierCall.objects.filter(heard_at__lt=calls), calls, "heard_at"
    )
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
