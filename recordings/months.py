"""What months cost, by project: for the page of costs and for the comparison with own servers."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Q, Sum
from django.db.models.functions import TruncMonth
from django.utils import timezone

from recordings.access import EVERY
from recordings.budgets import Standing, standings
from recordings.costs import ZERO, month_bounds, month_of
from recordings.models import CallCost

HISTORY = 12
RECENT = timedelta(days=30)


@dataclass(slots=True)
class Month:
    """One project's month, or all projects' together."""

    label: str
    project_id: int | None = None
    calls: int = 0
    seconds: int = 0
    amount: Decimal = ZERO
    by_role: dict[str, Decimal] = field(default_factory=dict)
    unpriced: int = 0  # calls which used something without a price
    missing: set[str] = field(default_factory=set)
    standing: Standing | None = None

    @property
    def minutes(self) -> Decimal:
        return Decimal(self.seconds) / 60

    @property
    def per_minute(self) -> Decimal | None:
        return self.amount / self.minutes if self.seconds else None

    @property
    def per_call(self) -> Decimal | None:
        return self.amount / self.calls if self.calls else None


def projects(month: date, *, now: datetime, within: Q = EVERY) -> tuple[list[Month], Month]:
    """Each project's month, the dearest first, and the sum. Budgets only of the present month.
    `within`: see telephony.visible."""
    first, after = month_bounds(month)
    rows = CallCost.objects.filter(within, at__gte=first, at__lt=after).values_list(
        "project", "project__name", "seconds", "amount", "by_role", "missing"
    )
    found: dict[int | None, Month] = {}
    whole = Month("Your projects" if within else "All projects")
    for project, name, *facts in rows.iterator():
        of_project = found.setdefault(project, Month(name or "No project", project))
        for one in (of_project, whole):
            _add(one, *facts)
    if month == month_of(now):
        _with_budgets(found, now, within)
    return sorted(found.values(), key=lambda one: (-one.amount, one.label)), whole


def _with_budgets(found: dict[int | None, Month], now: datetime, within: Q) -> None:
    for standing in standings(now=now, within=within):
        project = standing.project
        found.setdefault(project.pk, Month(project.name, project.pk)).standing = standing


def _add(
    month: Month, seconds: int, amount: Decimal, by_role: dict[str, str], missing: list[str]
) -> None:
    month.calls += 1
    month.seconds += seconds
    month.amount += amount
    month.unpriced += bool(missing)
    month.missing |= set(missing)
    for role, part in by_role.items():
        month.by_role[role] = month.by_role.get(role, ZERO) + Decimal(part)


def history(*, now: datetime, within: Q = EVERY) -> list[tuple[date, int, Decimal]]:
    """The last twelve months with the present one: first day, calls, amount."""
    months = [month_of(now)]
    while len(months) < HISTORY:
        months.append((months[-1] - timedelta(days=1)).replace(day=1))
    first, _ = month_bounds(months[-1])
    rows = (
        CallCost.objects.filter(within, at__gte=first)
        .annotate(month=TruncMonth("at"))
        .values("month")
        .annotate(calls=Count("pk"), spent=Sum("amount"))
        .order_by()
    )
    found = {timezone.localdate(row["month"]): (row["calls"], row["spent"]) for row in rows}
    return [(month, *found.get(month, (0, ZERO))) for month in reversed(months)]


@dataclass(frozen=True, slots=True)
class Traffic:
    """The last thirty days."""

    calls: int
    minutes: Decimal
    cloud_calls: int  # which cost something
    cloud_minutes: Decimal
    cloud_usd: Decimal

    @property
    def cloud_minute(self) -> Decimal | None:
        """USD a minute of calls which used cloud providers."""
        return self.cloud_usd / self.cloud_minutes if self.cloud_minutes else None


def traffic(*, now: datetime, within: Q = EVERY) -> Traffic:
    recent = CallCost.objects.filter(within, at__gte=now - RECENT, at__lte=now)
    every = _counted(recent)
    cloud = _counted(recent.filter(amount__gt=0))
    return Traffic(every[0], every[1], *cloud)


def _counted(rows: Any) -> tuple[int, Decimal, Decimal]:
    found = rows.aggregate(calls=Count("pk"), seconds=Sum("seconds"), spent=Sum("amount"))
    return found["calls"], Decimal(found["seconds"] or 0) / 60, found["spent"] or ZERO
