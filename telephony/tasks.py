"""Keywords in, one service call, retry policy; nothing else."""

import logging
from typing import Any

from celery import Task, shared_task
from django.core.cache import cache
from django.utils import timezone

from telephony import (
    carrier_calls,
    delivering,
    edge_sync,
    idempotency,
    inbox,
    orders,
    push,
    retention,
    testline,
    watch,
    wiring,
)
from telephony.errors import EdgeUnavailable, GatewayRefused, GatewayUnavailable

log = logging.getLogger(__name__)

SOON_S = 2.0  # what waits no longer than this is not left to the sweep
PUSH_LEASE_S = 100  # below the task time limit: whoever holds it longer has died


_WAITING = "events-waiting"
_NOTICE_S = 5  # a notice nobody took in time is given again with the next event


def events_wait() -> None:
    """Have stored events handled. While a notice is on its way, another one would say nothing new:
    under load most hooks cost one look at Redis instead of a task each."""
    if not cache.add(_WAITING, 1, timeout=_NOTICE_S):
        return
    try:
        handle_waiting.delay()
    except Exception:
        cache.delete(_WAITING)
        raise


@shared_task(acks_late=True)
def handle_waiting(**_newer: object) -> None:
    """The notice is taken down first: what is stored after that gives a new one, and what was
    stored before is seen here. Several of these at once share the events."""
    cache.delete(_WAITING)
    waiting = inbox.waiting_events()
    for pk in waiting:
        inbox.handle_event(pk=pk, now=timezone.now())
    if len(waiting) == inbox.MOST_AT_ONCE:
        events_wait()


@shared_task(acks_late=True)
def handle_event(*, pk: int, **_newer: object) -> None:
    """A second run finds the event handled."""
    inbox.handle_event(pk=pk, now=timezone.now())


@shared_task
def sweep_events(**_newer: object) -> None:
    """Handle what was stored but never handled; a second run finds it handled."""
    now = timezone.now()
    for pk in inbox.due_events(now=now):
        inbox.handle_event(pk=pk, now=now)


@shared_task(acks_late=True)
def send_delivery(*, pk: int, **_newer: object) -> None:
    """A second run finds the delivery claimed, or no longer due."""
    delivering.send(delivery_id=pk, now=timezone.now())


@shared_task
def sweep_deliveries(**_newer: object) -> None:
    """Whatever is due by now, and what a dead sender left. Each is claimed before it is sent."""
    now = timezone.now()
    delivering.release_lost(now=now)
    for pk in delivering.due(now=now):
        send_delivery.delay(pk=pk)


@shared_task
def forget_told(**_newer: object) -> None:
    """Old webhooks and old answers of the API. A second run finds less."""
    now = timezone.now()
    delivering.forget_old(now=now)
    idempotency.forget_old(now=now)


@shared_task
def forget_hooks(**_newer: object) -> None:
    """What outside systems told long ago. A second run finds less."""
    if retention.forget_old(now=timezone.now()):
        forget_hooks.delay()


@shared_task(bind=True, max_retries=4)
def push_now(self: "Task[Any, Any]", /, **_newer: object) -> None:
    """After a form was saved. Compares before it changes anything, so a second run does nothing."""
    try:
        with wiring.single_flight("push", lease_s=PUSH_LEASE_S, wait_s=20) as mine:
            if mine:
                push.push(now=timezone.now(), gateway=wiring.gateway())
                return
    except GatewayUnavailable as trouble:
        raise self.retry(exc=trouble, countdown=2**self.request.retries) from trouble
    raise self.retry(countdown=2)


@shared_task
def audit(**_newer: object) -> None:
    """Repair drift. Steps aside for a push which is running; the next beat looks again."""
    with wiring.single_flight("push", lease_s=PUSH_LEASE_S, wait_s=0) as mine:
        if mine:
            _unless_away(push.push)


