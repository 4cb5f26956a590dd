"""Costs in the admin: of calls, by month and project, budgets, and cloud against own servers."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.views import ChangeList

from agents import pricebook
from agents.look_only import LookOnly
from agents.models import Project
from recordings import budgets, charts, compare, money, months
from recordings.admin_figures import ReadOnlyPage
from recordings.costs import month_of
from recordings.models import CallCost, MonthlyCost, OwnServers, ProjectBudget
from recordings.switches import ROLES, priceless
from recordings.tasks import watch_budgets
from telephony import shapes
from telephony.later import after_commit
from telephony.paging import UpToPaginator
from telephony.visible import WithinProjects, projects_of, within_projects

LEVELS = {budgets.FINE: "success", budgets.WARNED: "warning", budgets.OVER: "danger"}
LEVEL_WORDS = {budgets.FINE: "Fine", budgets.WARNED: "Nearly spent", budgets.OVER: "Spent"}


def _one_line(text: str) -> str:
    return format_html('<span class="whitespace-nowrap">{}</span>', text)


@admin.register(CallCost)
class CallCostAdmin(LookOnly, WithinProjects, ModelAdmin):  # type: ignore[misc]
    list_display = (
        "caller", "started", "project", "lasted", "spent", "roles", "without_price",
    )  # fmt: skip
    list_select_related = ("call", "project")
    list_filter = ("project", "unpriced", "at")
    ordering = ("-at", "-pk")
    paginator = UpToPaginator
    list_per_page = 50
    show_full_result_count = False
    list_fullwidth = True
    list_display_links = None

    @admin.display(description="call")
    def caller(self, cost: CallCost) -> str:
        url = reverse("admin:telephony_call_change", args=[cost.call_id])
        return format_html(
            '<a class="font-medium" href="{}">{}</a>',
            url,
            shapes.readable(cost.call.caller) or "withheld",
        )

    @admin.display(description="started", ordering="at")
    def started(self, cost: CallCost) -> str:
        return _one_line(date_format(timezone.localtime(cost.at), "Y-m-d H:i"))

    @admin.display(description="minutes", ordering="seconds")
    def lasted(self, cost: CallCost) -> str:
        return f"{cost.seconds / 60:.1f}"

    @admin.display(description="cost", ordering="amount")
    def spent(self, cost: CallCost) -> str:
        return _one_line(money.usd(cost.amount))

    @admin.display(description="of it")
    def roles(self, cost: CallCost) -> str:
        parts = [
            f"{words.lower()} {Decimal(cost.by_role[role]):.4f}"
            for role, words in ROLES.items()
            if role in cost.by_role
        ]
        return ", ".join(parts)

    @admin.display(description="without a price", ordering="unpriced")
    def without_price(self, cost: CallCost) -> str:
        return priceless(cost.missing)


class BudgetList(ChangeList):  # type: ignore[misc]
    def get_results(self, request: HttpRequest) -> None:
        """With this month's standing of each: asked for once, not for each row."""
        super().get_results(request)
        found = budgets.standings(now=timezone.now())
        standings = {standing.budget.pk: standing for standing in found}
        rows: list[Any] = [row for row in getattr(self, "result_list", ()) if row.pk in standings]
        for budget in rows:
            budget.standing = standings[budget.pk]
        self.result_list = rows


@admin.register(ProjectBudget)
class ProjectBudgetAdmin(WithinProjects, ModelAdmin):  # type: ignore[misc]
    list_display = ("project", "monthly_usd", "spent", "percent", "level", "order")
    list_select_related = ("project",)
    fields = ("project", "monthly_usd", "warn_at")
    ordering = ("project__name",)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[BudgetList]:
        return BudgetList

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **more: Any) -> Any:
        if db_field.name == "project" and (only := projects_of(request.user)) is not None:
            more["queryset"] = Project.objects.filter(pk__in=only)
        return super().formfield_for_foreignkey(db_field, request, **more)

    @admin.display(description="spent this month")
    def spent(self, budget: Any) -> str:
        return money.usd(budget.standing.spent)

    @admin.display(description="%")
    def percent(self, budget: Any) -> str:
        return f"{budget.standing.percent} %"

    @display(description="budget", label=LEVELS)  # type: ignore[untyped-decorator]
    def level(self, budget: Any) -> tuple[str, str]:
        return budget.standing.level, LEVEL_WORDS[budget.standing.level]

    @admin.display(description="providers")
    def order(self, budget: Any) -> str:
        return "cheapest first" if budget.standing.is_cheaper else "as published"

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        after_commit(watch_budgets.delay)

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        super().delete_model(request, obj)
        after_commit(watch_budgets.delay)


