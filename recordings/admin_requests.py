"""A caller wants to know, or wants gone, what is here about his number."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import action, display

from agents.look_only import LookOnly
from recordings import access_log, requests, subject, takeout, tasks, wiring
from recordings.access_log import What
from recordings.errors import RequestRefused, StoreRefused, StoreUnavailable
from recordings.models import CallerRequest
from telephony.admin_history import History
from telephony.later import after_commit

MAY = "recordings.add_callerrequest"
STATES = {"Waiting": "info", "Under way": "info", "Done": "success", "Refused": "danger"}


@admin.register(CallerRequest)
class CallerRequestAdmin(LookOnly, History, ModelAdmin):  # type: ignore[misc]
    when_empty = (
        "Nobody has asked. “Erase or export”, above, takes a caller's number and shows first what "
        "is here about it."
    )
    list_display = ("name", "state_shown", "progress", "asked_by", "words")
    list_filter = ("what", "state")
    history_field = "asked_at"
    actions_list = ("ask",)
    list_fullwidth = True

    @admin.display(description="request")
    def name(self, row: CallerRequest) -> str:
        return str(row)

    @display(description="state", label=STATES)  # type: ignore[untyped-decorator]
    def state_shown(self, row: CallerRequest) -> str:
        return str(row.get_state_display())

    @admin.display(description="calls")
    def progress(self, row: CallerRequest) -> str:
        return f"{row.done} of {row.total}"

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        mine = path(
            "<int:pk>/file/", wrap(self.file), name="recordings_callerrequest_file"
        )  # fmt: skip
        return [mine, *super().get_urls()]

    @action(  # type: ignore[untyped-decorator]
        description="Erase or export", url_path="ask", icon="person_off", permissions=["ask"]
    )
    def ask(self, request: HttpRequest) -> HttpResponse:
        """GET asks for a number. POST shows what is here; a second one, with the number typed
        again, begins. The number is in no address, so that no log has it."""
        typed = request.POST.get("number", "")[:64]
        what = "export" if request.POST.get("what") == "export" else "erase"
        context: dict[str, Any] = {"typed": typed, "what": what}
        if request.method == "POST":
            try:
                context["found"] = found = subject.look(subject.read(typed), now=timezone.now())
                if "confirmed" in request.POST:
                    again = request.POST["confirmed"].strip()
                    if subject.read(again).text == found.written.text:
                        return self._begin(request, what, typed)
                    context["error"] = "That is another number. Type the one above."
            except RequestRefused as reason:
                context["error"] = str(reason)
        context |= self.admin_site.each_context(request) | {
            "title": "Erase or export everything about a caller",
            "opts": self.opts,
            "back": reverse("admin:recordings_callerrequest_changelist"),
        }
        return TemplateResponse(request, "recordings/ask_caller.html", context)

    def _begin(self, request: HttpRequest, what: str, typed: str) -> HttpResponse:
        by = request.user.get_username()
        row = requests.ask(what=what, typed=typed, by=by, now=timezone.now())
        access_log.note(
            user=request.user, what=What.ERASE if what == "erase" else What.EXPORT, call=None,
            how=f"request {row.pk}", request=request,
        )  # fmt: skip
        after_commit(tasks.work_request.delay, request_id=row.pk)
        return HttpResponseRedirect(_page(row.pk))

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The certificate, or how far it is."""
        row: CallerRequest | None = self.get_object(request, object_id)
        if row is None:
            missing: HttpResponse = self._get_obj_does_not_exist_redirect(
                request, self.opts, object_id
            )
            return missing
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        context = self.admin_site.each_context(request) | {
            "title": str(row),
            "opts": self.opts,
            "row": row,
            "percent": requests.progress(row),
            "counts": sorted(row.counts.items()),
            "may_take": request.user.has_perm(MAY),
            "back": reverse("admin:recordings_callerrequest_changelist"),
        }
        return TemplateResponse(request, "recordings/caller_request.html", context)

    def file(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Leads to a link for five minutes. Every use is written down."""
        if not self.has_ask_permission(request):
            raise PermissionDenied
        row = get_object_or_404(CallerRequest, pk=pk)
        if not row.object_key:
            raise Http404
        bucket = wiring.bucket()
        try:
            bucket.head(row.object_key)
        except (StoreUnavailable, StoreRefused) as trouble:
            messages.error(request, str(trouble))
            return HttpResponseRedirect(_page(pk))
        access_log.note(
            user=request.user, what=What.DOWNLOAD, call=None, how=f"export, request {pk}",
            request=request,
        )  # fmt: skip
        url = bucket.download_link(
            row.object_key, name=takeout.NAME, content_type=takeout.CONTENT_TYPE
        )
        answer = HttpResponseRedirect(url)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    def has_ask_permission(self, request: HttpRequest, *_: object) -> bool:
        return request.user.has_perm(MAY)


def _page(pk: int) -> str:
    return reverse("admin:recordings_callerrequest_change", args=[pk])
