"""Publishing: from an editable project to an immutable plan. Speaks to no other system."""

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.db.models import Max

from agents.accounts import take_environment
from agents.chains import Accounts
from agents.draft import check_draft, draft
from agents.models import Project, PublishedPlan
from agents.plan import CallPlan, PlanError

__all__ = [
    "DraftIncomplete",
    "after_publish",
    "check_draft",
    "draft",
    "go_live",
    "has_unpublished_changes",
    "publish",
    "published_plan",
    "take_environment",
]

_listeners: list[Callable[[], object]] = []


class DraftIncomplete(Exception):
    """A draft which callers must not hear. `problems` are for the supervisor, one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("The project cannot be published. " + " ".join(problems))
        self.problems = problems


def after_publish(listener: Callable[[], object]) -> None:
    """Call `listener` whenever a plan has gone live; for apps which agents must not know."""
    if listener not in _listeners:
        _listeners.append(listener)


def published_plan(*, digest: str) -> CallPlan | None:
    """What a call ran on; None if nobody knows the digest, or this release cannot read it."""
    body = PublishedPlan.objects.filter(digest=digest).values_list("body", flat=True).first()
    try:
        return CallPlan.from_json(body) if body else None
    except PlanError:
        return None


@transaction.atomic
def publish(*, project_id: int, by: str, now: datetime) -> PublishedPlan:
    """Freeze the draft and make it live. Raises DraftIncomplete.

    The plan's name is its content: publishing an unchanged draft again, or an older one, finds
    the plan which is there.
    """
    project = Project.objects.select_for_update().get(pk=project_id)
    accounts = take_environment()
    if problems := check_draft(project=project, accounts=accounts):
        raise DraftIncomplete(problems)
    return go_live(project, draft(project=project, accounts=accounts), by=by, now=now)


@transaction.atomic
def go_live(project: Project, plan: CallPlan, *, by: str, now: datetime) -> PublishedPlan:
    """The next call of the project runs on this plan. Whether it is a good one is asked before."""
    published = PublishedPlan.objects.filter(digest=plan.digest()).first()
    if published is None:
        last = project.plans.aggregate(last=Max("version"))["last"] or 0
        published = PublishedPlan.objects.create(
            project=project,
            digest=plan.digest(),
            version=last + 1,
            body=plan.to_json(),
            created_at=now,
            created_by=by,
        )
    Project.objects.filter(pk=project.pk).update(published=published)
    for listener in _listeners:
        transaction.on_commit(listener, robust=True)
    return published


def has_unpublished_changes(*, project: Project, accounts: Accounts | None = None) -> bool:
    """Compared with what was published last, also while its cheaper order is live."""
    from agents.budget import normal_plan  # it makes plans live, and so imports us

    live = normal_plan(project)
    return live is None or live.digest != draft(project=project, accounts=accounts).digest()