@shared_task
def sync_edge(**_newer: object) -> None:
    """Tell the SIP edge who may call and as whom to register, and ask how that goes. Compares
    first, so a second run does nothing."""
    if not edge_sync.enabled():
        return
    with wiring.single_flight("edge", lease_s=PUSH_LEASE_S, wait_s=5) as mine:
        if mine:
            try:
                edge_sync.sync(now=timezone.now(), edge=wiring.edge())
            except EdgeUnavailable as trouble:
                log.warning("the SIP edge is away", extra={"reason": str(trouble)})


@shared_task
def reconcile_calls(**_newer: object) -> None:
    """Ask LiveKit what hooks lost. Every step is a conditional update, so it may repeat."""
    with wiring.single_flight("reconcile", lease_s=60, wait_s=0) as mine:
        if mine:
            _unless_away(watch.reconcile_calls)


@shared_task
def watch_call(*, call_id: int, **_newer: object) -> None:
    """Is somebody answering this caller? Looks first, and claims before it dispatches."""
    _unless_away(watch.watch_call, call_id=call_id)


@shared_task
def refuse_call(*, call_id: int, **_newer: object) -> None:
    """A call which nobody here answers. A second run finds its room gone."""
    _unless_away(watch.refuse_unknown, call_id=call_id)


@shared_task
def test_call(**_newer: object) -> None:
    """Asked for on a page, which shows what `testline.last` remembers. Never repeated."""
    testline.run(now=timezone.now())


@shared_task
def join_carrier_call(*, carrier_call_id: int, **_newer: object) -> None:
    """A second run finds it joined."""
    carrier_calls.look_again(carrier_call_id=carrier_call_id)


@shared_task(bind=True, max_retries=4)
def end_call(self: "Task[Any, Any]", /, *, call_id: int, **_newer: object) -> None:
    """The room of a call which a supervisor has ended. A second run finds it gone."""
    try:
        watch.close_room(call_id=call_id, gateway=wiring.gateway())
    except GatewayUnavailable as trouble:
        raise self.retry(exc=trouble, countdown=2**self.request.retries) from trouble


@shared_task
def deliver_transfers(**_newer: object) -> None:
    """Tell workers which calls supervisors want elsewhere. A claim succeeds once, so repeat it."""
    _unless_away(orders.deliver_waiting)


@shared_task
def deliver_pauses(**_newer: object) -> None:
    """Tell workers whose recording is to pause. A claim succeeds once, so repeat it."""
    from telephony import pauses  # it queues us

    _unless_away(pauses.deliver_waiting)


def _unless_away(service: Any, **arguments: object) -> None:
    """LiveKit away is no error of a periodic task: rows say so, and the next beat asks again."""
    try:
        service(now=timezone.now(), gateway=wiring.gateway(), **arguments)
    except GatewayUnavailable as trouble:
        log.warning("LiveKit is away", extra={"reason": str(trouble)})


@shared_task
def place_call(*, outbound_id: int, **_newer: object) -> None:
    """Begin a call which is due. A second run finds it begun; the sweep comes again anyway."""
    from telephony import outbound  # it queues us

    now = timezone.now()
    try:
        blocked = outbound.place(outbound_id=outbound_id, now=now, gateway=wiring.gateway())
    except (GatewayUnavailable, GatewayRefused) as trouble:
        log.warning("a call could not begin", extra={"reason": str(trouble)})
        return
    if blocked and (wait_s := (blocked.until - now).total_seconds()) < SOON_S:
        place_call.apply_async(kwargs={"outbound_id": outbound_id}, countdown=max(wait_s, 0.1))


@shared_task
def hang_up_call(*, outbound_id: int, **_newer: object) -> None:
    """A call which was called off. A second run finds its room gone."""
    from telephony import outbound

    _unless_away(outbound.hang_up, outbound_id=outbound_id)


@shared_task
def sweep_outbound(**_newer: object) -> None:
    """Calls which are due, and those of which nobody told the end. Each step is conditional."""
    from telephony import outbound, outbound_ends

    _unless_away(outbound_ends.sweep)
    for outbound_id in outbound.due(now=timezone.now()):
        place_call.delay(outbound_id=outbound_id)
