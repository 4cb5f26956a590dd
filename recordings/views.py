"""What a supervisor's browser asks for: the sound of a call, and the call page while it changes."""

import logging
from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from recordings import access_log, parts, reading, stores, wiring
from recordings.access_log import What
from recordings.errors import ObjectWrong, StoreRefused, StoreUnavailable
from recordings.lifecycle import RecordingState
from recordings.models import Recording, RecordingPart
from telephony.models import Call
from telephony.visible import within_projects

log = logging.getLogger(__name__)


@never_cache
@require_GET
@login_required
def play(request: HttpRequest, pk: int) -> HttpResponse:
    """Sends the browser to a link which is good for five minutes. Every use is logged."""
    _require(request, "recordings.view_recording")
    recording = get_object_or_404(
        Recording.objects.filter(within_projects(request.user, "call__")).select_related(
            "call", "store"
        ),
        pk=pk,
    )
    if recording.state != RecordingState.STORED:
        words = reading.recording_words(recording, is_open=recording.call.ended_at is None)
        return _unavailable(request, recording, words, status=404)
    try:
        answer = _answer(recording)
    except StoreUnavailable as away:
        return _unavailable(request, recording, str(away), status=503)
    except (StoreRefused, ObjectWrong) as wrong:
        return _unavailable(request, recording, str(wrong), status=502)
    _log_access(request, recording)
    return answer


@never_cache
@require_GET
@login_required
def play_part(request: HttpRequest, pk: int, n: int) -> HttpResponse:
    """One of the files a recording is made of."""
    _require(request, "recordings.view_recording")
    part = get_object_or_404(
        RecordingPart.objects.select_related("recording__call", "recording__store"),
        recording=pk, n=n, state=RecordingPart.State.STORED,
    )  # fmt: skip
    recording = part.recording
    recording.object_key, recording.content_type = part.object_key, part.content_type
    try:
        answer = _answer(recording)
    except StoreUnavailable as away:
        return _unavailable(request, recording, str(away), status=503)
    except (StoreRefused, ObjectWrong) as wrong:
        return _unavailable(request, recording, str(wrong), status=502)
    _log_access(request, recording)
    return answer


@never_cache
@require_GET
@login_required
def fragment(request: HttpRequest, pk: int) -> HttpResponse:
    """The inside of the call page, for a page which is open already."""
    _require(request, "telephony.view_call")
    page = page_of(request, pk)
    if page.lines:  # the page asks again and again while a call is on
        access_log.note_look(
            user=request.user, what=What.TRANSCRIPT, call=page.call, request=request
        )
    return render(request, "recordings/call_fragment.html", {"page": page})


def page_of(request: HttpRequest, pk: int) -> reading.CallPage:
    call = get_object_or_404(
        Call.objects.select_related("project", "recording", "transcript", "forgotten").filter(
            within_projects(request.user)
        ),
        pk=pk,
    )
    return reading.call_page(call=call, viewer=request.user, now=timezone.now())


def _answer(recording: Recording) -> HttpResponse:
    """Making a link asks nobody, so the store is asked first whether it has the object.

    A list of pieces is no good without a link for each of them.
    """
    bucket = stores.bucket_of(recording, default=wiring.bucket())
    bucket.head(recording.object_key)
    if recording.content_type == parts.HLS:
        listed = stores.playlist(recording, bucket=bucket)
        return HttpResponse(listed, content_type=parts.HLS)
    link = bucket.play_link(recording.object_key, content_type=recording.content_type)
    return HttpResponseRedirect(link)


def _require(request: HttpRequest, permission: str) -> None:
    if not reading.may(request.user, permission):
        raise PermissionDenied


def _log_access(request: HttpRequest, recording: Recording) -> None:
    access_log.note(user=request.user, what=What.PLAY, call=recording.call_id, request=request)
    log.info(
        "recording opened",
        extra={
            "user_id": request.user.pk,
            "call_id": recording.call_id,
            "recording_id": recording.pk,
            "pii.user": request.user.get_username(),
        },
    )


def _unavailable(
    request: HttpRequest, recording: Recording, words: str, *, status: int
) -> HttpResponse:
    log.warning(
        "recording cannot be played", extra={"recording_id": recording.pk, "status": status}
    )
    context: dict[str, Any] = admin.site.each_context(request) | {
        "title": "This recording cannot be played",
        "words": words,
        "back": reverse("admin:telephony_call_change", args=[recording.call_id]),
        "may_read": reading.may(request.user, "telephony.view_call"),
    }
    return render(request, "recordings/unavailable.html", context, status=status)
