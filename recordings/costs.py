"""What was used × the price book: per turn, per call, per project and month."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Sum
from django.utils import timezone

from agents import pricebook
from agents.models import Project
from agents.pricefile import MILLION, Price
from agents.providers import Role
from recordings.models import CallCost, ProjectBudget

ZERO = Decimal(0)
SIX_PLACES = Decimal("0.000001")


@dataclass(slots=True)
class Spent:
    by_role: dict[str, Decimal] = field(default_factory=dict)
    missing: set[str] = field(default_factory=set)  # "provider model" without a price

    @property
    def amount(self) -> Decimal:
        return sum(self.by_role.values(), ZERO).quantize(SIX_PLACES)

    def add(self, other: "Spent") -> None:
        for role, amount in other.by_role.items():
            self.by_role[role] = self.by_role.get(role, ZERO) + amount
        self.missing |= other.missing


def spent_on(usage: Iterable[Mapping[str, Any]], *, on: date) -> Spent:
    """The cost of `usage` entries at the prices of a day."""
    spent = Spent()
    for entry in usage:
        spent.add(_of_one(entry, on))
    return spent


def _of_one(entry: Mapping[str, Any], on: date) -> Spent:
    role, slug, model = (str(entry.get(name) or "") for name in ("role", "provider", "model"))
    if entry.get("cached") is True or role not in set(Role):
        return Spent()
    price = pricebook.price_of(slug, model, on=on)
    amount = _amount(entry, price) if price else None
    if amount is None:
        return Spent(missing={f"{slug} {model}".strip()})
    return Spent(by_role={role: amount})


def _amount(entry: Mapping[str, Any], price: Price) -> Decimal | None:
    """None if the provider is not paid by what was counted."""
    cached = min(_count(entry, "cached_tokens"), _count(entry, "input_tokens"))
    in_full = price.input_mtok
    used = (
        (_count(entry, "input_tokens") - cached, in_full, MILLION),
        (cached, in_full if price.cached_mtok is None else price.cached_mtok, MILLION),
        (_count(entry, "output_tokens"), price.output_mtok, MILLION),
        (_count(entry, "characters"), price.characters_m, MILLION),
        (_count(entry, "audio_ms"), price.audio_min, Decimal(60_000)),
    )
    total = ZERO
    for count, unit_price, unit in used:
        if count and unit_price is None:
            return None
        total += count * (unit_price or ZERO) / unit
    return total


def _count(entry: Mapping[str, Any], name: str) -> Decimal:
    """Journals come from elsewhere: what is no count is nothing."""
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return ZERO
    return Decimal(str(value))


# --- per project and month ------------------------------------------------------------------------


def month_of(moment: datetime) -> date:
    return timezone.localdate(moment).replace(day=1)


def month_bounds(month: date) -> tuple[datetime, datetime]:
    """From the first moment of a month to the first of the next one."""
    after = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    first, last = (
        timezone.make_aware(datetime(day.year, day.month, 1))  # noqa: DTZ001 made aware here
        for day in (month, after)
    )
    return first, last


def spent_in_month(project: Project, *, now: datetime) -> Decimal:
    first, after = month_bounds(month_of(now))
    calls = CallCost.objects.filter(project=project, at__gte=first, at__lt=after)
    return calls.aggregate(spent=Sum("amount"))["spent"] or ZERO


def budget_of(project: Project) -> ProjectBudget | None:
    return ProjectBudget.objects.filter(project=project).first()


def over_budget(project: Project, *, now: datetime | None = None) -> bool:
    """Whether this month's calls have cost what the project may cost."""
    budget = budget_of(project)
    if budget is None:
        return False
    return spent_in_month(project, now=now or timezone.now()) >= budget.monthly_usd
