"""The hook of LiveKit: verify, store, queue, answer. What it means is decided later."""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from telephony import tasks, webhook
from telephony.later import after_commit
from telephony.models import InboundEvent

log = logging.getLogger(__name__)

LIMIT = 256 * 1024  # bytes; the largest hook seen has 2 kB
SWEEP_AFTER = timedelta(seconds=30)  # a queued event is handled within ms; later the sweep takes it


@csrf_exempt
@require_POST
def livekit_webhook(request: HttpRequest) -> HttpResponse:
    """Answers 5xx only for trouble of ours: LiveKit repeats those, and nothing else."""
    now = timezone.now()
    body = _body(request)
    if body is None:
        log.warning("hook refused: body too large")
        return HttpResponse(status=413)
    try:
        event = webhook.verified(
            body,
            request.headers.get("Authorization", ""),
            now=now,
            key=settings.LIVEKIT_API_KEY,
            secret=settings.LIVEKIT_API_SECRET,
        )
    except webhook.BadSignature:
        log.warning("hook refused: not signed by our LiveKit")
        return HttpResponse(status=401)
    try:
        with transaction.atomic():
            _store(event, now)
    except DatabaseError:
        log.exception("hook not stored, LiveKit is asked to repeat it")
        return HttpResponse(status=503)
    return HttpResponse(status=204)


def _body(request: HttpRequest) -> bytes | None:
    """The body, or None if it is too large; the rest of a large one is never read."""
    declared = request.META.get("CONTENT_LENGTH") or ""
    if declared.isdigit():
        if int(declared) > LIMIT:
            return None
        return request.body
    # chunked: Django would see an empty body, the server beneath knows where it ends
    if not request.META.get("wsgi.input_terminated"):
        return b""
    body: bytes = request.META["wsgi.input"].read(LIMIT + 1)
    return body if len(body) <= LIMIT else None


def _store(event: dict[str, Any], now: datetime) -> None:
    stored, is_new = InboundEvent.objects.get_or_create(
        event_id=event["id"],
        defaults={
            "name": event["event"],
            "payload": event,
            "received_at": now,
            "try_after": now + SWEEP_AFTER,
        },
    )
    if is_new:
        # robust: the event is stored, and without a broker the sweep hands it on
        after_commit(tasks.handle_event.delay, pk=stored.pk)
