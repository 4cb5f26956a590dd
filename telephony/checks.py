"""System checks on what is stored. Run with `manage.py check --database default`; no writing."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Tags, Warning, register
from django.db import DatabaseError

from telephony import wanted
from telephony.models import Trunk


@register(Tags.database)
def trunks_are_reachable(
    *, databases: Sequence[str] | None = None, **_: Any
) -> Sequence[CheckMessage]:
    """Trunks which cannot go to LiveKit as they are. The admin shows the same on the row."""
    if not databases:
        return []
    try:
        rows = list(Trunk.objects.filter(enabled=True).prefetch_related("numbers"))
    except DatabaseError:
        return []  # not migrated yet
    problems = [(row, wanted.trunk(row).problem) for row in rows]
    return [
        Warning(f"Trunk “{row.name}”: {problem}", id="telephony.W001")
        for row, problem in problems
        if problem
    ]
