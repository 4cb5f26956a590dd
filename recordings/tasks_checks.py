"""Celery's edge of long work in slices: checks of the store, exports. Swallows unknown words."""

import logging

from celery import shared_task
from django.utils import timezone

from recordings import exports, rollup, storecheck, wiring
from recordings.errors import StoreUnavailable
from recordings.models import CallCost, Export, StoreCheck
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


@shared_task(acks_late=True)
def go_on_exporting(*, export_id: int, **_newer: object) -> None:
    """As `go_on_checking`."""
    try:
        more = exports.go_on(
            export_id=export_id, bucket=wiring.bucket(), now=timezone.now(), until=Until()
        )
    except StoreUnavailable as away:
        log.warning("An export has to wait", extra={"reason": str(away)})
        return
    if more:
        go_on_exporting.delay(export_id=export_id)


@shared_task
def expire_exports(**_newer: object) -> None:
    """A second run finds no more."""
    exports.expire(bucket=wiring.bucket(), now=timezone.now())


@shared_task
def roll_up_missed(**_newer: object) -> None:
    """Calls counted by an older release. A second run finds no more."""
    missed = CallCost.objects.filter(call__counted_in=None).order_by("-pk")
    for call_id in missed.values_list("call", flat=True)[:2000]:
        rollup.roll_up(call_id=call_id)


@shared_task
def sweep_checks(**_newer: object) -> None:
    """Runs and exports nobody is at: their process was killed, or the store was away."""
    for pk in Export.objects.due(timezone.now()).values_list("pk", flat=True)[:5]:
        go_on_exporting.delay(export_id=pk)
    due = StoreCheck.objects.due(timezone.now()).values_list("pk", flat=True)
    for pk in due[:5]:
        go_on_checking.delay(check_id=pk)
