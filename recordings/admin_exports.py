"""Exports of calls: asked for from the list of calls, followed and downloaded on a page each."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from agents.look_only import LookOnly
from recordings import exports, tasks_checks, wiring
from recordings.errors import RecordingError
from recordings.models import Export
from telephony.admin_history import History
from telephony.later import after_commit
from telephony.models import Call

ASK = "recordings.add_export"
HEAR = "recordings.view_recording"
READ = "recordings.view_transcript"
COLOURS = {
    Export.State.WAITING: "",
    Export.State.RUNNING: "info",
    Export.State.DONE: "success",
    Export.State.CANCELLED: "",
    Export.State.FAILED: "danger",
}


def formats_of(user: Any) -> list[tuple[str, str]]:
    """What this user may take: sound and words need their own permissions."""
    barred = set()
    if not user.has_perm(HEAR):
        barred.add(Export.Format.AUDIO.value)
    if not user.has_perm(READ):
        barred.add(Export.Format.JSON.value)
    return [(value, label) for value, label in Export.Format.choices if value not in barred]


class ExportsCalls:
    """A part of the calls' admin: the calls chosen, or all which match."""

    admin_site: Any
    opts: Any
    actions: tuple[str, ...] = ("export_chosen",)

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        own = path("export/", wrap(self.export), name="telephony_call_export")
        return [own, *super().get_urls()]  # type: ignore[misc]

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list's rows are drawn without the request."""
        found = super().get_changelist_instance(request)  # type: ignore[misc]
        found.may_export = self.has_export_permission(request)
        return found

    def has_export_permission(self, request: HttpRequest, *_: object) -> bool:
        return request.user.has_perm(ASK)

    @admin.action(description="Export", permissions=["export"])
    def export_chosen(self, request: HttpRequest, calls: QuerySet[Call]) -> HttpResponse:
        ids = ",".join(str(pk) for pk in calls.values_list("pk", flat=True)[:1000])
        return HttpResponseRedirect(reverse("admin:telephony_call_export") + f"?chosen={ids}")

    def export(self, request: HttpRequest) -> HttpResponse:
        """GET: how many, and as what. POST: asks Celery."""
        if not self.has_export_permission(request) or not request.user.has_perm(
            "telephony.view_call"
        ):
            raise PermissionDenied
        ids, words = self._chosen(request)
        allowed = formats_of(request.user)
        chosen = request.POST.get("format", "")
        if request.method == "POST" and ids and chosen in dict(allowed):
            export = exports.request_export(
                ids=ids, format=chosen, words=words, user=request.user, now=timezone.now()
            )
            after_commit(tasks_checks.go_on_exporting.delay, export_id=export.pk)
            return HttpResponseRedirect(_page(export.pk))
        context = self.admin_site.each_context(request) | {
            "title": "Export calls", "opts": self.opts, "count": len(ids), "words": words,
            "most": exports.MOST, "formats": allowed, "kept": exports.KEPT.days,
        }  # fmt: skip
        return TemplateResponse(request, "recordings/export_ask.html", context)

    def _chosen(self, request: HttpRequest) -> tuple[list[int], str]:
        """Ids and words. The newest come first when there are too many."""
        if told := request.GET.get("chosen"):
            ids = [int(pk) for pk in told.split(",")[:1000] if pk.isdecimal() and len(pk) < 19]
            seen = self.get_queryset(request)  # type: ignore[attr-defined]
            ids = list(seen.filter(pk__in=ids).values_list("pk", flat=True))
            return ids, f"{len(ids)} calls chosen in the list"
        matching = self.get_changelist_instance(request)
        rows = matching.queryset.order_by("-started_at", "-pk").values_list("pk", flat=True)
        ids = list(rows[: exports.MOST])
        is_filtered = bool(matching.query or matching.has_active_filters)
        return ids, f"{len(ids)} calls matching a filter" if is_filtered else "all calls"


@admin.register(Export)
class ExportAdmin(LookOnly, History, ModelAdmin):  # type: ignore[misc]
    when_empty = "Choose calls in the list of calls, then “Export”. Files are kept for a week."
    list_display = ("words", "format", "state_shown", "progress", "asked_by", "asked_at")
    history_field = "asked_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Export]:
        """One's own: what is in another's file may be more than one may see."""
        rows: QuerySet[Export] = super().get_queryset(request)
        return rows if request.user.is_superuser else rows.filter(asker=request.user.pk or 0)

    def get_urls(self) -> list[URLPattern]:
        guarded = self.admin_site.admin_view
        return [
            path("<int:pk>/cancel/", guarded(self.cancel), name="recordings_export_cancel"),
            path("<int:pk>/download/", guarded(self.download), name="recordings_export_download"),
            *super().get_urls(),
        ]

    @display(description="state", label=COLOURS)  # type: ignore[untyped-decorator]
    def state_shown(self, export: Export) -> tuple[str, str]:
        if export.deleted_at:
            return "cancelled", "Deleted"
        return export.state, export.get_state_display()

    @admin.display(description="calls")
    def progress(self, export: Export) -> str:
        return f"{export.done} of {export.total}"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        export: Export | None = self.get_object(request, object_id)
        if export is None:
            gone: HttpResponse = self._get_obj_does_not_exist_redirect(
                request, self.opts, object_id
            )
            return gone
        if not self.has_view_permission(request, export):
            raise PermissionDenied
        context = self.admin_site.each_context(request) | {
            "title": f"Export of {export.words}", "opts": self.opts, "export": export,
        }  # fmt: skip
        return TemplateResponse(request, "recordings/export.html", context)

    def cancel(self, request: HttpRequest, pk: int) -> HttpResponse:
        export = get_object_or_404(self.get_queryset(request), pk=pk)
        if request.method != "POST" or not request.user.has_perm(ASK):
            raise PermissionDenied
        exports.cancel(export_id=export.pk, bucket=wiring.bucket(), now=timezone.now())
        return HttpResponseRedirect(_page(pk))

    def download(self, request: HttpRequest, pk: int) -> HttpResponse:
        """To a link of five minutes, for whoever asked for it and may see what is in it still."""
        export = get_object_or_404(self.get_queryset(request), pk=pk)
        allowed = dict(formats_of(request.user))
        if not request.user.has_perm(ASK) or export.format not in allowed:
            raise PermissionDenied
        try:
            url = exports.link(export=export, user=request.user, bucket=wiring.bucket())
        except RecordingError as reason:
            messages.error(request, str(reason))
            return HttpResponseRedirect(_page(pk))
        return HttpResponseRedirect(url)


def _page(pk: int) -> str:
    return reverse("admin:recordings_export_change", args=[pk])
