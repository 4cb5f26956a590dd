"""The page of pictures: when calls come, what becomes of them, what callers ask."""

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from recordings import figures, overview
from recordings.admin_figures import ReadOnlyPage, _choice, _day_chart, _ranges, span_of
from recordings.latency import STAGES
from recordings.models import AskedQuestion, HourFigure
from telephony.visible import projects_of

READ = "recordings.view_transcript"
MAKE = "agents.change_project"
How = AskedQuestion.How


@admin.register(HourFigure)
class OverviewAdmin(ReadOnlyPage):
    page_template = "recordings/overview.html"
    page_title = "Overview"

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "make-faq/", self.admin_site.admin_view(self.make_faq), name="recordings_make_faq"
        )
        return [own, *super().get_urls()]

    def page(self, request: HttpRequest) -> dict[str, Any]:
        today = timezone.localdate()
        mine = projects_of(request.user)
        span = span_of(request.GET, today, mine)
        hours = overview.hours(span)
        by_day = figures.by_day(span)
        may_read = request.user.has_perm(READ)
        return {
            "span": span, "ranges": _ranges(today, span),
            "projects": _choice(mine),
            "hours": hours, "shares": overview.shares(hours.totals),
            "contained": overview.contained_chart(hours, span),
            "by_day": by_day, "day_chart": _day_chart(by_day, span),
            "columns": [figures.TITLES[stage] for stage in STAGES],
            "asked": overview.top(span, How.KNOWN, How.ANSWERED) if may_read else [],
            "lost": overview.top(span, How.NOT_UNDERSTOOD) if may_read else [],
            "may_read": may_read, "may_make": request.user.has_perm(MAKE),
        }  # fmt: skip

    def make_faq(self, request: HttpRequest) -> HttpResponse:
        """POST: a draft entry, opened in its project."""
        if request.method != "POST" or not (
            request.user.has_perm(MAKE) and request.user.has_perm(READ)
        ):
            raise PermissionDenied
        number = request.POST.get("project", "")
        mine = _choice(projects_of(request.user))
        project = get_object_or_404(mine, pk=number if number.isdecimal() else 0)
        try:
            overview.make_faq(project=project, cluster=request.POST.get("cluster", ""))
        except AskedQuestion.DoesNotExist:
            messages.error(request, "That question is no longer there: its calls were deleted.")
            return HttpResponseRedirect(reverse("admin:recordings_hourfigure_changelist"))
        messages.success(request, "The question is in the FAQ. Write its answer, then publish.")
        page = reverse("admin:agents_project_change", args=[project.pk])
        return HttpResponseRedirect(f"{page}#faq-group")
