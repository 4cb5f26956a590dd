"""A part of an admin whose rows may be held: those nobody deletes."""

from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from telephony import holds


class KeepsHeld:
    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed: bool = super().has_delete_permission(request, obj)  # type: ignore[misc]
        return allowed and not (obj is not None and holds.hinders(obj, now=timezone.now()))

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[Any]") -> None:
        """The rest of a selection goes."""
        free = []
        for row in queryset:
            if words := holds.hinders(row, now=timezone.now()):
                messages.warning(request, words)
            else:
                free.append(row.pk)
        super().delete_queryset(request, queryset.filter(pk__in=free))  # type: ignore[misc]
