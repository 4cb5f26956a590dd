"""Calls for the supervisor: a list, and a page to read and hear one. History: look, never touch."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.formats import date_format
from unfold.admin import ModelAdmin
from unfold.decorators import display

from agents.look_only import LookOnly
from recordings import access_log, after_reading, money, reading
from recordings.access_log import What
from recordings.admin_exports import ExportsCalls
from recordings.admin_review import ReviewColumns, ReviewFilter, TagFilter
from recordings.lifecycle import RecordingState
from recordings.models import CallCost, Recording
from telephony import search, shapes
from telephony.admin_calls import MAY, CallControls
from telephony.admin_entrance import BlocksCallers
from telephony.admin_history import DaysFilter, History
from telephony.lifecycle import CallState
from telephony.models import Call
from telephony.visible import WithinProjects

STATE_COLOURS = {
    CallState.RINGING: "info",
    CallState.TALKING: "success",
    CallState.ENDED: "",
    CallState.FAILED: "danger",
}
RECORDING_LABELS = {
    RecordingState.WANTED: "Waiting",
    RecordingState.STARTING: "Starting",
    RecordingState.RUNNING: "Recording",
    RecordingState.PAUSED: "Paused",
    RecordingState.UPLOADING: "Uploading",
    RecordingState.STORED: "Stored",
    RecordingState.SKIPPED: "Skipped",
    RecordingState.FAILED: "Failed",
}
RECORDING_COLOURS = {
    RecordingState.STORED: "success",
    RecordingState.FAILED: "danger",
    RecordingState.UPLOADING: "warning",
    RecordingState.RUNNING: "info",
    RecordingState.PAUSED: "warning",
    RecordingState.STARTING: "info",
    RecordingState.WANTED: "",
    RecordingState.SKIPPED: "",
}


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.value, words) for state, words in reading.STATE_WORDS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Call]) -> QuerySet[Call]:
        return queryset.filter(state=self.value()) if self.value() else queryset


@admin.register(Call)
class CallAdmin(
    ReviewColumns, LookOnly, ExportsCalls, CallControls, BlocksCallers, History, WithinProjects,
    ModelAdmin,  # type: ignore[misc]
):  # fmt: skip
    actions = (*ExportsCalls.actions, *BlocksCallers.actions)
    list_display = (
        "caller_shown", "called_shown", "call_state", "project_name", "started", "lasted", "reason",
        "recording_state", "review_state", "tag_words", "spent",
    )  # fmt: skip
    list_select_related = ("project", "recording", "cost", "review")
    list_filter = (StateFilter, "project", ReviewFilter, TagFilter, ("started_at", DaysFilter))
    search_fields = ("caller",)  # switches the search on; get_search_results does it
    search_help_text = "Number, or its last digits, or SIP call (SCL_…)"
    history_field = "started_at"
    list_fullwidth = True

    class Media:
        css = {"all": ("recordings/call.css",)}

    @admin.display(description="caller")
    def caller_shown(self, call: Call) -> str:
        return shapes.readable(call.caller) or "withheld"

    @admin.display(description="called")
    def called_shown(self, call: Call) -> str:
        return shapes.readable(call.called)

    @display(description="state", label=STATE_COLOURS)  # type: ignore[untyped-decorator]
    def call_state(self, call: Call) -> tuple[str, str]:
        return call.state, reading.STATE_WORDS[CallState(call.state)]

    @admin.display(description="project", empty_value="")
    def project_name(self, call: Call) -> str:
        return call.project.name if call.project else ""

    @admin.display(description="started")
    def started(self, call: Call) -> str:
        return date_format(timezone.localtime(call.started_at), "Y-m-d H:i:s")

    @admin.display(description="duration")
    def lasted(self, call: Call) -> str:
        return reading.duration(call) or "on"

    @admin.display(description="end", empty_value="")
    def reason(self, call: Call) -> str:
        return call.get_end_reason_display() if call.end_reason else ""

    @display(description="recording", label=RECORDING_COLOURS)  # type: ignore[untyped-decorator]
    def recording_state(self, call: Call) -> tuple[str, str]:
        recording: Recording | None = getattr(call, "recording", None)
        if recording is None:
            return "", ""
        return recording.state, RECORDING_LABELS[RecordingState(recording.state)]

    @admin.display(description="cost", empty_value="")
    def spent(self, call: Call) -> str:
        cost: CallCost | None = getattr(call, "cost", None)
        return money.usd(cost.amount) if cost else ""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Call], search_term: str
    ) -> tuple[QuerySet[Call], bool]:
        return search.calls(queryset, search_term), False

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The call page; a form would offer to change history."""
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        call: Call | None = self.get_object(request, object_id)
        if call is None:
            missing: HttpResponse = self._get_obj_does_not_exist_redirect(
                request, self.opts, object_id
            )
            return missing
        if not self.has_view_permission(request, call):
            raise PermissionDenied
        page = reading.call_page(call=call, viewer=request.user, now=timezone.now())
        if page.lines:
            access_log.note(user=request.user, what=What.TRANSCRIPT, call=call, request=request)
        context = self.admin_site.each_context(request) | {
            "title": f"Call of {shapes.readable(call.caller) or 'a withheld number'}",
            "opts": self.opts,
            "page": page,
            "insight": after_reading.shown(call),
            "may_repeat_after": reading.may(request.user, "recordings.change_callinsight"),
            "may_control": call.ended_at is None and request.user.has_perm(MAY),
        }
        return TemplateResponse(request, "recordings/call.html", context)


from recordings.admin_after import AfterCallAdmin as AfterCallAdmin  # noqa: E402
from recordings.admin_checks import StoreCheckAdmin as StoreCheckAdmin  # noqa: E402
from recordings.admin_checks import StoreFindingAdmin as StoreFindingAdmin  # noqa: E402
from recordings.admin_costs import CallCostAdmin as CallCostAdmin  # noqa: E402
from recordings.admin_exports import ExportAdmin as ExportAdmin  # noqa: E402
from recordings.admin_figures import TurnFigureAdmin as TurnFigureAdmin  # noqa: E402
from recordings.admin_keeping import KeepRuleAdmin as KeepRuleAdmin  # noqa: E402
from recordings.admin_overview import OverviewAdmin as OverviewAdmin  # noqa: E402
from recordings.admin_profiles import RecordingProfileAdmin as RecordingProfileAdmin  # noqa: E402
from recordings.admin_profiles import StoreAdmin as StoreAdmin  # noqa: E402
from recordings.admin_redaction import AudioMaskAdmin as AudioMaskAdmin  # noqa: E402
from recordings.admin_redaction import RedactionRulesAdmin as RedactionRulesAdmin  # noqa: E402
from recordings.admin_requests import CallerRequestAdmin as CallerRequestAdmin  # noqa: E402
from recordings.admin_search import SpokenTurnAdmin as SpokenTurnAdmin  # noqa: E402
