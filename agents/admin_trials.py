"""“Try it” on the page of a provider account. Whoever may change accounts may try them."""

import logging
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import get_object_or_404, render
from django.urls import URLPattern, path
from django.utils import timezone

from agents import trial_page, trials
from agents.forms_trials import form_of
from agents.models import ProviderAccount
from agents.models_trials import ProviderTrial
from agents.providers import Role

log = logging.getLogger(__name__)

PERMISSION = "agents.change_provideraccount"


class TrialPages:
    """A part of the accounts' admin. The environment's accounts can be tried, too."""

    admin_site: Any
    change_form_outer_after_template = "agents/try_it.html"

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view  # asks who it is, and for the CSRF token
        own = [
            path("<int:pk>/trials/", guarded(trials_view), name="agents_trials"),
            path("<int:pk>/trials/<int:trial>/", guarded(sound_view), name="agents_trial_sound"),
        ]
        return [*own, *super().get_urls()]  # type: ignore[misc]


def context_of(request: HttpRequest, account: ProviderAccount | None) -> dict[str, Any]:
    if account is None or not may_try(request):
        return {}
    wanted = {name: str(value) for name, value in request.GET.items()}
    return {"try_it": trial_page.try_it(account, wanted, timezone.now())}


def may_try(request: HttpRequest) -> bool:
    return request.user.has_perm(PERMISSION)


def trials_view(request: HttpRequest, pk: int) -> HttpResponse:
    """GET: the last trials. POST: one more, and then the same."""
    account = _account(request, pk)
    asked = None
    if request.method == "POST":
        form = form_of(account, request.POST)
        if form is None or not form.is_valid():
            return _no(form.complaint() if form else trials.hindrance(account), 400)
        by = request.user.get_username()
        try:
            asked = trials.ask_for_trial(
                account=account, wish=form.wish(), by=by, now=timezone.now()
            )
        except trials.CannotTry as problem:
            return _no(str(problem), 409)
        log.info(
            "A provider is tried", extra={"user_id": request.user.pk, "account_id": account.pk}
        )
    elif request.method != "GET":
        return HttpResponseNotAllowed(["GET", "POST"])
    rows = trial_page.rows(account, timezone.now())
    return render(request, "agents/trial_rows.html", {"rows": rows, "asked": asked})


def sound_view(request: HttpRequest, pk: int, trial: int) -> HttpResponse:
    if request.method != "GET":
        return HttpResponseNotAllowed(["GET"])
    account = _account(request, pk)
    found = get_object_or_404(ProviderTrial, pk=trial, account=account, role=Role.TTS, ok=True)
    return HttpResponse(bytes(found.sound), content_type="audio/wav")


def _account(request: HttpRequest, pk: int) -> ProviderAccount:
    if not may_try(request):
        raise PermissionDenied
    return get_object_or_404(ProviderAccount, pk=pk)


def _no(reason: str, status: int) -> HttpResponse:
    return HttpResponse(reason, status=status, content_type="text/plain; charset=utf-8")
