"""What workers hand in: journal entries and recordings. Edges only."""

import json
import re
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from agents.entries import Entry
from agents.internal import for_workers
from recordings import journal, services, wiring
from recordings.errors import (
    BadEntries,
    ObjectWrong,
    SecondRecording,
    StoreRefused,
    StoreUnavailable,
    UploadUnderWay,
)
from recordings.lifecycle import RecordingState
from recordings.models import JournalEntry, Recording
from telephony.models import Call

ROOM = r"[^\s/\x00-\x1f\x7f\ud800-\udfff]{1,128}"
JOURNAL = r"[\w-]{1,64}"
BODY_LIMIT = settings.DATA_UPLOAD_MAX_MEMORY_SIZE


class BadRequest(Exception):
    """The text says what is wrong with the body."""


def _body(request: HttpRequest) -> dict[str, Any]:
    text = request.read(BODY_LIMIT + 1)
    if len(text) > BODY_LIMIT:
        raise BadRequest(f"The body has more than {BODY_LIMIT} bytes. Send smaller batches.")
    try:
        body = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as reason:
        raise BadRequest("The body is no JSON.") from reason
    if not isinstance(body, dict):
        raise BadRequest("The body is no object.")
    return body


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON.")


def _text(body: dict[str, Any], name: str, pattern: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise BadRequest(f"{name} is missing or malformed.")
    return value


def _count(body: dict[str, Any], name: str, most: int) -> int:
    value = body.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise BadRequest(f"{name} is missing or malformed.")
    return value


def _entries(body: dict[str, Any]) -> list[Entry]:
    raw = body.get("entries")
    if not isinstance(raw, list):
        raise BadRequest("entries is missing or no list.")
    try:
        return [Entry.from_dict(each) for each in raw]
    except ValueError as reason:
        raise BadRequest(str(reason)) from reason


def _no(status: int, reason: object) -> JsonResponse:
    return JsonResponse({"error": str(reason)}, status=status)


@for_workers
@require_POST
def take_journal(request: HttpRequest) -> HttpResponse:
    try:
        body = _body(request)
        acked = journal.take_entries(
            journal=_text(body, "journal", JOURNAL),
            room=_text(body, "room", ROOM),
            entries=_entries(body),
            now=timezone.now(),
        )
    except (BadRequest, BadEntries) as reason:
        return _no(400, reason)
    return JsonResponse({"acked": acked})


@for_workers
@require_POST
def offer_recording(request: HttpRequest) -> HttpResponse:
    try:
        body = _body(request)
        room = _text(body, "room", ROOM)
        facts: dict[str, Any] = {
            "sha256": _text(body, "sha256", r"[0-9a-f]{64}"),
            "content_type": _text(body, "content_type", r"audio/[\w.+-]{1,40}"),
            "size": _count(body, "size", 5 * 2**30),
            "duration_ms": _count(body, "duration_ms", 2**31 - 1),
            "starts_ms": _count(body, "starts_ms", 2**31 - 1),
        }
        name = _text(body, "journal", JOURNAL)
    except BadRequest as reason:
        return _no(400, reason)
    call = Call.objects.filter(room=room).first()
    if call is None or not JournalEntry.objects.filter(call=call, journal=name).exists():
        # its journal is on the way: an upload may overtake it
        return _no(503, "This journal has not arrived yet. Try again.")
    facts["starts_ms"] += JournalEntry.objects.shifts(call.pk).get(name, 0)
    try:
        recording, link = services.offer_upload(
            call_id=call.pk, facts=facts, bucket=wiring.bucket(), now=timezone.now()
        )
    except SecondRecording as reason:
        return _no(400, reason)
    except (StoreUnavailable, UploadUnderWay) as reason:
        return _no(503, reason)
    if link is None:
        return JsonResponse({"id": recording.pk, "state": recording.state})
    return JsonResponse(
        {
            "id": recording.pk,
            "state": recording.state,
            "upload": {"url": link.url, "headers": link.headers},
        }
    )


@for_workers
@require_POST
def uploaded(request: HttpRequest, pk: int) -> HttpResponse:
    """With the file's `sha256`; workers of older releases do not tell it."""
    try:
        body = _body(request)
        sha256 = _text(body, "sha256", r"[0-9a-f]{64}") if "sha256" in body else ""
        recording = services.close_recording(
            recording_id=pk, bucket=wiring.bucket(), now=timezone.now(), sha256=sha256
        )
    except BadRequest as reason:
        return _no(400, reason)
    except Recording.DoesNotExist:
        return _no(404, f"There is no recording {pk}.")
    except ObjectWrong as wrong:
        return _no(409, wrong)
    except (StoreUnavailable, StoreRefused) as reason:
        return _no(503, reason)
    return JsonResponse({"state": RecordingState(recording.state).value})
