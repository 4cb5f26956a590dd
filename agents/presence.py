"""When a worker last asked us something. Kept in the cache, and not missed when that is away."""

import contextlib
from datetime import datetime

from django.core.cache import cache

KEY, KEPT_S = "agents:worker-seen", 3600


def seen(now: datetime) -> None:
    with contextlib.suppress(Exception):  # whatever the cache raises: the worker gets its answer
        cache.set(KEY, now, KEPT_S)


def last_seen() -> datetime | None:
    with contextlib.suppress(Exception):
        found: datetime | None = cache.get(KEY)
        return found
    return None
