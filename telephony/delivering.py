"""Brings deliveries to their subscribers: claimed, posted, tried later and later, given up."""

import logging
import random
import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, QuerySet

from agents import seal
from telephony import holds, hook_door, hook_signature
from telephony.hook_door import Outcome
from telephony.models import Delivery, OutgoingEvent, Subscription
from telephony.models_outgoing import DeliveryState

log = logging.getLogger(__name__)

# after each failed attempt; together about a day, then it is given up
WAITS_S = (5, 30, 120, 600, 1800, 3600, 7200, 14_400, 21_600, 36_000)
JITTER = 0.2  # of a wait, either way, so that what failed together does not return together
LONGEST_RETRY_AFTER_S = 3600
CLAIM_S = 60  # a sender needs 10 s; whoever holds a claim longer has died
OFF_AFTER = timedelta(days=3)
KEPT = timedelta(days=30)
AT_ONCE = 200  # deliveries queued by one sweep
GONE = 410
AGENT = "contactcenter-webhooks/1"


def send(*, delivery_id: int, now: datetime) -> bool:
    """Try a delivery once if it is due and nobody else does; return whether it was taken."""
    claim = uuid.uuid4().hex
    mine = Delivery.objects.due(now).filter(pk=delivery_id)
    if not mine.update(
        state=DeliveryState.SENDING, claim=claim, claimed_at=now, attempts=F("attempts") + 1
    ):
        return False
    delivery = Delivery.objects.select_related("event", "subscription").get(pk=delivery_id)
    outcome = _post(delivery, now)
    return note(delivery, outcome, claim=claim, now=now) and not outcome.error


def _post(delivery: Delivery, now: datetime) -> Outcome:
    hook, event = delivery.subscription, delivery.event
    body = event.body.encode()
    try:
        keys = _keys(hook, now)
    except seal.SealBroken:
        return Outcome(None, "Its secret cannot be opened: SEAL_KEY has changed. Make a new one.")
    headers = hook_signature.headers(
        uid=event.uid, timestamp=int(now.timestamp()), body=body, keys=keys
    )
    return hook_door.post(
        hook.url,
        body=body,
        headers=headers | {"User-Agent": AGENT},
        private=settings.WEBHOOK_PRIVATE_NETWORKS,
    )


def _keys(hook: Subscription, now: datetime) -> list[str]:
    sealed = [hook.sealed_secret]
    if hook.sealed_previous_secret and hook.previous_until and now < hook.previous_until:
        sealed.append(hook.sealed_previous_secret)
    return [seal.unseal(one, keys=settings.SEAL_KEYS) for one in sealed]


def note(delivery: Delivery, outcome: Outcome, *, claim: str, now: datetime) -> bool:
    """Write down how an attempt went; False if the claim was lost meanwhile."""
    changes: dict[str, object] = {"claim": "", "last_status": outcome.status}
    if not outcome.error:
        changes |= {
            "state": DeliveryState.DELIVERED, "delivered_at": now, "error": "", "next_try_at": None,
        }  # fmt: skip
    elif delivery.attempts > len(WAITS_S) or outcome.status == GONE:
        changes |= {"state": DeliveryState.DEAD, "error": outcome.error, "next_try_at": None}
    else:
        wait = timedelta(seconds=_wait_s(delivery.attempts, outcome.retry_after_s))
        changes |= {
            "state": DeliveryState.PENDING, "error": outcome.error, "next_try_at": now + wait,
        }  # fmt: skip
    mine = Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.SENDING, claim=claim)
    if not mine.update(**changes):
        return False
    _note_health(delivery.subscription_id, outcome, now, dead=changes["state"] == "dead")
    return True


def _wait_s(attempts: int, retry_after_s: int) -> float:
    usual = WAITS_S[attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    return max(usual, min(retry_after_s, LONGEST_RETRY_AFTER_S))


def _note_health(hook_id: int, outcome: Outcome, now: datetime, *, dead: bool) -> None:
    """Since when it fails; whoever fails for long, or wants no more, is switched off."""
    hook = Subscription.objects.filter(pk=hook_id)
    if not outcome.error:
        hook.exclude(failing_since=None).update(failing_since=None)
        return
    hook.filter(failing_since=None).update(failing_since=now)
    if outcome.status == GONE:
        _switch_off(hook, "It answered 410 Gone: it wants no more webhooks.", now)
    elif dead:
        failing = hook.filter(failing_since__lte=now - OFF_AFTER)
        _switch_off(failing, f"It took nothing for {OFF_AFTER.days} days. {outcome.error}", now)


def _switch_off(hook: QuerySet[Subscription], reason: str, now: datetime) -> None:
    words = (
        f"{reason} Switched off on {now:%Y-%m-%d %H:%M} UTC. Mend the receiver, then switch it on "
        f"again: what still waits is sent then, what was given up can be sent again."
    )
    if hook.filter(enabled=True).update(enabled=False, off_reason=words):
        log.warning("a webhook was switched off", extra={"reason": reason})


def due(*, now: datetime) -> list[int]:
    """What to send now, oldest first. Of who fails at the moment only one delivery is tried, so
    that waiting for him keeps no task from its work."""
    waiting = Delivery.objects.due(now).order_by("next_try_at", "pk")
    well = Subscription.objects.filter(failing_since=None)
    ids = list(waiting.filter(subscription__in=well).values_list("pk", flat=True)[:AT_ONCE])
    for hook in Subscription.objects.filter(enabled=True).exclude(failing_since=None):
        ids += waiting.filter(subscription=hook).values_list("pk", flat=True)[:1]
    return ids


def release_lost(*, now: datetime) -> int:
    """What a sender took and never brought back is tried again at once."""
    lost = Delivery.objects.lost(now - timedelta(seconds=CLAIM_S))
    return lost.update(state=DeliveryState.PENDING, claim="", next_try_at=now)


def replay(rows: QuerySet[Delivery], *, now: datetime) -> list[int]:
    """Send again what was given up or delivered, with a full set of attempts. Same webhook-id."""
    over = rows.filter(state__in=[DeliveryState.DEAD, DeliveryState.DELIVERED])
    moved = []
    for pk in over.values_list("pk", flat=True):
        mine = Delivery.objects.filter(
            pk=pk, state__in=[DeliveryState.DEAD, DeliveryState.DELIVERED]
        )
        if mine.update(state=DeliveryState.PENDING, attempts=0, next_try_at=now, delivered_at=None):
            moved.append(pk)
    return moved


def forget_old(*, now: datetime, most: int = 5000) -> int:
    """Events of more than 30 days ago, with their deliveries; the rest next time."""
    old = OutgoingEvent.objects.filter(created_at__lt=now - KEPT).order_by("created_at")
    if held := holds.in_force(now):
        old = old.exclude(pk__in=OutgoingEvent.objects.filter(held.of_calls("call__")))
    ids = list(old.values_list("pk", flat=True)[:most])
    Delivery.objects.filter(event__in=ids).delete()
    deleted, _ = OutgoingEvent.objects.filter(pk__in=ids).delete()
    return deleted
