"""Celery's edge of keeping and forgetting."""

import logging
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from recordings import keeping, requests, wiring
from recordings.errors import StoreRefused, StoreUnavailable

log = logging.getLogger(__name__)

AT_A_TIME = timedelta(seconds=60)  # then other tasks have their turn
EXPORT_LIMIT_S = 3600  # thousands of recordings go through this one


@shared_task(name="recordings.tasks.keep")
def keep(**_newer: object) -> None:
    """What is older than the rules say. A second run goes on where the first one stopped."""
    now = timezone.now()
    try:
        more = keeping.run(bucket=wiring.bucket(), now=now, until=now + AT_A_TIME)
    except (StoreUnavailable, StoreRefused) as trouble:
        log.warning("Retention has to wait", extra={"reason": str(trouble)})
        return
    if more:
        keep.delay()


@shared_task(name="recordings.tasks.work_request", time_limit=EXPORT_LIMIT_S)
def work_request(*, request_id: int, **_newer: object) -> None:
    """A piece of what a caller asked for. A second run finds it leased, or done."""
    now = timezone.now()
    if requests.work(request_id=request_id, bucket=wiring.bucket(), now=now):
        work_request.delay(request_id=request_id)


@shared_task(name="recordings.tasks.sweep_requests")
def sweep_requests(**_newer: object) -> None:
    """Requests which wait for something. A second run finds them leased."""
    try:
        due = requests.sweep(bucket=wiring.bucket(), now=timezone.now())
    except (StoreUnavailable, StoreRefused) as trouble:
        log.warning("Callers' requests have to wait", extra={"reason": str(trouble)})
        return
    for request_id in due:
        work_request.delay(request_id=request_id)
