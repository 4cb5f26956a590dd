"""Whose calls a user sees: of all projects, or of those he is limited to."""

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest

from telephony.models import ProjectLimit


def projects_of(user: Any) -> list[int] | None:
    """The projects a user is limited to; None: all."""
    if user.pk is None or getattr(user, "is_superuser", False):
        return None
    limit = ProjectLimit.objects.filter(user=user.pk).first()
    return list(limit.projects.values_list("pk", flat=True)) if limit else None


def within_projects(user: Any, prefix: str = "") -> Q:
    """`prefix` leads to what has the project, as `call__`. Calls of no project belong to nobody
    who is limited."""
    projects = projects_of(user)
    return Q() if projects is None else Q(**{f"{prefix}project__in": projects})


class WithinProjects:
    """A part of an admin whose rows have a project."""

    to_project = ""  # leads to what has it

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        rows: QuerySet[Any] = super().get_queryset(request)  # type: ignore[misc]
        return rows.filter(within_projects(request.user, self.to_project))
