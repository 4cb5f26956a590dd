"""Keywords in, one service call, retry policy; nothing else."""

import logging
from typing import Any

from celery import Task, shared_task
from django.utils import timezone

from telephony import edge_sync, inbox, push, watch, wiring
from telephony.errors import EdgeUnavailable, GatewayUnavailable

log = logging.getLogger(__name__)

PUSH_LEASE_S = 100  # below the task time limit: whoever holds it longer has died


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
    """A call to a number nobody here has. A second run finds its room gone."""
    _unless_away(watch.refuse_unknown, call_id=call_id)


def _unless_away(service: Any, **arguments: object) -> None:
    """LiveKit away is no error of a periodic task: rows say so, and the next beat asks again."""
    try:
        service(now=timezone.now(), gateway=wiring.gateway(), **arguments)
    except GatewayUnavailable as trouble:
        log.warning("LiveKit is away", extra={"reason": str(trouble)})
