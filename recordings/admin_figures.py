"""The page of figures in the admin: speed by stage, project, provider and day; cost by day."""

from datetime import date, timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.dateparse import parse_date
from unfold.admin import ModelAdmin

from agents.look_only import LookOnly
from agents.models import Project
from recordings import charts, figures, money
from recordings.figures import Span
from recordings.latency import STAGES
from recordings.models import TurnFigure
from recordings.reading import target_ms
from telephony.visible import projects_of

RANGES = ((1, "Today"), (7, "7 days"), (30, "30 days"), (90, "90 days"))
DEFAULT_DAYS = 7


class ReadOnlyPage(LookOnly, ModelAdmin):  # type: ignore[misc]
    """A page of its own in the place of a list: nothing is added, changed or deleted here."""

    page_template = ""
    page_title = ""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = self.admin_site.each_context(request) | {
            "title": self.page_title,
            "opts": self.opts,
            **self.page(request),
        }
        return TemplateResponse(request, self.page_template, context)

    def page(self, request: HttpRequest) -> dict[str, Any]:
        raise NotImplementedError


@admin.register(TurnFigure)
class TurnFigureAdmin(ReadOnlyPage):
    page_template = "recordings/figures.html"
    page_title = "Speed and cost"

    def page(self, request: HttpRequest) -> dict[str, Any]:
        today = timezone.localdate()
        mine = projects_of(request.user)
        span = span_of(request.GET, today, mine)
        groups = figures.by_day(span)
        return {
            "span": span,
            "projects": _choice(mine),
            "ranges": _ranges(today, span),
            "overview": figures.overview(span),
            "stages": _stages(figures.stages(span)),
            "columns": [figures.TITLES[stage] for stage in STAGES],
            "by_project": figures.by_project(span),
            "by_day": groups,
            "day_chart": _day_chart(groups, span),
            "by_provider": figures.by_provider(span),
            "costs": _costs(figures.costs(span)),
            "good_ms": span.good_ms,
        }


def _choice(mine: list[int] | None) -> "QuerySet[Project]":
    projects = Project.objects.order_by("name")
    return projects if mine is None else projects.filter(pk__in=mine)


def span_of(asked: QueryDict, today: date, mine: list[int] | None = None) -> Span:
    """What the address asks for; what makes no sense falls back to the last week. `mine`: the
    projects a user is limited to."""
    last = min(_day(asked.get("last")) or today, today)
    first = _day(asked.get("first")) or last - timedelta(days=DEFAULT_DAYS - 1)
    if first > last:
        first, last = last, first
    first = max(first, last - figures.LONGEST)
    number = asked.get("project", "")
    project = _choice(mine).filter(pk=number).first() if number.isdecimal() else None
    return Span(first, last, project, target_ms(), None if mine is None else tuple(mine))


def _day(text: str | None) -> date | None:
    try:
        return parse_date(text or "")
    except ValueError:  # as 2026-02-31
        return None


def _ranges(today: date, span: Span) -> list[tuple[str, str, bool]]:
    """Words, query and whether it is shown now."""
    project = f"&project={span.project.pk}" if span.project else ""
    found = []
    for days, words in RANGES:
        first = today - timedelta(days=days - 1)
        is_now = (span.first, span.last) == (first, today)
        found.append((words, f"?first={first}&last={today}{project}", is_now))
    return found


def _stages(stages: list[figures.Stage]) -> list[dict[str, Any]]:
    most = max((stage.figures.p99 for stage in stages), default=0)
    return [
        {
            "stage": stage,
            "p50": charts.share(stage.figures.p50, most),
            "p95": charts.share(stage.figures.p95, most),
            "p99": charts.share(stage.figures.p99, most),
            "budget": charts.share(stage.budget_ms or 0, most),
        }
        for stage in stages
    ]


def _day_chart(groups: list[figures.Group], span: Span) -> list[charts.Column]:
    """p95 behind p50 of the whole answer, one column a day."""
    totals = {group.day: group.cells[0] for group in groups}
    bars: list[tuple[str, charts.Number, charts.Number]] = []
    for day in span.days():
        total = totals.get(day)
        words = f"p50 {total.p50} ms, p95 {total.p95} ms" if total else "no answer measured"
        bars.append((f"{day}: {words}", total.p95 if total else 0, total.p50 if total else 0))
    return charts.columns(bars)


def _costs(costs: list[figures.Cost]) -> list[dict[str, Any]]:
    return [
        {
            "cost": cost,
            "chart": charts.columns(
                [
                    (f"{day}: {money.usd(amount)}, {calls} calls", amount, 0)
                    for day, calls, amount in cost.by_day
                ]
            ),
            "days": [row for row in cost.by_day if row[1]],
        }
        for cost in costs
    ]
