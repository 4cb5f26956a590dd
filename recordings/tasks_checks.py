"""Celery's edge of long work in slices: checks of the store. Unknown keywords are swallowed."""

import logging

from celery import shared_task
from django.utils import timezone

from recordings import storecheck, wiring
from recordings.errors import StoreUnavailable
from recordings.models import StoreCheck
from recordings.slices import Until

log = logging.getLogger(__name__)


@shared_task(acks_late=True)
def go_on_checking(*, check_id: int, **_newer: object) -> None:
    """A second run at once finds the lease taken; a later one goes on where this one ended."""
    try:
        more = storecheck.go_on(
            check_id=check_id, bucket=wiring.bucket(), now=timezone.now(), until=Until()
        )
    except StoreUnavailable as away:  # the sweep asks again
        log.warning("A check of the store has to wait", extra={"reason": str(away)})
        return
    if more:
        go_on_checking.delay(check_id=check_id)


@shared_task
def check_nightly(**_newer: object) -> None:
    """A second run finds the check of the first."""
    now = timezone.now()
    storecheck.forget(now=now)
    if check := storecheck.request_nightly(now=now):
        go_on_checking.delay(check_id=check.pk)


@shared_task
def sweep_checks(**_newer: object) -> None:
    """Runs nobody is at: their process was killed, or the store was away."""
    due = StoreCheck.objects.due(timezone.now()).values_list("pk", flat=True)
    for pk in due[:5]:
        go_on_checking.delay(check_id=pk)
