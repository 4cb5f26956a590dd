"""Celery's edge of ingress: keywords in, one service call."""

import logging
from typing import Any

from celery import Task, shared_task
from django.utils import timezone

from telephony import ingress_push, wiring
from telephony.errors import GatewayUnavailable

log = logging.getLogger(__name__)

LEASE_S = 100


@shared_task(bind=True, max_retries=4, name="telephony.tasks.push_ingress")
def push_ingress(self: "Task[Any, Any]", /, **_newer: object) -> None:
    """After a form was saved, a hook, or the end of a call. A second run finds no difference."""
    try:
        with wiring.single_flight("ingress", lease_s=LEASE_S, wait_s=10) as mine:
            if mine:
                ingress_push.sync(now=timezone.now(), gateway=wiring.gateway())
                return
    except GatewayUnavailable as trouble:
        raise self.retry(exc=trouble, countdown=2**self.request.retries) from trouble
    raise self.retry(countdown=2)


@shared_task(name="telephony.tasks.audit_ingress")
def audit_ingress(**_newer: object) -> None:
    """Repair drift, and ask what hooks lost. Steps aside for a push which is running."""
    with wiring.single_flight("ingress", lease_s=LEASE_S, wait_s=0) as mine:
        if not mine:
            return
        try:
            ingress_push.sync(now=timezone.now(), gateway=wiring.gateway())
        except GatewayUnavailable as trouble:
            log.warning("LiveKit is away", extra={"reason": str(trouble)})
