"""Stubs of erased calls and numbers: what comes late for them is refused, and never stored again.

A call which was erased still has a worker with its journal, a store with an upload under way, and
carriers who tell of it a day later. Each of them names the room, or the carrier's own id.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.utils.crypto import salted_hmac

from telephony.errors import CallErased
from telephony.models import ErasedName, SuppressedNumber

_SALT = "contactcenter.erased"


def digest(name: str) -> str:
    return _digest(name, settings.SECRET_KEY)


def _digest(name: str, key: str) -> str:
    return salted_hmac(_SALT, name, secret=key, algorithm="sha256").hexdigest()


def _digests(name: str) -> list[str]:
    """Also by the keys which were in use before."""
    return [_digest(name, key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


def note(names: Iterable[str], *, now: datetime) -> None:
    """May be repeated."""
    rows = [ErasedName(digest=digest(name), at=now) for name in names if name]
    ErasedName.objects.bulk_create(rows, ignore_conflicts=True)


def is_erased(name: str) -> bool:
    return bool(name) and ErasedName.objects.filter(digest__in=_digests(name)).exists()


def refuse(room: str) -> None:
    """Raises CallErased."""
    if is_erased(room):
        raise CallErased


def carriers_name(carrier_id: str) -> str:
    """So that a carrier's id is not mistaken for a room."""
    return f"carrier:{carrier_id}" if carrier_id else ""


def names_in(payload: Mapping[str, Any]) -> list[str]:
    """The rooms and carriers' ids an event tells of."""
    found = []
    for part, name in (("room", "name"), ("egress", "room")):
        value = payload.get(part)
        if isinstance(value, Mapping) and value.get(name):
            found.append(str(value[name]))
    event = payload.get("event")
    if isinstance(event, Mapping) and event.get("carrier_id"):
        found.append(carriers_name(str(event["carrier_id"])))
    return found


def is_of_erased(payload: Mapping[str, Any]) -> bool:
    return any(is_erased(name) for name in names_in(payload))


def suppress(number: str, *, since: datetime, now: datetime) -> None:
    """Nobody may call it, and nobody can read it any more."""
    SuppressedNumber.objects.get_or_create(
        digest=digest(f"number:{number}"), defaults={"since": since, "erased_at": now}
    )


def suppressed(numbers: Iterable[str]) -> dict[str, datetime]:
    """Which of these may not be called, and since when."""
    by_digest = {one: number for number in numbers for one in _digests(f"number:{number}")}
    rows = SuppressedNumber.objects.filter(digest__in=list(by_digest))
    return {by_digest[digest]: since for digest, since in rows.values_list("digest", "since")}
