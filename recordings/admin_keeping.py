"""How long things are kept, what nobody may delete, and who looked at what."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminTextInputWidget

from agents.look_only import LookOnly
from recordings import access_log, keeping
from recordings.access_log import What
from recordings.models import AccessLog, KeepProgress, KeepRule
from recordings.models_keeping import Kind
from telephony import shapes
from telephony.admin_api import ask_page
from telephony.admin_history import DaysFilter, History
from telephony.models import LegalHold, ProjectLimit
from telephony.written import Written


@admin.register(KeepRule)
class KeepRuleAdmin(ModelAdmin):  # type: ignore[misc]
    when_empty = (
        "Everything is kept for ever. Add a default, and rules for projects which need another."
    )
    list_display = ("whose", "audio", "transcript", "fields_kept", "numbers", "deleted")
    list_select_related = ("project",)
    ordering = ("project__name",)
    actions_list = ("what_if",)
    fields = ("project", "audio_days", "transcript_days", "fields_days", "numbers_days")

    @admin.display(description="project")
    def whose(self, rule: KeepRule) -> str:
        return rule.project.name if rule.project else "All others"

    @admin.display(description="recordings")
    def audio(self, rule: KeepRule) -> str:
        return _days(rule.audio_days)

    @admin.display(description="transcripts")
    def transcript(self, rule: KeepRule) -> str:
        return _days(rule.transcript_days)

    @admin.display(description="summaries and fields")
    def fields_kept(self, rule: KeepRule) -> str:
        return _days(rule.fields_days)

    @admin.display(description="numbers")
    def numbers(self, rule: KeepRule) -> str:
        return _days(rule.numbers_days)

    @admin.display(description="deleted so far")
    def deleted(self, rule: KeepRule) -> str:
        """Of a default: of all projects without a rule of their own."""
        marks = KeepProgress.objects.exclude(deleted=0).order_by("pk")
        if rule.project_id:
            marks = marks.filter(project=rule.project_id)
        else:
            own = KeepRule.objects.exclude(project=None).values_list("project", flat=True)
            marks = marks.exclude(project__in=own)
        found: dict[str, int] = {}
        for kind, count in marks.values_list("kind", "deleted"):
            found[kind] = found.get(kind, 0) + count
        return ", ".join(f"{Kind(kind).label}: {count}" for kind, count in found.items())

    @action(  # type: ignore[untyped-decorator]
        description="What would be deleted now", url_path="what-if", icon="event_busy",
        permissions=["view"],
    )  # fmt: skip
    def what_if(self, request: HttpRequest) -> HttpResponse:
        context = self.admin_site.each_context(request) | {
            "title": "What would be deleted now",
            "opts": self.opts,
            "rows": [
                (due, filesizeformat(due.bytes) if due.bytes else "")
                for due in keeping.what_if(now=timezone.now())
            ],
            "back": reverse("admin:recordings_keeprule_changelist"),
        }
        return TemplateResponse(request, "recordings/what_if.html", context)


def _days(days: int | None) -> str:
    return "for ever" if days is None else f"{days} days"


class LegalHoldForm(forms.ModelForm):  # type: ignore[type-arg]
    number = forms.CharField(
        required=False, max_length=64, widget=UnfoldAdminTextInputWidget,
        help_text="All calls from and to it, also those to come. With its country code, as "
        "+12025550100.",
    )  # fmt: skip

    class Meta:
        model = LegalHold
        fields = ("call", "number", "reason", "until")

    def clean_number(self) -> str:
        typed: str = self.cleaned_data["number"]
        try:
            return Written.of(typed).text if typed else ""
        except shapes.Misshapen as reason:
            raise ValidationError(str(reason)) from reason

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if bool(given.get("call")) == bool(given.get("number")) and not self.errors:
            raise ValidationError("Choose a call, or write a number: one of the two.")
        return given


IN_FORCE, OVER = "In force", "Over"


@admin.register(LegalHold)
class LegalHoldAdmin(ModelAdmin):  # type: ignore[misc]
    """Placed and lifted; neither changed nor deleted."""

    when_empty = "Nothing is held. A hold keeps a call, or all calls of a number, from deletion."
    form = LegalHoldForm
    autocomplete_fields = ("call",)
    list_display = ("what", "reason", "standing", "until", "placed", "lifted")
    list_select_related = ("call",)
    list_filter = (("lifted_at", admin.EmptyFieldListFilter),)
    search_fields = ("reason",)
    ordering = ("-pk",)
    show_full_result_count = False
    actions_detail = ("lift",)
    readonly_fields = ("placed_by", "placed_at", "lifted_by", "lifted_at")

    @admin.display(description="holds")
    def what(self, hold: LegalHold) -> str:
        if hold.number:
            return f"All calls of {shapes.readable(hold.number)}"
        return f"Call {hold.call_id}"

    @display(description="state", label={IN_FORCE: "warning", OVER: ""})  # type: ignore[untyped-decorator]
    def standing(self, hold: LegalHold) -> str:
        ended = hold.until is not None and hold.until <= timezone.now()
        return OVER if hold.lifted_at or ended else IN_FORCE

    @admin.display(description="placed")
    def placed(self, hold: LegalHold) -> str:
        at = date_format(timezone.localtime(hold.placed_at), "Y-m-d H:i")
        return f"{at} by {hold.placed_by}"

    @admin.display(description="lifted", empty_value="")
    def lifted(self, hold: LegalHold) -> str:
        if hold.lifted_at is None:
            return ""
        at = date_format(timezone.localtime(hold.lifted_at), "Y-m-d H:i")
        return f"{at} by {hold.lifted_by}"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("call", "number", "reason", "until", *self.readonly_fields) if obj else ()

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        typed = ("call", "number", "reason", "until")
        return (*typed, *self.readonly_fields) if obj else typed

    def save_model(self, request: HttpRequest, obj: LegalHold, form: Any, change: bool) -> None:
        obj.placed_by, obj.placed_at = request.user.get_username(), timezone.now()
        super().save_model(request, obj, form, change)
        _note_hold(request, obj, "placed")

    @action(  # type: ignore[untyped-decorator]
        description="Lift", url_path="lift", icon="lock_open", permissions=["lift"]
    )
    def lift(self, request: HttpRequest, object_id: str) -> HttpResponse:
        hold = get_object_or_404(LegalHold, pk=object_id)
        if not self.has_lift_permission(request):
            raise PermissionDenied
        if request.method != "POST":
            words = f"{self.what(hold)} may be deleted again, by retention and by erasure."
            return ask_page(
                self, request, title="Lift this hold?", words=words, button="Lift it", row=hold
            )
        free = LegalHold.objects.filter(pk=hold.pk, lifted_at=None)
        if free.update(lifted_at=timezone.now(), lifted_by=request.user.get_username()):
            _note_hold(request, hold, "lifted")
            messages.success(request, "The hold is lifted.")
        return HttpResponseRedirect(reverse("admin:telephony_legalhold_change", args=[hold.pk]))

    def has_lift_permission(self, request: HttpRequest, *_: object) -> bool:
        return request.user.has_perm("telephony.change_legalhold")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _note_hold(request: HttpRequest, hold: LegalHold, how: str) -> None:
    access_log.note(
        user=request.user, what=What.HOLD, call=hold.call_id, how=f"hold {hold.pk} {how}",
        request=request,
    )  # fmt: skip


@admin.register(AccessLog)
class AccessLogAdmin(LookOnly, History, ModelAdmin):  # type: ignore[misc]
    """Looked at, and changed by nobody: not by superusers either."""

    when_empty = "Nobody has heard, read or taken anything yet."
    list_display = ("when", "who", "what_shown", "call_link", "how", "address")
    list_display_links = None
    list_filter = ("what", ("at", DaysFilter))
    search_fields = ("who",)
    search_help_text = "Who, exactly; or a call's number in this list"
    history_field = "at"
    list_fullwidth = True

    @admin.display(description="when")
    def when(self, row: AccessLog) -> str:
        return date_format(timezone.localtime(row.at), "Y-m-d H:i:s")

    @admin.display(description="what")
    def what_shown(self, row: AccessLog) -> str:
        return str(row.get_what_display())

    @admin.display(description="call", empty_value="")
    def call_link(self, row: AccessLog) -> str:
        if row.call_id is None:
            return ""
        url = reverse("admin:telephony_call_change", args=[row.call_id])
        return format_html('<a href="{}">{}</a>', url, row.call_id)

    def get_search_results(
        self, request: HttpRequest, queryset: Any, search_term: str
    ) -> tuple[Any, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        if term.isdecimal() and len(term) < 19:
            return queryset.filter(call=int(term)), False
        return queryset.filter(who=term), False


@admin.register(ProjectLimit)
class ProjectLimitAdmin(ModelAdmin):  # type: ignore[misc]
    when_empty = "Everybody sees the calls of all projects. Add whom you want to limit to some."
    list_display = ("user", "which")
    list_select_related = ("user",)
    autocomplete_fields = ("user", "projects")
    ordering = ("user__username",)

    @admin.display(description="projects")
    def which(self, limit: ProjectLimit) -> str:
        return ", ".join(limit.projects.values_list("name", flat=True)) or "none"
