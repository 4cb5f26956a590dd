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
from recordings import consents, forgetting, journal, pauses, services, wiring
from recordings.errors import (
    BackupTooEarly,
    BadEntries,
    ObjectWrong,
    SecondRecording,
    StoreRefused,
    StoreUnavailable,
    UploadUnderWay,
)
from recordings.lifecycle import RecordingState
from recordings.models import JournalEntry, Recording
from recordings.models_keeping import Kind
from telephony import erased
from telephony import wiring as telephony
from telephony.errors import CallErased
from telephony.models import Call

ROOM = r"[^\s/\x00-\x1f\x7f\ud800-\udfff]{1,128}"
JOURNAL = r"[\w-]{1,64}"
BODY_LIMIT = settings.DATA_UPLOAD_MAX_MEMORY_SIZE


class BadRequest(Exception):
    """The text says what is wrong with the body."""


def _body(request: HttpRequest) -> dict[str, Any]:
    return parsed(request, BODY_LIMIT)


def parsed(request: HttpRequest, limit: int) -> dict[str, Any]:
    """Raises BadRequest."""
    text = request.read(limit + 1)
    if len(text) > limit:
        raise BadRequest(f"The body has more than {limit} bytes. Send smaller batches.")
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
    except CallErased as reason:
        return _no(410, reason)
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
    if forgetting.is_gone(call, Kind.AUDIO, room=room):
        return _no(410, CallErased())
    if call is None or not JournalEntry.objects.filter(call=call, journal=name).exists():
        # its journal is on the way: an upload may overtake it
        return _no(503, "This journal has not arrived yet. Try again.")
    if consents.is_refused(call.pk):  # its worker throws it away
        return JsonResponse({"id": 0, "state": "unwanted"})
    facts["starts_ms"] += JournalEntry.objects.shifts(call.pk).get(name, 0)
    try:
        recording, link = services.offer_upload(
            call_id=call.pk, facts=facts, bucket=wiring.bucket(), now=timezone.now()
        )
    except SecondRecording as reason:
        return _no(400, reason)
    except (StoreUnavailable, StoreRefused, BackupTooEarly, UploadUnderWay) as reason:
        return _no(503, reason)
    if link is None:
        return JsonResponse({"id": recording.pk, "state": recording.state})
    return JsonResponse(
        {
            "id": recording.pk,
            "state": RecordingState.UPLOADING.value,  # a backup, while egress' file is stored
            "upload": {"url": link.url, "headers": link.headers},
        }
    )


MOST_ROOMS = 500


@for_workers
@require_POST
def which_are_erased(request: HttpRequest) -> HttpResponse:
    """A worker has files lying aside, and asks which of their rooms are to be thrown away."""
    try:
        rooms = _body(request).get("rooms")
    except BadRequest as reason:
        return _no(400, reason)
    if not isinstance(rooms, list) or len(rooms) > MOST_ROOMS:
        return _no(400, f"rooms is missing, or has more than {MOST_ROOMS}.")
    gone = [room for room in rooms if isinstance(room, str) and erased.is_erased(room)]
    return JsonResponse({"erased": gone})


@for_workers
@require_POST
def pause_egress(request: HttpRequest) -> HttpResponse:
    """`{"room", "what": begin | end}`: is LiveKit's egress of this call still, or on again?"""
    try:
        body = _body(request)
        room, what = _text(body, "room", ROOM), _text(body, "what", r"begin|end")
    except BadRequest as reason:
        return _no(400, reason)
    done = pauses.pause(
        room=room, begin=what == "begin", now=timezone.now(), recorder=telephony.gateway()
    )
    return JsonResponse({"done": done})


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
    except Recording.DoesNotExist:  # deleted: whoever offers it again hears whether for good
        return _no(409, f"There is no recording {pk} (any more). Offer it again.")
    except ObjectWrong as wrong:
        return _no(409, wrong)
    except (StoreUnavailable, StoreRefused) as reason:
        return _no(503, reason)
    return JsonResponse({"state": RecordingState(recording.state).value})
