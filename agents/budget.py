"""The cheaper order of a project's live plan: for the rest of a month whose budget is spent."""

import logging
from dataclasses import replace
from datetime import date, datetime

from django.db import transaction
from django.utils import timezone

from agents import pricebook
from agents.models import CheaperOrder, Project, PublishedPlan
from agents.plan import CallPlan, PlanError, Stage
from agents.services import go_live

log = logging.getLogger(__name__)

BY = "budget"  # who made such a plan


@transaction.atomic
def use_cheaper(project_id: int, on: bool, *, now: datetime | None = None) -> bool:
    """Put the cheapest members of each chain first, or go back. True if another plan is live now.

    May be repeated. Calls which are on keep the plan they began with. A plan which was published
    meanwhile is reordered as well, and is what the project goes back to.
    """
    now = now or timezone.now()
    project = Project.objects.select_for_update().get(pk=project_id)
    order = CheaperOrder.objects.filter(project=project).select_related("normal").first()
    return _begin(project, order, now) if on else _end(project, order, now)


def is_cheaper(project: Project) -> bool:
    """Whether the live plan is a cheaper order of the one which was published."""
    return CheaperOrder.objects.filter(project=project, cheaper=project.published_id).exists()


def normal_plan(project: Project) -> PublishedPlan | None:
    """What a supervisor published last, whether or not it is live in its own order."""
    order = CheaperOrder.objects.filter(project=project, cheaper=project.published_id)
    found = order.select_related("normal").first()
    return found.normal if found else project.published


def cheaper(plan: CallPlan, *, on: date) -> CallPlan:
    """The same plan, each chain from the cheapest to the dearest; what has no price is last."""
    return replace(
        plan, stt=_ordered(plan.stt, on), llm=_ordered(plan.llm, on), tts=_ordered(plan.tts, on)
    )


def _ordered(chain: tuple[Stage, ...], on: date) -> tuple[Stage, ...]:
    def cost(stage: Stage) -> tuple[bool, object]:
        price = pricebook.price_of(stage.provider, str(stage.options.get("model", "")), on=on)
        return price is None, pricebook.minute_of(price) if price else 0

    return tuple(sorted(chain, key=cost))


def _begin(project: Project, order: CheaperOrder | None, now: datetime) -> bool:
    live = project.published
    if live is None or (order and order.cheaper_id == live.pk):
        return False
    try:
        plan = CallPlan.from_json(live.body)
    except PlanError as problem:
        log.warning("no cheaper order", extra={"project": project.slug, "reason": str(problem)})
        return False
    other = cheaper(plan, on=timezone.localdate(now))
    if other == plan:  # it is the cheapest already
        CheaperOrder.objects.filter(project=project).delete()
        return False
    made = go_live(project, other, by=BY, now=now)
    CheaperOrder.objects.update_or_create(
        project=project, defaults={"normal": live, "cheaper": made, "since": now}
    )
    log.warning("cheaper order begins", extra={"project": project.slug, "plan": made.digest})
    return True


def _end(project: Project, order: CheaperOrder | None, now: datetime) -> bool:
    if order is None:
        return False
    order.delete()
    if project.published_id != order.cheaper_id:  # something else was published meanwhile
        return False
    go_live(project, CallPlan.from_json(order.normal.body), by=BY, now=now)
    log.info("cheaper order ends", extra={"project": project.slug, "plan": order.normal.digest})
    return True
