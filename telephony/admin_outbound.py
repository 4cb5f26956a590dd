"""The supervisor's desk for calls we make: whom we may call, calls, and batches of them."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextareaWidget

from telephony import batches, outbound, shapes
from telephony.admin_history import History
from telephony.admin_holds import KeepsHeld
from telephony.admin_numbers import FindsNumbers
from telephony.errors import CallNotAllowed
from telephony.forms_outbound import (
    BatchForm,
    CallForm,
    DestinationRuleForm,
    DoNotCallForm,
    OutboundProfileForm,
)
from telephony.models import Batch, DestinationRule, DoNotCall, OutboundCall, OutboundProfile
from telephony.models_outbound import OutboundState
from telephony.paging import UpToPaginator
from telephony.visible import WithinProjects

CALL = "telephony.add_outboundcall"
COLOURS = {
    OutboundState.WAITING: "",
    OutboundState.DIALLING: "info",
    OutboundState.TALKING: "info",
    OutboundState.DONE: "success",
    OutboundState.FAILED: "danger",
    OutboundState.REFUSED: "warning",
    OutboundState.CANCELLED: "",
}
BATCH_COLOURS = {
    Batch.State.DRAFT: "",
    Batch.State.RUNNING: "info",
    Batch.State.PAUSED: "warning",
    Batch.State.CANCELLED: "",
    Batch.State.DONE: "success",
}


@admin.register(DestinationRule)
class DestinationRuleAdmin(ModelAdmin):  # type: ignore[misc]
    when_empty = "Nobody can be called. Add the prefixes you call, as +49, with their prices."
    form = DestinationRuleForm
    list_display = ("prefix", "allow", "premium", "price_per_minute", "note")
    search_fields = ("prefix", "note")
    ordering = ("prefix",)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not DestinationRule.objects.filter(allow=True).exists():
            words = "Nobody can be called: no destination is allowed. Add the prefixes you call."
            self.message_user(request, words, messages.INFO)
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response


@admin.register(DoNotCall)
class DoNotCallAdmin(KeepsHeld, FindsNumbers, ModelAdmin):  # type: ignore[misc]
    when_empty = "Numbers written here are never called, by no project and no batch."
    form = DoNotCallForm
    list_display = ("readable", "reason", "since")
    search_fields = ("number__startswith",)
    search_help_text = "Number with its country code, or its beginning"
    number_field = "number"
    ordering = ("-pk",)
    paginator = UpToPaginator
    show_full_result_count = False

    @admin.display(description="number", ordering="number")
    def readable(self, row: DoNotCall) -> str:
        return shapes.readable(row.number)


@admin.register(OutboundProfile)
class OutboundProfileAdmin(ModelAdmin):  # type: ignore[misc]
    when_empty = "All projects call by the defaults. Add one to change words, hours or retries."
    form = OutboundProfileForm
    list_display = ("project", "hours", "attempts", "needs_consent", "detect")
    list_select_related = ("project",)
    formfield_overrides = {models.TextField: {"widget": UnfoldAdminTextareaWidget({"rows": 3})}}
    fieldsets = (
        (None, {"fields": ("project", "greeting", "ring_s", "max_minutes", "hours",
                           "needs_consent")}),
        ("Who answered", {"fields": ("detect", "on_voicemail", "message", "on_screening",
                                     "who_calls", "on_ivr")}),
        ("Calling again", {"fields": ("attempts", "wait_busy", "wait_no_answer", "wait_machine",
                                      "wait_carrier")}),
    )  # fmt: skip


@admin.register(OutboundCall)
class OutboundCallAdmin(FindsNumbers, History, WithinProjects, ModelAdmin):  # type: ignore[misc]
    when_empty = "Nobody has been called. “Call”, above, calls one person; a batch calls many."
    list_display = (
        "number", "project_name", "state_shown", "end", "who", "attempts", "asked", "batch",
        "call_link",
    )  # fmt: skip
    list_display_links = None
    list_select_related = ("project", "batch", "call")
    list_filter = ("state", "outcome", "answered_by", "project")
    search_fields = ("to__startswith",)
    search_help_text = "Number with its country code, or its beginning"
    number_field = "to"
    history_field = "requested_at"
    list_fullwidth = True
    actions = ("call_off",)
    actions_list = ("make_call",)
    fields = (
        "to", "project", "trunk", "caller_id", "batch", "consent", "variables", "state", "outcome",
        "words", "sip_status", "answered_by", "answered_by_reason", "attempts", "next_at", "call",
        "requested_by", "requested_at",
    )  # fmt: skip

    @admin.display(description="number", ordering="to")
    def number(self, row: OutboundCall) -> str:
        return shapes.readable(row.to)

    @admin.display(description="project", ordering="project")
    def project_name(self, row: OutboundCall) -> str:
        return row.project.name

    @display(description="state", ordering="state", label=COLOURS)  # type: ignore[untyped-decorator]
    def state_shown(self, row: OutboundCall) -> tuple[str, str]:
        return row.state, row.get_state_display()

    @admin.display(description="what became of it", empty_value="")
    def end(self, row: OutboundCall) -> str:
        if row.state == OutboundState.WAITING:
            return f"Not before {date_format(timezone.localtime(row.next_at), 'Y-m-d H:i')}"
        return row.words or row.get_outcome_display()

    @admin.display(description="answered by", ordering="answered_by", empty_value="")
    def who(self, row: OutboundCall) -> str:
        reason = f": {row.answered_by_reason}" if row.answered_by_reason else ""
        return f"{row.get_answered_by_display()}{reason}" if row.answered_by else ""

    @admin.display(description="asked for", ordering="requested_at")
    def asked(self, row: OutboundCall) -> str:
        at = date_format(timezone.localtime(row.requested_at), "Y-m-d H:i")
        return f"{at} {row.requested_by}"

    @admin.display(description="call", empty_value="")
    def call_link(self, row: OutboundCall) -> str:
        if not row.call_id:
            return ""
        url = reverse("admin:telephony_call_change", args=[row.call_id])
        return format_html('<a href="{}">Open</a>', url)

    @admin.action(description="Call off (rings and talks are hung up)", permissions=["change"])
    def call_off(self, request: HttpRequest, rows: QuerySet[OutboundCall]) -> None:
        by, now = request.user.get_username(), timezone.now()
        done = sum(outbound.cancel(outbound_id=row.pk, by=by, now=now) for row in rows)
        self.message_user(request, f"{done} call(s) called off.")

    @action(  # type: ignore[untyped-decorator]
        description="Call", url_path="call", icon="call", permissions=["make_call"]
    )
    def make_call(self, request: HttpRequest) -> HttpResponse:
        """GET: the form. POST: why it may not be made, or a page which asks, or the call."""
        form = CallForm(request.POST or None)
        is_checked = request.method == "POST" and form.is_valid()
        if is_checked and "confirmed" in request.POST:
            return self._call(request, form)
        context = self.admin_site.each_context(request) | {
            "title": "Call somebody",
            "opts": self.opts,
            "form": form,
            "checked": form.checked if is_checked else None,
            "number": shapes.readable(form.checked.to) if is_checked else "",
            "waits": is_checked and form.checked.at > timezone.now(),
        }
        return TemplateResponse(request, "telephony/call_somebody.html", context)

    def _call(self, request: HttpRequest, form: CallForm) -> HttpResponse:
        try:
            row = outbound.request_call(
                by=request.user.get_username(), now=timezone.now(), **form.wish()
            )
        except CallNotAllowed as reason:
            messages.error(request, str(reason))
            return HttpResponseRedirect(request.path)
        later = row.next_at > timezone.now()
        when = f"It is called at {timezone.localtime(row.next_at):%Y-%m-%d %H:%M}." if later else ""
        messages.success(request, f"Queued. {when or 'Reload to follow it.'}")
        return HttpResponseRedirect(reverse("admin:telephony_outboundcall_changelist"))

    def has_make_call_permission(self, request: HttpRequest, *_: object) -> bool:
        return request.user.has_perm(CALL)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False  # by the button “Call”, which checks and asks

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed: bool = super().has_change_permission(request, obj)
        return allowed and obj is None  # for the action; a row itself is history

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Batch)
class BatchAdmin(WithinProjects, ModelAdmin):  # type: ignore[misc]
    when_empty = "A batch calls the numbers of a CSV file, at the pace and hours you set."
    form = BatchForm
    list_display = ("name", "project", "state_shown", "per_minute", "lines", "created_at")
    list_select_related = ("project",)
    list_filter = ("state", "project")
    ordering = ("-created_at",)
    change_form_outer_before_template = "telephony/batch.html"

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        own = path(
            "<int:pk>/do/<str:verb>/", guarded(self.change_state), name="telephony_batch_verb"
        )
        return [own, *super().get_urls()]

    @display(  # type: ignore[untyped-decorator]
        description="state", ordering="state", label=BATCH_COLOURS
    )
    def state_shown(self, row: Batch) -> tuple[str, str]:
        return row.state, row.get_state_display()

    @admin.display(description="numbers")
    def lines(self, row: Batch) -> int:
        return int(row.report.get("good", 0))

    def save_model(self, request: HttpRequest, obj: Batch, form: Any, change: bool) -> None:
        if change:
            obj.save()
            return
        by, data = request.user.get_username(), form.cleaned_data["file"]
        batches.create(batch=obj, data=data, by=by, now=timezone.now())

    def response_add(self, request: HttpRequest, obj: Batch, *_: Any) -> HttpResponse:
        good, bad = obj.report["good"], obj.report["bad"]
        level = messages.WARNING if bad else messages.SUCCESS
        words = f"{good} number(s) can be called, {bad} line(s) cannot. Nobody is called yet."
        self.message_user(request, words, level)
        return HttpResponseRedirect(reverse("admin:telephony_batch_change", args=[obj.pk]))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        fields = ["name", "project", "trunk", "caller_id", "per_minute", "window"]
        return fields if obj else [*fields, "file"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("project", "trunk", "caller_id") if obj else ()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        batch: Batch | None = self.get_object(request, object_id)
        more = {"batch": batch, "progress": batches.progress(batch.pk)} if batch else {}
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **more}
        )
        return response

    def change_state(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        """GET asks, POST does."""
        batch = get_object_or_404(Batch, pk=pk)
        if not self.has_change_permission(request, batch) or not request.user.has_perm(CALL):
            raise PermissionDenied
        verbs: dict[str, Callable[[], bool]] = {
            "start": lambda: batches.start(batch_id=pk),
            "pause": lambda: batches.pause(batch_id=pk),
            "cancel": lambda: batches.cancel(
                batch_id=pk, by=request.user.get_username(), now=timezone.now()
            ),
        }
        if verb not in verbs:
            raise PermissionDenied
        if request.method == "POST":
            done = verbs[verb]()
            words = "Done." if done else "The batch is not in a state for that (any more)."
            self.message_user(request, words, messages.SUCCESS if done else messages.ERROR)
            return HttpResponseRedirect(reverse("admin:telephony_batch_change", args=[pk]))
        context = self.admin_site.each_context(request) | {
            "title": f"{verb.title()} batch “{batch}”",
            "opts": self.opts, "batch": batch, "verb": verb,
            "progress": batches.progress(pk),
        }  # fmt: skip
        return TemplateResponse(request, "telephony/batch_ask.html", context)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A draft may be thrown away; what has called people is history."""
        allowed: bool = super().has_delete_permission(request, obj)
        return allowed and (obj is None or obj.state == Batch.State.DRAFT)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, Any, Any, Any]:
        """Its calls go with a draft; they are neither listed one by one nor asked for."""
        count = OutboundCall.objects.filter(batch__in=objs).count()
        return [str(batch) for batch in objs], {"numbers to call": count}, set(), []

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        found: dict[str, Any] = super().get_actions(request)
        found.pop("delete_selected", None)
        return found
