"""Celery's edge for reviews: pictures of sound, and reviews nobody finished."""

import logging
from datetime import timedelta
from typing import Any

from celery import Task, shared_task
from django.core.cache import cache
from django.utils import timezone
from kombu.exceptions import OperationalError

from recordings import reviews, soundshapes, wiring
from recordings.errors import StoreRefused, StoreUnavailable

log = logging.getLogger(__name__)
RECENT = timedelta(days=3)  # older ones are drawn when somebody opens their call
AT_ONCE = 50
QUEUED_S = 900


# decoding three hours takes longer than other tasks may
@shared_task(bind=True, acks_late=True, max_retries=4, time_limit=900)
def draw_sound(self: "Task[Any, Any]", /, *, recording_id: int, **_newer: object) -> None:
    """A second run finds the picture of the same object."""
    try:
        soundshapes.build_shape(
            recording_id=recording_id, bucket=wiring.bucket(), now=timezone.now()
        )
    except StoreUnavailable as trouble:
        raise self.retry(exc=trouble, countdown=2**self.request.retries) from trouble
    except StoreRefused as refusal:
        log.warning("A sound could not be drawn", extra={"reason": str(refusal)})


def queue_drawing(recording_id: int) -> None:
    """Unless it was queued a moment ago: a long one takes longer than a sweep's interval."""
    if not cache.add(f"drawing:{recording_id}", 1, timeout=QUEUED_S):
        return
    try:
        draw_sound.delay(recording_id=recording_id)
    except OperationalError:  # the broker is away; a page is none the worse for it
        log.warning("A sound could not be queued", extra={"recording": recording_id})
        cache.delete(f"drawing:{recording_id}")


@shared_task
def sweep_reviews(**_newer: object) -> None:
    """What got lost between the other tasks. A second run finds everything done."""
    now = timezone.now()
    reviews.release_forgotten(now=now)
    for recording_id in soundshapes.missing(since=now - RECENT, most=AT_ONCE):
        queue_drawing(recording_id)