@admin.register(MonthlyCost)
class MonthlyCostAdmin(ReadOnlyPage):
    page_template = "recordings/months.html"
    page_title = "Costs by month"

    def page(self, request: HttpRequest) -> dict[str, Any]:
        now = timezone.now()
        month = _month(request.GET.get("month", ""), month_of(now))
        within = within_projects(request.user)
        rows, whole = months.projects(month, now=now, within=within)
        past = months.history(now=now, within=within)
        bars: list[tuple[str, charts.Number, charts.Number]] = [
            (f"{each:%Y-%m}: {money.usd(amount)}, {calls} calls", amount, 0)
            for each, calls, amount in past
        ]
        after = (month + timedelta(days=32)).replace(day=1)
        return {
            "month": month,
            "before": (month - timedelta(days=1)).replace(day=1),
            "after": after if after <= month_of(now) else None,
            "rows": rows,
            "whole": whole,
            "missing": priceless(sorted(whole.missing)),
            "roles": ROLES,
            "history": past,
            "chart": charts.columns(bars),
        }


def _month(text: str, present: date) -> date:
    """“2026-11”; what is no month, or to come, is the present one."""
    try:
        return min(date.fromisoformat(f"{text}-01"), present)
    except ValueError:
        return present


class OwnServerForm(forms.Form):
    rent_usd = forms.DecimalField(label="Rent a month (USD)", min_value=0, max_value=1_000_000)
    watts = forms.DecimalField(label="Power (watts)", min_value=0, max_value=100_000)
    kwh_usd = forms.DecimalField(label="A kWh costs (USD)", min_value=0, max_value=100)
    boxes = forms.IntegerField(label="How many", min_value=1, max_value=1000)


USUAL = {"rent_usd": "250", "watts": "0", "kwh_usd": "0.30", "boxes": "1"}
REMEMBERED = "own_server"


@admin.register(OwnServers)
class OwnServersAdmin(ReadOnlyPage):
    page_template = "recordings/compare.html"
    page_title = "Cloud or own servers"

    def page(self, request: HttpRequest) -> dict[str, Any]:
        form = OwnServerForm(request.GET if request.GET else self._before(request))
        traffic = months.traffic(now=timezone.now(), within=within_projects(request.user))
        estimates = _estimates()
        context: dict[str, Any] = {"form": form, "traffic": traffic, "estimates": estimates}
        if not form.is_valid():
            return context
        request.session[REMEMBERED] = {name: str(v) for name, v in form.cleaned_data.items()}
        server = compare.OwnServer(**form.cleaned_data)
        measured = traffic.cloud_minute
        comparison = compare.Comparison(
            minutes=traffic.minutes,
            cloud_minute=measured if measured is not None else estimates.get("balanced"),
            own_month=server.month_usd,
        )
        return context | {
            "server": server,
            "comparison": comparison,
            "is_measured": measured is not None,
            "chart": _lines(comparison),
        }

    def _before(self, request: HttpRequest) -> dict[str, str]:
        """What this person entered last."""
        before: dict[str, str] = request.session.get(REMEMBERED, USUAL)
        return before


def _estimates() -> dict[str, Decimal]:
    """USD a typical minute with each tier, by the price book."""
    found = {tier: pricebook.per_minute(set_.values()) for tier, set_ in pricebook.tiers().items()}
    return {tier: amount for tier, amount in found.items() if amount}


def _lines(comparison: compare.Comparison) -> dict[str, float] | None:
    """Two lines over minutes a month, in per cent of the drawing; y counts from above."""
    if not comparison.break_even or not comparison.cloud_minute:
        return None
    most_minutes = 2 * max(Decimal(comparison.break_even), comparison.minutes)
    most_usd = max(comparison.cloud_minute * most_minutes, comparison.own_month)
    return {
        "own_y": 100 - charts.share(comparison.own_month, most_usd),
        "cloud_y": 100 - charts.share(comparison.cloud_minute * most_minutes, most_usd),
        "even_x": charts.share(comparison.break_even, most_minutes),
        "now_x": charts.share(comparison.minutes, most_minutes),
        "most_minutes": float(most_minutes),
        "most_usd": float(most_usd),
    }
