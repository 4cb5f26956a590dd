"""Links to one call for colleagues. Whoever opens one is staff, and each use is noted."""

from dataclasses import replace
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from recordings import access_log, reading, sharing, wiring
from recordings.errors import ObjectWrong, StoreRefused, StoreUnavailable
from recordings.lifecycle import RecordingState
from recordings.models import Recording, ShareLink
from recordings.review_page import may_widen, origin_of
from recordings.reviews import ReviewError
from recordings.services import playable_url
from recordings.views_review import (
    admin_page,
    answer,
    is_fetched,
    moment,
    needs,
    page_url,
    shape_of,
)
from telephony import shapes
from telephony.models import Call


@require_POST
@needs("recordings.add_sharelink")
def add(request: HttpRequest, pk: int) -> HttpResponse:
    call = get_object_or_404(Call.objects.select_related("recording"), pk=pk)
    hours = request.POST.get("hours", "")
    widens = request.POST.get("widens") == "yes"
    if widens and not may_widen(request.user):
        raise PermissionDenied
    try:
        at = moment(request.POST.get("at", ""))
    except ReviewError as wrong:
        return answer(request, call, str(wrong), ok=False)
    link, token = sharing.share(
        call_id=pk,
        user=request.user,
        hours=int(hours) if hours.isdecimal() and len(hours) < 5 else 24,
        at_ms=None if at is None else at + origin_of(call),
        widens=widens,
        now=timezone.now(),
    )
    how = "may read and hear" if widens else "with own permissions"
    access_log.note(user=request.user, what="share link made", call=call, how=f"{link.pk}, {how}")
    url = request.build_absolute_uri(reverse("recordings:shared", args=[token]))
    if is_fetched(request):
        return answer(request, call, "The link is made.", made_url=url, made=link)
    # not by way of a message: the token belongs in no cookie and no session
    return admin_page(
        request, "recordings/share_made.html",
        title="The link is made", made_url=url, made=link, back=page_url(pk),
    )  # fmt: skip


@require_POST
@needs("recordings.add_sharelink")
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    link = get_object_or_404(ShareLink.objects.select_related("call"), pk=pk)
    done = sharing.revoke(link_id=pk, user=request.user, now=timezone.now())
    if done:
        access_log.note(user=request.user, what="share link revoked", call=link.call, how=str(pk))
    words = "The link opens nothing any more." if done else "The link was over already."
    return answer(request, link.call, words)


@never_cache
@require_GET
@login_required
def open_link(request: HttpRequest, token: str) -> HttpResponse:
    """Who may read the call anyhow is led to it; the others see it here, if the link says so."""
    link = _link(request, token)
    if link is None:
        return _gone(request)
    call, now = link.call, timezone.now()
    reads = reading.may(request.user, "telephony.view_call")
    hears = reading.may(request.user, "recordings.view_recording")
    widens = _widens(link)
    if not widens and not reads:
        raise PermissionDenied
    sharing.opened(link=link, now=now)
    access_log.note(user=request.user, what="share link opened", call=call, how=str(link.pk))
    at = None if link.at_ms is None else max(0, link.at_ms - origin_of(call))
    if reads and (hears or not widens):
        there = page_url(call.pk)
        return HttpResponseRedirect(there if at is None else f"{there}#at={at}")
    play_url = reverse("recordings:shared_play", args=[token])
    page = reading.call_page(call=call, viewer=request.user, now=now, play_url=play_url)
    return admin_page(
        request, "recordings/shared.html",
        title=f"Call of {shapes.readable(call.caller) or 'a withheld number'}",
        page=_without_costs(page), shared=link, token=token, at_ms=at,
    )  # fmt: skip


def _without_costs(page: reading.CallPage) -> reading.CallPage:
    """What a guest is shown: the conversation, as it is now."""
    lines = [replace(line, cost=None) for line in page.lines]
    return replace(page, is_live=False, cost=None, lines=lines)


@never_cache
@require_GET
@login_required
def play(request: HttpRequest, token: str) -> HttpResponse:
    """As recordings.views.play, for this one call. Every use is noted."""
    link, recording = _shared_recording(request, token)
    if link is None or recording is None:
        return _gone(request)
    bucket = wiring.bucket()
    try:
        bucket.head(recording.object_key)
        url = playable_url(recording=recording, bucket=bucket)
    except StoreUnavailable as away:
        return _unplayable(request, away, status=503)
    except (StoreRefused, ObjectWrong) as wrong:
        return _unplayable(request, wrong, status=502)
    access_log.note(user=request.user, what="played", call=link.call, how=f"share link {link.pk}")
    return HttpResponseRedirect(url)


@never_cache
@require_GET
@login_required
def shape(request: HttpRequest, token: str) -> HttpResponse:
    _, recording = _shared_recording(request, token)
    return _gone(request) if recording is None else shape_of(recording)


def _shared_recording(
    request: HttpRequest, token: str
) -> tuple[ShareLink | None, Recording | None]:
    link = _link(request, token)
    if link is None:
        return None, None
    if not _widens(link) and not reading.may(request.user, "recordings.view_recording"):
        raise PermissionDenied
    recording: Recording | None = getattr(link.call, "recording", None)
    stored = recording is not None and recording.state == RecordingState.STORED
    return link, recording if stored else None


def _link(request: HttpRequest, token: str) -> ShareLink | None:
    if not getattr(request.user, "is_staff", False):  # inside the organisation
        raise PermissionDenied
    return sharing.find(token=token, now=timezone.now())


def _widens(link: ShareLink) -> bool:
    """Only as long as who made it may: a colleague who left lets nobody in."""
    maker = link.created_by
    return link.widens and maker is not None and maker.is_active and may_widen(maker)


def _gone(request: HttpRequest) -> HttpResponse:
    words = "It has expired, was revoked, or was copied incompletely. Ask for a new one."
    return _page(request, "This link opens nothing", words, status=404)


def _unplayable(request: HttpRequest, reason: Exception, *, status: int) -> HttpResponse:
    return _page(request, "This recording cannot be played", str(reason), status=status)


def _page(request: HttpRequest, title: str, words: str, *, status: int) -> HttpResponse:
    more: dict[str, Any] = {"title": title, "words": words, "may_read": False}
    answer = admin_page(request, "recordings/unavailable.html", **more)
    answer.status_code = status
    return answer
