"""How fast the bot answers and what it costs, over many calls: what the page of figures shows."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils import timezone

from agents.models import Project
from recordings.latency import BUDGET_MS, GOOD_MS, LABELS, STAGES
from recordings.models import CallCost, TurnFigure
from recordings.percentiles import Columns, Percentiles, percentiles
from recordings.switches import ROLES, name_of

LONGEST = timedelta(days=366)
COLUMNS = {stage: f"{stage}_ms" for stage in STAGES}
TITLES = LABELS | {"total": "Until the bot spoke", "end_of_turn": "Until the caller was done"}


@dataclass(frozen=True, slots=True)
class Span:
    """From a day to a day, both included; one project, those of `within`, or all."""

    first: date
    last: date
    project: Project | None = None
    good_ms: int = GOOD_MS
    within: tuple[int, ...] | None = None

    def days(self) -> Iterator[date]:
        for n in range((self.last - self.first).days + 1):
            yield self.first + timedelta(days=n)

    def filter(self) -> dict[str, Any]:
        begin, end = (
            timezone.make_aware(datetime(day.year, day.month, day.day))  # noqa: DTZ001
            for day in (self.first, self.last + timedelta(days=1))
        )
        limits: dict[str, Any] = {"at__gte": begin, "at__lt": end}
        if self.project:
            return limits | {"project": self.project}
        return limits if self.within is None else limits | {"project__in": self.within}


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the way to an answer."""

    name: str
    label: str
    figures: Percentiles
    budget_ms: int | None

    @property
    def is_over(self) -> bool:
        return self.budget_ms is not None and self.figures.p95 >= self.budget_ms


@dataclass(frozen=True, slots=True)
class Group:
    """A project, a day or a provider, with the stages which were measured."""

    label: str
    cells: tuple[Percentiles | None, ...]  # in the order of STAGES
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    label: str
    calls: int
    amount: Decimal
    by_day: tuple[tuple[date, int, Decimal], ...]  # day, calls, amount; every day of the span

    @property
    def per_call(self) -> Decimal:
        return self.amount / self.calls if self.calls else Decimal(0)


@dataclass(frozen=True, slots=True)
class Overview:
    turns: int
    good: int  # answers within the budget
    measured: int
    switched: int

    @property
    def good_percent(self) -> int | None:
        return int(100 * self.good / self.measured) if self.measured else None


def turns(span: Span) -> "QuerySet[TurnFigure]":
    return TurnFigure.objects.filter(**span.filter())


def overview(span: Span) -> Overview:
    counted = turns(span).aggregate(
        turns=Count("pk"),
        measured=Count("total_ms"),
        good=Count("pk", filter=Q(total_ms__lt=span.good_ms)),
        switched=Count("pk", filter=Q(switched=True)),
    )
    return Overview(**counted)


def stages(span: Span) -> list[Stage]:
    found = percentiles(turns(span), list(COLUMNS.values())).get(None, {})
    budget = BUDGET_MS | {"total": span.good_ms}
    return [
        Stage(stage, TITLES[stage], found[column], budget.get(stage))
        for stage, column in COLUMNS.items()
        if column in found
    ]


def by_project(span: Span) -> list[Group]:
    found = percentiles(turns(span), list(COLUMNS.values()), by="project")
    names = dict(
        Project.objects.filter(pk__in=[pk for pk in found if pk]).values_list("pk", "name")
    )
    groups = [_group(names.get(pk, "No project"), columns) for pk, columns in found.items()]
    return sorted(groups, key=lambda group: group.label.casefold())


def by_day(span: Span) -> list[Group]:
    """Days without a call are left out."""
    rows = turns(span).annotate(day=TruncDate("at"))
    found = percentiles(rows, list(COLUMNS.values()), by="day")
    return [_group(f"{day:%Y-%m-%d}", found[day], day) for day in sorted(found)]


def by_provider(span: Span) -> list[tuple[str, list[tuple[str, Percentiles]]]]:
    """Role, and for each provider its own stage."""
    found = []
    for role, words in ROLES.items():
        column = f"{role}_ms"
        of_role = percentiles(turns(span).exclude(**{role: ""}), [column], by=role)
        rows = [(name_of(slug), columns[column]) for slug, columns in of_role.items() if columns]
        if rows:
            found.append((words, sorted(rows, key=lambda row: row[1].p50)))
    return found


def _group(label: str, columns: Columns, day: date | None = None) -> Group:
    return Group(label, tuple(columns.get(column) for column in COLUMNS.values()), day)


def costs(span: Span) -> list[Cost]:
    """By project, the dearest first."""
    rows = (
        CallCost.objects.filter(**span.filter())
        .annotate(day=TruncDate("at"))
        .values("project", "project__name", "day")
        .annotate(calls=Count("pk"), spent=Sum("amount"))
        .order_by()
    )
    found: dict[tuple[int | None, str], dict[date, tuple[int, Decimal]]] = {}
    for row in rows:
        days = found.setdefault((row["project"], row["project__name"] or "No project"), {})
        days[row["day"]] = (row["calls"], row["spent"])
    result = [_cost(label, days, span) for (_, label), days in found.items()]
    return sorted(result, key=lambda cost: (-cost.amount, cost.label))


def _cost(label: str, days: dict[date, tuple[int, Decimal]], span: Span) -> Cost:
    none = (0, Decimal(0))
    return Cost(
        label,
        sum(calls for calls, _ in days.values()),
        sum((amount for _, amount in days.values()), Decimal(0)),
        tuple((day, *days.get(day, none)) for day in span.days()),
    )
