"""Long work in slices: Celery ends a task after two minutes, and processes are killed.

Whoever has the lease of a row works for a while, notes how far he came, and gives it back. A lease
which ran out is anybody's.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from recordings.models_checks import Sliced, SlicedQuerySet

LEASE = timedelta(seconds=150)  # longer than Celery lets a task live
SLICE_S = 45.0


class Until:
    """Says when a slice is over. Always at least one step is made."""

    def __init__(self, seconds: float = SLICE_S, *, clock: Callable[[], float] = time.monotonic):
        self._clock, self._end = clock, clock() + seconds

    @property
    def over(self) -> bool:
        return self._clock() >= self._end


def take(rows: SlicedQuerySet[Any], *, now: datetime) -> bool:
    """The lease of the one row of `rows`; False if somebody else has it or it is closed."""
    taken = rows.due(now).update(leased_until=now + LEASE, state=Sliced.State.RUNNING, error="")
    return taken == 1


def give_back(rows: SlicedQuerySet[Any]) -> None:
    rows.update(leased_until=None)


def finish(rows: SlicedQuerySet[Any], *, state: str, now: datetime, error: str = "") -> bool:
    """False if it was closed before (cancelled)."""
    over = rows.filter(state__in=Sliced.OPEN).update(
        state=state, finished_at=now, leased_until=None, error=error
    )
    return over == 1
