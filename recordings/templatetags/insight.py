"""Money and notices in templates."""

from decimal import Decimal
from typing import Any

from django import template
from django.utils import timezone

from recordings import budgets, money
from recordings.reading import may
from telephony import shapes
from telephony.visible import within_projects

register = template.Library()


@register.filter
def usd(amount: Decimal | None) -> str:
    return "" if amount is None else money.usd(amount)


@register.filter
def phone(number: str) -> str:
    return shapes.readable(number)


@register.filter
def of_role(by_role: dict[str, Decimal], role: str) -> Decimal:
    return by_role.get(role, Decimal(0))


@register.inclusion_tag("recordings/budget_notices.html", takes_context=True)
def budget_notices(context: dict[str, Any]) -> dict[str, Any]:
    """Projects which have spent their month, or nearly, for whoever may see budgets."""
    request = context.get("request")
    if request is None or not may(request.user, "recordings.view_projectbudget"):
        return {"standings": []}
    found = budgets.standings(now=timezone.now(), within=within_projects(request.user))
    return {"standings": [one for one in found if one.level != budgets.FINE]}
