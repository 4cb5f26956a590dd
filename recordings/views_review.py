"""What a reviewer's browser asks for. Each form works without JavaScript: it leads back.

With it (`X-Requested-With: fetch`) only the panel comes back, and the sound plays on.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from recordings import review_queue, reviews, soundshapes, tasks_review
from recordings.models import CallTag, Recording, Remark, Review, SoundShape
from recordings.reading import may
from recordings.review_page import origin_of
from recordings.templatetags.review import QUEUE, panel_context
from telephony.models import Call

View = Callable[..., HttpResponse]
READS = "telephony.view_call"
BY_WHOM = "Somebody else has taken this call, or it is reviewed already."


class BadForm(reviews.ReviewError):
    """The text says what to write instead."""


def needs(*permissions: str) -> Callable[[View], View]:
    """Staff with all of these, and with the permission to see calls."""

    def decorate(view: View) -> View:
        @wraps(view)
        def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if not all(may(request.user, name) for name in (READS, *permissions)):
                raise PermissionDenied
            return view(request, *args, **kwargs)

        return login_required(checked)  # type: ignore[return-value]

    return decorate


# --- the sound ------------------------------------------------------------------------------------


@never_cache
@require_GET
@needs("recordings.view_recording")
def shape(request: HttpRequest, pk: int) -> HttpResponse:
    """The waveform: a part of the sound, so it needs the same permission."""
    return shape_of(get_object_or_404(Recording.objects.select_related("shape"), call=pk))


def shape_of(recording: Recording) -> HttpResponse:
    """202 while it is being made; whoever asks for one which nobody made has it made."""
    shape: SoundShape | None = getattr(recording, "shape", None)
    wanted = soundshapes.is_wanted(recording=recording, shape=shape, now=timezone.now())
    if wanted:
        tasks_review.queue_drawing(recording.pk)
    if shape is None or not shape.is_of(recording) or (wanted and shape.error):
        return JsonResponse({}, status=202)
    return JsonResponse(
        {
            "duration_ms": shape.duration_ms,
            "peaks": shape.peaks,
            "silences": shape.silences,
            "error": shape.error,
        }
    )


# --- whose review it is ---------------------------------------------------------------------------


@require_POST
@needs("recordings.change_review")
def move(request: HttpRequest, pk: int) -> HttpResponse:
    """`do`: take, release, reopen, or a verdict."""
    call = get_object_or_404(Call, pk=pk)
    do, now = request.POST.get("do", ""), timezone.now()
    if do == "take":
        done = reviews.take(call_id=pk, user=request.user, now=now)
        return answer(request, call, "The call is yours to review." if done else BY_WHOM, ok=done)
    if do == "release":
        done = reviews.release(call_id=pk, user=request.user)
        return answer(request, call, "The call is back in the queue." if done else BY_WHOM, ok=done)
    if do == "reopen":
        done = reviews.reopen(call_id=pk)
        words = "The call is unreviewed again." if done else "The call was not reviewed."
        return answer(request, call, words, ok=done)
    try:
        done = reviews.finish(call_id=pk, user=request.user, verdict=do, now=now)
    except reviews.ReviewError as wrong:
        return answer(request, call, str(wrong), ok=False)
    label = dict(Review.Verdict.choices)[do]
    return answer(request, call, f"Reviewed: {label}." if done else BY_WHOM, ok=done)


@require_POST
@needs("recordings.change_review")
def take_next(request: HttpRequest) -> HttpResponse:
    """Takes the next call of the queue and goes there. What the queue holds is remembered."""
    if "order" in request.POST:
        request.session[QUEUE] = review_queue.Wish.read(request.POST).told()
    wish = review_queue.Wish.read(request.session.get(QUEUE, {}))
    call = review_queue.take_next(wish=wish, user=request.user, now=timezone.now())
    if call is None:
        messages.info(request, "Nothing is left in this queue. Choose another one.")
        return HttpResponseRedirect(reverse("admin:recordings_review_changelist"))
    return HttpResponseRedirect(page_url(call.pk))


# --- comments and notes ---------------------------------------------------------------------------


@require_POST
@needs("recordings.add_remark")
def add_remark(request: HttpRequest, pk: int) -> HttpResponse:
    call = get_object_or_404(Call.objects.select_related("recording"), pk=pk)
    try:
        at = moment(request.POST.get("at", ""))
        if at is None and request.POST.get("kind") != "note":
            raise BadForm("Write the moment as 1:23.")
        reviews.add_remark(
            call_id=pk,
            user=request.user,
            text=request.POST.get("text", ""),
            at_ms=None if at is None else at + origin_of(call),
            now=timezone.now(),
        )
    except reviews.ReviewError as wrong:
        return answer(request, call, str(wrong), ok=False)
    return answer(request, call, "Added.")


@require_http_methods(["GET", "POST"])
@needs("recordings.add_remark")
def edit_remark(request: HttpRequest, pk: int) -> HttpResponse:
    remark = _own(request, pk)
    if request.method == "GET":
        return _ask(request, "recordings/remark_edit.html", remark, "Change what you wrote")
    try:
        reviews.edit_remark(
            remark_id=pk, user=request.user, text=request.POST.get("text", ""), now=timezone.now()
        )
    except reviews.ReviewError as wrong:
        return answer(request, remark.call, str(wrong), ok=False)
    return answer(request, remark.call, "Changed.")


@require_http_methods(["GET", "POST"])
@needs("recordings.add_remark")
def delete_remark(request: HttpRequest, pk: int) -> HttpResponse:
    remark = _own(request, pk)
    if request.method == "GET":
        return _ask(request, "recordings/remark_delete.html", remark, "Delete what you wrote?")
    reviews.delete_remark(remark_id=pk, user=request.user)
    return answer(request, remark.call, "Deleted.")


def _own(request: HttpRequest, pk: int) -> Remark:
    remark = get_object_or_404(Remark.objects.select_related("call"), pk=pk)
    if remark.author_id != request.user.pk:
        raise PermissionDenied
    return remark


def _ask(request: HttpRequest, template: str, remark: Remark, title: str) -> HttpResponse:
    return admin_page(request, template, title=title, remark=remark, back=page_url(remark.call_id))


# --- tags -----------------------------------------------------------------------------------------


@require_POST
@needs("recordings.add_calltag")
def add_tags(request: HttpRequest, pk: int) -> HttpResponse:
    call = get_object_or_404(Call, pk=pk)
    words = request.POST.get("tags", "")
    try:
        reviews.add_tags(call_id=pk, user=request.user, words=words, now=timezone.now())
    except reviews.ReviewError as wrong:
        return answer(request, call, str(wrong), ok=False)
    return answer(request, call, "Tagged.")


@require_POST
@needs("recordings.add_calltag")
def remove_tag(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(CallTag.objects.select_related("call"), pk=pk)
    reviews.remove_tag(call_tag_id=pk)
    return answer(request, row.call, "The tag is removed.")


@never_cache
@require_GET
@needs("recordings.view_review")
def suggest_tags(request: HttpRequest) -> HttpResponse:
    try:
        return JsonResponse({"tags": reviews.tags_like(request.GET.get("q", ""))})
    except reviews.ReviewError:
        return JsonResponse({"tags": []})


# --- answers --------------------------------------------------------------------------------------


def answer(
    request: HttpRequest, call: Call, words: str, *, ok: bool = True, **more: Any
) -> HttpResponse:
    """The panel for a page which is open, else back to the page."""
    if is_fetched(request):
        context = panel_context(request, call, said=words, refused=not ok, **more)
        # 409 keeps what was typed
        return render(request, "recordings/review_panel.html", context, status=200 if ok else 409)
    (messages.success if ok else messages.error)(request, words)
    return HttpResponseRedirect(page_url(call.pk))


def is_fetched(request: HttpRequest) -> bool:
    return request.headers.get("X-Requested-With") == "fetch"


def admin_page(request: HttpRequest, template: str, **context: Any) -> HttpResponse:
    return TemplateResponse(request, template, admin.site.each_context(request) | context)


def page_url(call_id: int) -> str:
    return reverse("admin:telephony_call_change", args=[call_id])


def moment(text: str) -> int | None:
    """`1:23`, `1:02:03` or seconds as ms; None for nothing. Raises BadForm."""
    text = text.strip()
    if not text:
        return None
    parts = text.replace(",", ".").split(":")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        numbers = []
    if not 1 <= len(numbers) <= 3 or not all(0 <= number < 86_400 for number in numbers):
        raise BadForm("Write the moment as 1:23.")
    seconds: float = sum(number * 60.0**n for n, number in enumerate(reversed(numbers)))
    if seconds > 86_400:
        raise BadForm("A call lasts no longer than a day.")
    return round(seconds * 1000)
