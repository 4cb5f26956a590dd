"""Opening hours which several numbers, destinations and campaigns may share."""

from datetime import date

from django.core.exceptions import ValidationError
from django.db import models

from telephony import hours
from telephony.shapes import Misshapen


class Schedule(models.Model):
    """Opening hours with a name."""

    name = models.CharField(max_length=80, unique=True)
    expression = models.CharField(
        "hours",
        max_length=400,
        default="Mo-Fr 09:00-18:00; PH off",
        help_text="As “Mo-Fr 09:00-18:00; Sa 10:00-14:00; PH off”; PH are public holidays.",
    )
    timezone = models.CharField(
        "time zone", max_length=64, default="UTC", help_text="As Europe/Berlin."
    )
    country = models.CharField(
        max_length=2, blank=True, help_text="Whose public holidays PH means, as DE. Empty: none."
    )
    closed_on = models.JSONField(
        "closed on", default=list, blank=True, help_text="Further days, as 2026-12-24."
    )

    class Meta:
        verbose_name = "opening hours"
        verbose_name_plural = "opening hours"

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        try:
            hours.check(hours_of(self))
        except (Misshapen, ValueError, TypeError) as reason:
            raise ValidationError(str(reason)) from reason


def hours_of(schedule: Schedule) -> hours.Hours:
    """Raises ValueError for a day which is none."""
    return hours.Hours(
        expression=schedule.expression,
        timezone=schedule.timezone,
        country=schedule.country,
        closed_on=tuple(date.fromisoformat(day) for day in schedule.closed_on),
    )
