"""Seals everything with the newest key: every sealed column, and the plans which are live."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from django.apps import apps
from django.conf import settings
from django.db import transaction
from django.db.models import Model

from agents import seal, services
from agents.models import CheaperOrder, Project, PublishedPlan
from agents.plan import CallPlan, PlanError, Stage


@dataclass(slots=True)
class Report:
    """Counts and names; never a key."""

    resealed: Counter[str] = field(default_factory=Counter)  # by column
    current: Counter[str] = field(default_factory=Counter)  # sealed with the newest key already
    broken: list[str] = field(default_factory=list)  # rows which no key of ours opens
    republished: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)  # live plans


@transaction.atomic
def rotate(*, now: datetime) -> Report:
    """Running it again finds nothing to do."""
    report, renewed = Report(), dict[str, str]()
    for model, column in sealed_columns():
        _rotate_column(model, column, report, renewed)
    for project in Project.objects.filter(published__isnull=False).order_by("pk"):
        _rotate_live(project, report, renewed, now)
    return report


def sealed_columns() -> Iterator[tuple[type[Model], str]]:
    """By their name, so that apps to our left need not be known here."""
    for model in apps.get_models():
        for column in model._meta.concrete_fields:
            if column.name.startswith("sealed_"):
                yield model, column.name


def _rotate_column(
    model: type[Model], column: str, report: Report, renewed: dict[str, str]
) -> None:
    label = f"{model._meta.label}.{column}"
    rows = model._default_manager.select_for_update().exclude(**{column: ""}).order_by("pk")
    for row in rows:
        old: str = getattr(row, column)
        try:
            new = _renew(old, renewed)
        except seal.SealBroken:
            report.broken.append(f"{label} of “{row}”")
            continue
        if new == old:
            report.current[label] += 1
        else:
            model._default_manager.filter(pk=row.pk).update(**{column: new})
            report.resealed[label] += 1


def _renew(sealed: str, renewed: dict[str, str]) -> str:
    """The same text if the newest key opens it; one old text always gets one new one.

    So a plan holds what its account holds, and does not look like an unpublished change.
    """
    if not sealed or _is_current(sealed):
        return sealed
    if sealed not in renewed:
        plain = seal.unseal(sealed, keys=settings.SEAL_KEYS)
        renewed[sealed] = seal.seal(plain, keys=settings.SEAL_KEYS)
    return renewed[sealed]


def _is_current(sealed: str) -> bool:
    try:
        seal.unseal(sealed, keys=settings.SEAL_KEYS[:1])
    except seal.SealBroken:
        return False
    return True


def _rotate_live(project: Project, report: Report, renewed: dict[str, str], now: datetime) -> None:
    """The live plan; and what a project goes back to whose budget is spent."""
    order = CheaperOrder.objects.filter(project=project, cheaper=project.published_id).first()
    try:
        with transaction.atomic():
            if order:
                order.normal = _rotate_plan(project, order.normal, renewed, now)
            live = _rotate_plan(project, project.published, renewed, now)
    except (PlanError, seal.SealBroken):
        report.unreadable.append(f"“{project}”")
        return
    if order:
        order.cheaper = live
        order.save()
    if live != project.published:
        report.republished.append(f"“{project}” as version {live.version}")


def _rotate_plan(
    project: Project, old: PublishedPlan | None, renewed: dict[str, str], now: datetime
) -> PublishedPlan:
    """A plan is immutable: the same text with new seals is a new version. No draft goes live."""
    assert old is not None
    plan = CallPlan.from_json(old.body)
    new = replace(
        plan,
        stt=_stages(plan.stt, renewed),
        llm=_stages(plan.llm, renewed),
        tts=_stages(plan.tts, renewed),
    )
    if _seals(new) == _seals(plan):
        return old
    return services.go_live(project, new, by="rotatekeys", now=now)


def _stages(chain: tuple[Stage, ...], renewed: dict[str, str]) -> tuple[Stage, ...]:
    return tuple(replace(one, sealed_key=_renew(one.sealed_key, renewed)) for one in chain)


def _seals(plan: CallPlan) -> list[str]:
    return [stage.sealed_key for stage in (*plan.stt, *plan.llm, *plan.tts)]
