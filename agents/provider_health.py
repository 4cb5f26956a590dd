"""Which providers the workers know to be down. They write it (agents/worker/chain/health.py)."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import redis
from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from redis.backoff import NoBackoff
from redis.retry import Retry

from agents.models import ProviderAccount

KEY = "cc:providers:down"
WAIT_S = 0.3  # a page is not held up for this
FORGOTTEN = timedelta(minutes=1)  # so long after its time nobody comes to probe any more


@dataclass(frozen=True, slots=True, kw_only=True)
class Down:
    account: str  # its name
    provider: str  # slug
    reason: str
    since: datetime
    probe_at: datetime

    def words(self, now: datetime) -> str:
        reason = self.reason.replace("_", " ")
        return f"down since {_clock(self.since, now)} ({reason}), {self._probe(now)}"

    def _probe(self, now: datetime) -> str:
        if self.probe_at < now - FORGOTTEN:
            return "nobody probes it any more"
        return f"next probe {_clock(self.probe_at, now)}"


def words(account: ProviderAccount, down: list[Down] | None, now: datetime) -> str:
    """For the list of accounts. One account may be down with several models."""
    if down is None:
        return "unknown"
    wanted = (account.name, account.provider)
    first = next((one for one in down if (one.account, one.provider) == wanted), None)
    return first.words(now) if first else "no failure"


def who_is_down() -> list[Down] | None:
    """The longest down first; None: Redis is away, so nobody knows."""
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=WAIT_S, socket_connect_timeout=WAIT_S,
            retry=Retry(NoBackoff(), 0),
        ) as client:  # fmt: skip
            raw: Mapping[Any, Any] = client.hgetall(KEY)  # type: ignore[assignment]
    except (redis.RedisError, OSError):
        return None
    return sorted(_read(raw.values()), key=lambda one: one.since)


def _read(values: Any) -> Iterator[Down]:
    """A fact which another release wrote otherwise is left out."""
    for value in values:
        try:
            fact = json.loads(value)
            yield Down(
                account=str(fact["name"]), provider=str(fact["provider"]),
                reason=str(fact["reason"]), since=_moment(fact["since"]),
                probe_at=_moment(fact["probe_at"]),
            )  # fmt: skip
        except (ValueError, TypeError, KeyError, OverflowError):
            continue


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _clock(moment: datetime, now: datetime) -> str:
    """With its day unless it is today."""
    here = timezone.localtime(moment)
    is_today = here.date() == timezone.localtime(now).date()
    return date_format(here, "H:i" if is_today else "j M H:i")
