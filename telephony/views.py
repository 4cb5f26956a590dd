"""Hooks of LiveKit and carriers: verify, store, queue, answer. Their meaning is decided later."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from agents.seal import SealBroken
from telephony import carrier_hooks, inbox, tasks, webhook
from telephony.carriers import NotUnderstood, Refused
from telephony.later import after_commit
from telephony.together import Together

log = logging.getLogger(__name__)

LIMIT = 256 * 1024  # bytes; the largest hook seen has 2 kB


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
        _livekit_hooks.do((event["id"], event["event"], event))
    except DatabaseError:
        log.exception("hook not stored, LiveKit is asked to repeat it")
        return HttpResponse(status=503)
    return HttpResponse(status=204)


@csrf_exempt
@require_POST
def carrier_webhook(request: HttpRequest, token: str) -> HttpResponse:
    """Answers 5xx only for trouble of ours. An event which was heard before is heard politely:
    carriers repeat what they are not sure of."""
    now = timezone.now()
    try:
        return _carrier(request, token, now)
    except (DatabaseError, SealBroken):
        log.exception("hook not stored, the carrier is asked to repeat it")
        return HttpResponse(status=503)


def _carrier(request: HttpRequest, token: str, now: datetime) -> HttpResponse:
    hook = carrier_hooks.find(token)
    if hook is None:
        return HttpResponse(status=404)
    body = _body(request)
    if body is None:
        carrier_hooks.note_refusal(hook, f"The hook is larger than {LIMIT} bytes.", now=now)
        return HttpResponse(status=413)
    url = settings.PUBLIC_URL.rstrip("/") + request.get_full_path()
    try:
        told = carrier_hooks.read(hook, body, request.headers, url=url, now=now)
    except Refused as reason:
        log.warning("carrier's hook refused", extra={"hook": hook.pk})
        carrier_hooks.note_refusal(hook, str(reason), now=now)
        return HttpResponse(status=400 if isinstance(reason, NotUnderstood) else 401)
    _store(told, now)
    carrier_hooks.note_heard(hook, now=now)
    # 200, not 204: Telnyx and Plivo document that they want exactly that
    return HttpResponse(content_type="text/plain")


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


Told = tuple[str, str, Mapping[str, Any]]


def _store(told: Sequence[Told], now: datetime) -> None:
    if inbox.store(told, now=now):
        # robust: the events are stored, and without a broker the sweep hands them on
        after_commit(tasks.events_wait)


# those of this process which come at the same moment: one INSERT, one notice
_livekit_hooks: Together[Told] = Together(lambda told: _store(told, timezone.now()))
