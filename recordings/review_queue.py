"""Which call a reviewer takes next. The queue is a filter over the calls nobody has reviewed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from django.db.models import F, Q, QuerySet

from recordings import reviews
from recordings.models import Review
from recordings.reading import Viewer
from telephony.lifecycle import CallState
from telephony.models import Call
from telephony.visible import within_projects

ORDERS = {"newest": "Newest first", "oldest": "Oldest first", "worst": "Low quality first"}
DAYS = {1: "Today and yesterday", 7: "7 days", 30: "30 days", 90: "90 days"}
COUNTED = 1000  # more are “more than that”
PRIME = 65519
_TRIES = 20  # others may take the same calls at the same moment


@dataclass(frozen=True, slots=True)
class Wish:
    """What a reviewer wants to see. What makes no sense in an address falls back."""

    project: int | None = None
    order: str = "newest"
    days: int = 30
    percent: int = 100

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Self:
        project = _number(told.get("project"), 0, 2**31)
        order = str(told.get("order", ""))
        days = _number(told.get("days"), 1, 90) or 30
        return cls(
            project=project or None,
            order=order if order in ORDERS else "newest",
            days=days if days in DAYS else 30,
            percent=_number(told.get("percent"), 1, 100) or 100,
        )

    def told(self) -> dict[str, Any]:
        return asdict(self)


def _number(text: Any, least: int, most: int) -> int | None:
    shown = str(text or "")
    if not (shown.isascii() and shown.isdigit() and len(shown) <= 10):
        return None
    return int(shown) if least <= int(shown) <= most else None


def waiting(wish: Wish, *, user: Viewer, now: datetime) -> QuerySet[Call]:
    """Unreviewed calls somebody answered, of those the user sees, in the wanted order."""
    taken = Q(review__state__in=[Review.State.TAKEN, Review.State.DONE])
    forgotten = Q(review__state=Review.State.TAKEN, review__taken_at__lt=now - reviews.FORGOTTEN)
    found = Call.objects.filter(
        within_projects(user),
        ~taken | forgotten,
        state=CallState.ENDED,
        answered_at__isnull=False,
        started_at__gt=now - timedelta(days=wish.days),
    )
    if wish.project:
        found = found.filter(project=wish.project)
    if wish.percent < 100:
        # the same calls for every reviewer and no pattern in time: cubes modulo this prime are
        # a permutation
        place = F("pk") % PRIME
        scattered = found.alias(spot=place * place % PRIME * place % PRIME)
        found = scattered.filter(spot__lt=PRIME * wish.percent // 100)
    return found.order_by(*_order(wish.order))


def _order(order: str) -> list[Any]:
    if order == "oldest":
        return ["started_at", "pk"]
    if order == "worst":
        return [F("insight__quality").asc(nulls_last=True), "-started_at", "-pk"]
    return ["-started_at", "-pk"]


def take_next(*, wish: Wish, user: Viewer, now: datetime) -> Call | None:
    """The first call of the queue which nobody took before us."""
    for call in waiting(wish, user=user, now=now)[:_TRIES]:
        if reviews.take(call_id=call.pk, user=user, now=now):
            return call
    return None


def length(wish: Wish, *, user: Viewer, now: datetime) -> int:
    """How many wait; counting stops beyond COUNTED."""
    return waiting(wish, user=user, now=now).order_by()[: COUNTED + 1].count()
