"""Who may be called now: what plans say of the directory, and what a worker is told in a call."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from agents.models import Project
from agents.plan import Target
from telephony import hours
from telephony.models import Destination, Trunk
from telephony.models_hours import hours_of

DIALS = {Destination.Method.DIAL, Destination.Method.REFER_DIAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Whether a destination may be called now, and how. `why` if not: closed, unavailable."""

    why: str = ""
    destination: Destination | None = None
    trunk_id: str = ""  # LiveKit's; empty: we cannot dial
    caller_id: str = ""


def offered_to(project_id: int | None) -> QuerySet[Destination]:
    """What a project may use; without a project what all may."""
    everybody = Q(projects=None)
    mine = Q(projects=project_id) if project_id else Q(pk__in=[])
    return Destination.objects.filter(everybody | mine, enabled=True).distinct().order_by("key")


def targets_of(project: Project) -> tuple[Target, ...]:
    """For the project's plan. Hours, line and number are asked for again in each call."""
    return tuple(
        Target(
            key=row.key,
            name=row.name,
            description=row.description,
            number=row.number,
            method=row.method,
            ring_s=row.ring_s,
            has_hours=row.schedule_id is not None,
            for_people=row.for_people,
            announcement=row.announcement,
            sorry=row.sorry,
            closed=row.closed,
        )
        for row in offered_to(project.pk)
    )


def is_open(row: Destination, now: datetime) -> bool:
    """Hours nobody can read count as closed: nobody is rung out of bed by a slip of the pen."""
    if row.schedule is None:
        return True
    try:
        return hours.is_open(hours_of(row.schedule), now)
    except (ValueError, TypeError):
        return False


def ask(*, key: str, project_id: int | None, now: datetime) -> Answer:
    """May a call of this project be sent there now?"""
    row = offered_to(project_id).select_related("schedule", "trunk").filter(key=key).first()
    return answer_for(row, now) if row else Answer(why="unavailable")


def answer_for(row: Destination, now: datetime) -> Answer:
    if not row.enabled:
        return Answer(why="unavailable", destination=row)
    if not is_open(row, now):
        return Answer(why="closed", destination=row)
    trunk_id, caller_id = _line(row)
    if row.method == Destination.Method.DIAL and not trunk_id:
        return Answer(why="unavailable", destination=row)
    return Answer(destination=row, trunk_id=trunk_id, caller_id=caller_id)


def _line(row: Destination) -> tuple[str, str]:
    """The trunk we dial over, if LiveKit has it, and the number shown."""
    trunk: Trunk | None = row.trunk
    if trunk is None or not trunk.enabled or row.method not in DIALS:
        return "", ""
    return trunk.remote_id, row.caller_id
