"""What must be kept, and what must not come back: holds, and the stubs of what was erased.

Stubs hold keyed hashes only: whoever has the database alone cannot try all numbers against them.
"""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from agents.models import Project
from telephony.models import Call


class LegalHoldQuerySet(models.QuerySet["LegalHold"]):
    def in_force(self, now: datetime) -> Self:
        return self.filter(Q(until=None) | Q(until__gt=now), lifted_at=None)


class LegalHold(models.Model):
    """A call, or all calls of a number, which nobody may delete."""

    call = models.ForeignKey(Call, models.PROTECT, null=True, blank=True, related_name="holds")
    number = models.CharField(
        max_length=64, blank=True, help_text="All calls from and to it, as +12025550100."
    )
    reason = models.CharField(max_length=300, help_text="Why, as a file number. Shown to others.")
    until = models.DateTimeField(null=True, blank=True, help_text="Empty: until it is lifted.")
    placed_by = models.CharField(max_length=150, editable=False)
    placed_at = models.DateTimeField(editable=False)
    lifted_by = models.CharField(max_length=150, blank=True, editable=False)
    lifted_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = LegalHoldQuerySet.as_manager()

    class Meta:
        verbose_name = "legal hold"
        constraints = [
            models.CheckConstraint(
                name="hold_on_call_or_number",
                condition=Q(call=None) & ~Q(number="") | Q(call__isnull=False, number=""),
            )
        ]
        indexes = [
            models.Index(fields=["number"], name="hold_in_force", condition=Q(lifted_at=None))
        ]

    def __str__(self) -> str:
        return f"Hold {self.pk}: {self.reason}"


class ErasedName(models.Model):
    """The room of an erased call, or a carrier's name of it, as a keyed hash. What still comes for
    it is refused and thrown away."""

    digest = models.CharField(max_length=64, unique=True)
    at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"erased {self.at:%Y-%m-%d}"


class SuppressedNumber(models.Model):
    """A number of the do-not-call list whose owner had it erased: a keyed hash, so that it is
    still never called."""

    digest = models.CharField(max_length=64, unique=True)
    since = models.DateTimeField(help_text="When it came on the do-not-call list.")
    erased_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"suppressed since {self.since:%Y-%m-%d}"


class ProjectLimit(models.Model):
    """A user who sees calls of some projects only. Without a row: of all."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="project_limit"
    )
    projects = models.ManyToManyField(Project, related_name="+", help_text="None: he sees no call.")

    class Meta:
        verbose_name = "limit of a user"
        verbose_name_plural = "limits of users"

    def __str__(self) -> str:
        return f"Limit of {self.user}"
