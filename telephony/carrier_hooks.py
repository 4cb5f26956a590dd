"""Carriers' hooks at the door: whose address it is, whether it is genuine, what was wrong."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.urls import reverse

from agents import seal
from telephony import carriers
from telephony.models import CarrierHook

EVENT = "carrier_call"  # the name of what is stored of them
HEARD_EVERY = timedelta(seconds=30)  # how exactly “last heard” is kept: no write for each hook
REFUSED_EVERY = timedelta(seconds=10)

_CARRIERS = carriers.known()


def address(hook: CarrierHook) -> str:
    """What the carrier must be given."""
    path = reverse("carrier-hook", args=[hook.token])
    return f"{settings.PUBLIC_URL.rstrip('/')}{path}"


def find(token: str) -> CarrierHook | None:
    return CarrierHook.objects.filter(token=token, enabled=True).first()


def read(
    hook: CarrierHook, body: bytes, headers: Mapping[str, str], *, url: str, now: datetime
) -> list[tuple[str, str, dict[str, Any]]]:
    """What to store of a hook, as `inbox.store` takes it. Raises carriers.Refused, SealBroken.

    The name of an event begins with its hook: who holds one hook's secret can neither forge nor
    use up the events of another.
    """
    carrier = _CARRIERS[hook.kind]
    secret = seal.unseal(hook.sealed_secret, keys=settings.SEAL_KEYS)
    if not secret:
        raise carriers.BadSignature(f"No {carrier.key_name.lower()} is entered here.")
    carrier.verify(body, headers, url=url, secret=secret, now=now)
    told = carrier.normalise(body, now=now, mapping=hook.mapping)
    return [
        (
            _event_id(hook, event),
            EVENT,
            {"hook": hook.pk, "kind": hook.kind, "event": event.plain()},
        )
        for event in told
    ]


def _event_id(hook: CarrierHook, event: carriers.CarrierEvent) -> str:
    name = event.event_id
    if len(name) > 40 or not name.isascii():
        name = carriers.fingerprint(name.encode())
    return f"carrier:{hook.pk}:{name}"


def note_heard(hook: CarrierHook, *, now: datetime) -> None:
    if hook.seen_at is None or now - hook.seen_at > HEARD_EVERY:
        CarrierHook.objects.filter(pk=hook.pk).update(seen_at=now)


def note_refusal(hook: CarrierHook, reason: str, *, now: datetime) -> None:
    """For the supervisor's page. A flood of wrong hooks is not a flood of writes."""
    lately = Q(refused_at__gt=now - REFUSED_EVERY, refusal=reason)
    CarrierHook.objects.filter(pk=hook.pk).exclude(lately).update(refused_at=now, refusal=reason)
