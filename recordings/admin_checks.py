"""Recordings compared with the store: runs with their progress, findings with what to do."""

from datetime import date, timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from agents.look_only import LookOnly
from recordings import mending, storecheck, tasks_checks, wiring
from recordings.errors import RecordingError
from recordings.models import StoreCheck, StoreFinding
from telephony.admin_history import DaysFilter, History
from telephony.later import after_commit

ASK = "recordings.add_storecheck"
MEND = "recordings.change_storefinding"
COLOURS = {
    StoreCheck.State.WAITING: "",
    StoreCheck.State.RUNNING: "info",
    StoreCheck.State.DONE: "success",
    StoreCheck.State.CANCELLED: "",
    StoreCheck.State.FAILED: "danger",
}


@admin.register(StoreCheck)
class StoreCheckAdmin(LookOnly, History, ModelAdmin):  # type: ignore[misc]
    when_empty = (
        "Recordings are compared with the store each night at 02:20, and by “Check now”, above."
    )
    list_display = ("days", "state_shown", "looked_at", "wrong", "asked", "finished_at")
    history_field = "asked_at"
    actions_list = ("check_now",)

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        own = path("<int:pk>/cancel/", guarded(self.cancel), name="recordings_storecheck_cancel")
        return [own, *super().get_urls()]

    @admin.display(description="days")
    def days(self, check: StoreCheck) -> str:
        return str(check)

    @display(description="state", label=COLOURS)  # type: ignore[untyped-decorator]
    def state_shown(self, check: StoreCheck) -> tuple[str, str]:
        return check.state, check.get_state_display()

    @admin.display(description="still wrong in these days")
    def wrong(self, check: StoreCheck) -> int:
        return sum(n for _, n in storecheck.summary(check))

    @admin.display(description="asked for by")
    def asked(self, check: StoreCheck) -> str:
        return check.asked_by or "each night"

    @action(  # type: ignore[untyped-decorator]
        description="Check now", url_path="check-now", icon="rule", permissions=["ask"]
    )
    def check_now(self, request: HttpRequest) -> HttpResponse:
        """GET: which days. POST: asks Celery."""
        if request.method == "POST":
            return self._ask(request)
        today = timezone.now().date()
        context = self.admin_site.each_context(request) | {
            "title": "Check recordings now", "opts": self.opts, "last": today,
            "first": today - timedelta(days=storecheck.NIGHTLY_DAYS - 1),
        }  # fmt: skip
        return TemplateResponse(request, "recordings/check_ask.html", context)

    def _ask(self, request: HttpRequest) -> HttpResponse:
        first, last = (_day(request.POST.get(name)) for name in ("first", "last"))
        if first is None or last is None:
            messages.error(request, "Write both days, as 2026-11-25.")
            return HttpResponseRedirect(request.path)
        check = storecheck.request_check(
            first=first, last=last, by=request.user.get_username(), now=timezone.now(),
            thorough="thorough" in request.POST,
        )  # fmt: skip
        after_commit(tasks_checks.go_on_checking.delay, check_id=check.pk)
        return HttpResponseRedirect(_page(check.pk))

    def has_ask_permission(self, request: HttpRequest, *_: object) -> bool:
        return request.user.has_perm(ASK)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        check: StoreCheck | None = self.get_object(request, object_id)
        if check is None:
            gone: HttpResponse = self._get_obj_does_not_exist_redirect(
                request, self.opts, object_id
            )
            return gone
        if not self.has_view_permission(request, check):
            raise PermissionDenied
        findings = reverse("admin:recordings_storefinding_changelist")
        context = self.admin_site.each_context(request) | {
            "title": f"Check of {check}", "opts": self.opts, "check": check,
            "summary": storecheck.summary(check),
            "findings": f"{findings}?open=yes&day_from={check.first}&day_to={check.last}",
            "may_cancel": check.is_open and request.user.has_perm(ASK),
        }  # fmt: skip
        return TemplateResponse(request, "recordings/check.html", context)

    def cancel(self, request: HttpRequest, pk: int) -> HttpResponse:
        check = get_object_or_404(StoreCheck, pk=pk)
        if request.method != "POST" or not request.user.has_perm(ASK):
            raise PermissionDenied
        storecheck.cancel(check_id=check.pk, now=timezone.now())
        return HttpResponseRedirect(_page(pk))


class OpenFilter(admin.SimpleListFilter):
    title = "open"
    parameter_name = "open"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Still wrong"), ("no", "Fixed")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() not in {"yes", "no"}:
            return queryset
        return queryset.filter(fixed_at__isnull=self.value() == "yes")


@admin.register(StoreFinding)
class StoreFindingAdmin(LookOnly, History, ModelAdmin):  # type: ignore[misc]
    when_empty = "No recording differs from what the store has, as far as was checked."
    list_display = ("what", "object_key", "day", "found_at", "fixed")
    list_filter = (OpenFilter, "kind", ("day", DaysFilter))
    list_filter_submit = True
    history_field = "found_at"
    list_fullwidth = True

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        own = path(
            "<int:pk>/mend/<str:verb>/", guarded(self.mend), name="recordings_storefinding_mend"
        )
        return [own, *super().get_urls()]

    @display(description="what", label="danger")  # type: ignore[untyped-decorator]
    def what(self, finding: StoreFinding) -> str:
        return finding.get_kind_display()

    @admin.display(description="fixed", empty_value="")
    def fixed(self, finding: StoreFinding) -> str:
        if finding.fixed_at is None:
            return ""
        return f"{timezone.localtime(finding.fixed_at):%Y-%m-%d %H:%M}, {finding.fixed_by}"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        finding: StoreFinding | None = self.get_object(request, object_id)
        if finding is None:
            gone: HttpResponse = self._get_obj_does_not_exist_redirect(
                request, self.opts, object_id
            )
            return gone
        if not self.has_view_permission(request, finding):
            raise PermissionDenied
        context = self.admin_site.each_context(request) | {
            "title": finding.get_kind_display(), "opts": self.opts, "finding": finding,
            "mends": mending.mends_of(finding) if request.user.has_perm(MEND) else [],
            "fixed": self.fixed(finding),
        }  # fmt: skip
        return TemplateResponse(request, "recordings/finding.html", context)

    def mend(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        """GET asks, POST does."""
        finding = get_object_or_404(StoreFinding, pk=pk)
        chosen = {one.verb: one for one in mending.mends_of(finding)}.get(verb)
        if not request.user.has_perm(MEND):
            raise PermissionDenied
        back = reverse("admin:recordings_storefinding_change", args=[pk])
        if chosen is None:
            messages.info(request, "That is no longer to be done.")
            return HttpResponseRedirect(back)
        if request.method == "POST":
            self._mend(request, finding, verb)
            return HttpResponseRedirect(back)
        context = self.admin_site.each_context(request) | {
            "title": chosen.label, "opts": self.opts, "finding": finding, "mend": chosen,
            "back": back,
        }  # fmt: skip
        return TemplateResponse(request, "recordings/finding_ask.html", context)

    def _mend(self, request: HttpRequest, finding: StoreFinding, verb: str) -> None:
        try:
            words = mending.mend(
                finding_id=finding.pk, verb=verb, by=request.user.get_username(),
                bucket=wiring.bucket(), now=timezone.now(),
            )  # fmt: skip
        except RecordingError as reason:
            messages.error(request, str(reason))
        else:
            messages.success(request, words)


def _page(pk: int) -> str:
    return reverse("admin:recordings_storecheck_change", args=[pk])


def _day(text: str | None) -> date | None:
    try:
        return parse_date(text or "")
    except ValueError:
        return None
