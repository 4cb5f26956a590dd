"""Budgets of projects: how much of the month's is spent, and what follows from it."""

import logging
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import Q, Sum
from django.utils import timezone

from agents.budget import use_cheaper
from agents.models import CheaperOrder, Project
from recordings.access import EVERY
from recordings.costs import ZERO, month_bounds, month_of
from recordings.models import CallCost, ProjectBudget

log = logging.getLogger(__name__)

FINE, WARNED, OVER = "fine", "warned", "over"


@dataclass(frozen=True, slots=True)
class Standing:
    """One project's budget this month."""

    budget: ProjectBudget
    spent: Decimal
    is_cheaper: bool  # its live plan begins with the cheapest members

    @property
    def project(self) -> Project:
        return self.budget.project

    @property
    def share(self) -> float:
        """1.0: all is spent. A budget of nothing is spent from the start."""
        limit = self.budget.monthly_usd
        return float(self.spent / limit) if limit else 1.0

    @property
    def percent(self) -> int:
        return int(self.share * 100)  # 99.9 % is not yet all

    @property
    def level(self) -> str:
        if self.spent >= self.budget.monthly_usd:
            return OVER
        return WARNED if self.share * 100 >= self.budget.warn_at else FINE

    @property
    def words(self) -> str:
        said = (
            f"“{self.project.name}” has spent {self.spent:.2f} of {self.budget.monthly_usd:.2f} "
            f"USD this month ({self.percent} %)."
        )
        if self.level == FINE:
            return said
        if self.level == WARNED:
            return f"{said} At 100 % its calls begin with the cheapest providers of each chain."
        if self.is_cheaper:
            return f"{said} New calls begin with the cheapest providers until the month is over."
        return f"{said} Its providers are in the cheapest order already, so it goes on spending."


def standings(*, now: datetime, within: Q = EVERY) -> list[Standing]:
    """Of all projects with a budget, the fullest first. Three queries. `within`: see
    telephony.visible."""
    first, after = month_bounds(month_of(now))
    sums = (
        CallCost.objects.filter(at__gte=first, at__lt=after, project__budget__isnull=False)
        .values_list("project")
        .annotate(spent=Sum("amount"))
    )
    spent: dict[int | None, Decimal] = dict(sums)
    cheaper = {order.project_id: order.cheaper_id for order in CheaperOrder.objects.all()}
    found = [
        Standing(
            budget,
            spent.get(budget.project_id, ZERO),
            cheaper.get(budget.project_id, 0) == budget.project.published_id,
        )
        for budget in ProjectBudget.objects.filter(within).select_related("project")
    ]
    return sorted(found, key=lambda standing: -standing.share)


def watch(*, now: datetime) -> None:
    """Warn, and change the order of providers where a budget is spent, or back. Repeatable."""
    for standing in standings(now=now):
        use_cheaper(standing.project.pk, standing.level == OVER, now=now)
        if standing.level != FINE:
            _warn(standing, now)
    for order in CheaperOrder.objects.filter(project__budget=None):
        use_cheaper(order.project_id, False, now=now)


def watch_call(*, call_id: int, now: datetime) -> None:
    """After a call: nothing to do for a project without a budget."""
    if ProjectBudget.objects.filter(project__calls=call_id).exists():
        watch(now=now)


def _warn(standing: Standing, now: datetime) -> None:
    """Once a month; pages and metrics show it all the time."""
    month = month_of(now)
    budgets = ProjectBudget.objects.filter(pk=standing.budget.pk).exclude(warned_month=month)
    if budgets.update(warned_month=month):
        log.warning(
            "budget",
            extra={
                "project": standing.project.slug,
                "spent_usd": str(standing.spent),
                "monthly_usd": str(standing.budget.monthly_usd),
                "month": timezone.localdate(now).isoformat()[:7],
            },
        )
