"""Calls by hour, and questions of callers: what the pictures are drawn from.

Written when a call is counted, in place of what the same call wrote before; so a picture of a
million calls reads hours.
"""

from django.db import models
from django.db.models import Q

from agents.models import Project
from telephony.models import Call


class HourFigure(models.Model):
    """How many calls of a project came in one hour, and what became of them."""

    project = models.ForeignKey(Project, models.CASCADE, null=True, related_name="+")
    hour = models.DateTimeField()
    calls = models.IntegerField(default=0)
    answered = models.IntegerField(default=0)
    abandoned = models.IntegerField(default=0)
    contained = models.IntegerField(default=0)
    transferred = models.IntegerField(default=0)
    handover = models.IntegerField("person asked for", default=0)
    repeated = models.IntegerField("again within 7 days", default=0)
    seconds = models.BigIntegerField(default=0)

    class Meta:
        verbose_name = "overview"
        verbose_name_plural = "overview"
        constraints = [
            models.UniqueConstraint(fields=["project", "hour"], name="hour_figure_once"),
            models.UniqueConstraint(
                fields=["hour"], condition=Q(project=None), name="hour_figure_of_none_once"
            ),
        ]
        indexes = [models.Index(fields=["hour"], name="hour_figure_hour")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H}:00"


class CountedCall(models.Model):
    """What a call added to its hour."""

    call = models.OneToOneField(Call, models.CASCADE, related_name="counted_in")
    added = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.call_id}"


class AskedQuestion(models.Model):
    """What a caller said, and whether the bot understood. Words as they are kept: redacted."""

    class How(models.TextChoices):
        KNOWN = "known", "Answered from the FAQ"
        ANSWERED = "answered", "Answered by the model"
        NOT_UNDERSTOOD = "lost", "Not understood"

    call = models.ForeignKey(Call, models.CASCADE, related_name="questions")
    project = models.ForeignKey(Project, models.CASCADE, null=True, related_name="+")
    at = models.DateTimeField()
    how = models.CharField(max_length=8, choices=How.choices)
    text = models.CharField(max_length=300)
    cluster = models.CharField(max_length=200, help_text="Words in common with others like it.")

    class Meta:
        indexes = [
            models.Index(fields=["project", "how", "at"], name="question_of_project"),
            models.Index(fields=["how", "at"], name="question_at"),
        ]

    def __str__(self) -> str:
        return self.text
