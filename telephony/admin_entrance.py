"""The supervisor's desk for opening hours, what happens to a number's calls, and callers."""

from datetime import datetime

from django.contrib import admin, messages
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from unfold.admin import ModelAdmin, StackedInline
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from telephony import entrance, hours, shapes
from telephony.admin_holds import KeepsHeld
from telephony.admin_numbers import FindsNumbers
from telephony.forms_entrance import CallerRuleForm, EntranceForm, ScheduleForm, day
from telephony.hours import Hours
from telephony.models import Call, CallerRule, Entrance, Schedule
from telephony.models_hours import hours_of
from telephony.paging import UpToPaginator
from telephony.shapes import Misshapen


def said(when: Hours, now: datetime) -> str:
    """Open or closed, and when that changes, for people. Raises Misshapen."""
    state = "Open now" if hours.is_open(when, now) else "Closed now"
    change = hours.next_change(when, now)
    if change is None:
        return f"{state}, and that never changes."
    local = date_format(change, "l j F, H:i")
    return f"{state}, until {local} ({when.timezone})."


@admin.register(Schedule)
class ScheduleAdmin(ModelAdmin):  # type: ignore[misc]
    when_empty = "Add hours once; numbers, transfer destinations and batches can share them."
    form = ScheduleForm
    list_display = ("name", "expression", "timezone", "now")
    search_fields = ("name",)
    readonly_fields = ("now",)
    fieldsets = (
        (None, {"fields": ("name", "expression", ("timezone", "country"), "closed_on")}),
        ("As saved", {"fields": ("now",)}),
    )

    class Media:
        js = ("telephony/hours.js",)

    @admin.display(description="now")
    def now(self, schedule: Schedule) -> str:
        if not schedule.pk:
            return "Not saved yet."
        try:
            return said(hours_of(schedule), timezone.now())
        except ValueError as reason:
            return str(reason)

    def get_urls(self) -> list[URLPattern]:
        mine = path(
            "preview/",
            self.admin_site.admin_view(self.preview),
            name="telephony_schedule_preview",
        )
        urls: list[URLPattern] = [mine, *super().get_urls()]
        return urls

    def preview(self, request: HttpRequest) -> HttpResponse:
        """What the hours being typed mean, before they are saved."""
        typed = {n: request.GET.get(n, "")[:400] for n in ("expression", "timezone", "country")}
        days = request.GET.get("closed_on", "")[:2000].replace(",", "\n").split()
        try:
            when = Hours(
                expression=typed["expression"],
                timezone=typed["timezone"],
                country=typed["country"].upper(),
                closed_on=tuple(datetime.fromisoformat(day(text)).date() for text in days),
            )
            return JsonResponse({"words": said(when, timezone.now()), "fine": True})
        except Misshapen as reason:
            return JsonResponse({"words": str(reason), "fine": False})


class EntranceInline(StackedInline):  # type: ignore[misc]
    model = Entrance
    form = EntranceForm
    formfield_overrides = {models.TextField: {"widget": UnfoldAdminTextareaWidget({"rows": 3})}}
    max_num = 1
    can_delete = True
    autocomplete_fields = ("schedule",)
    fieldsets = (
        ("Opening hours", {"fields": ("schedule", "project", "priority")}),
        ("Outside opening hours", {
            "fields": (
                "closed_action", "closed_words", "closed_number",
                ("voicemail_limit_s", "voicemail_silence_s"),
            ),
        }),
        ("Who may call", {
            "fields": (
                "withheld_allowed", "listed_only", "blocked_action", "blocked_words",
                "refuse_cause",
            ),
        }),
        ("Caller lookup", {"fields": ("lookup_url", "lookup_secret", "lookup_ms")}),
        ("When no worker answers", {
            "fields": ("ring_limit_s", "overflow_number", "overflow_trunk"),
        }),
    )  # fmt: skip


@admin.register(CallerRule)
class CallerRuleAdmin(KeepsHeld, FindsNumbers, ModelAdmin):  # type: ignore[misc]
    when_empty = "Everybody may call. Add whom to block, or whom to let in always."
    form = CallerRuleForm
    fields = ("kind", "typed", "is_prefix", "number", "priority", "note", "expires_at")
    list_display = ("caller", "shown_kind", "for_number", "priority", "note", "expires_at")
    list_select_related = ("number",)
    list_filter = ("kind",)
    search_fields = ("note",)
    search_help_text = "Number with its country code, or its beginning; or words of the note"
    number_field, before_digits = "digits", ""
    ordering = ("-pk",)
    paginator = UpToPaginator
    show_full_result_count = False

    @admin.display(description="caller", ordering="digits")
    def caller(self, rule: CallerRule) -> str:
        return f"+{rule.digits}…" if rule.is_prefix else shapes.readable(f"+{rule.digits}")

    @display(  # type: ignore[untyped-decorator]
        description="rule", ordering="kind", label={"Block": "danger", "Allow": "success"}
    )
    def shown_kind(self, rule: CallerRule) -> str:
        over = rule.expires_at is not None and rule.expires_at <= timezone.now()
        return "Over" if over else str(rule.get_kind_display())

    @admin.display(description="called number")
    def for_number(self, rule: CallerRule) -> str:
        return shapes.readable(rule.number.e164) if rule.number else "all"


class BlocksCallers:
    """A part of the calls' admin: keep out who called."""

    actions: tuple[str, ...] = ("block_callers",)

    def has_block_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("telephony.add_callerrule"))  # type: ignore[union-attr]

    @admin.action(description="Block these callers", permissions=["block"])
    def block_callers(self, request: HttpRequest, calls: QuerySet[Call]) -> None:
        """Undone by deleting the rule, which the message leads to."""
        for call in calls.order_by("pk")[:100]:
            self._block(request, call)

    def _block(self, request: HttpRequest, call: Call) -> None:
        note = (
            f"From the list of calls, by {request.user}: call of {call.started_at:%Y-%m-%d %H:%M}"
        )
        try:
            rule, is_new = entrance.block(caller=call.caller, note=note)
        except entrance.NoNumber as reason:
            messages.warning(request, str(reason))
            return
        words = "{} is blocked now." if is_new else "There was a rule for {} already."
        url = reverse("admin:telephony_callerrule_change", args=[rule.pk])
        link = format_html('<a href="{}">Look at the rule</a>', url)
        messages.info(
            request, format_html("{} {}", words.format(shapes.readable(f"+{rule.digits}")), link)
        )
