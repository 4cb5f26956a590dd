"""What calls cost and how fast they were. Written when a transcript is built; may be repeated."""

from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from agents.models import Project
from telephony.models import Call


def _ms(stage: str) -> "models.PositiveIntegerField[Any, Any]":
    """Empty: nobody measured it."""
    return models.PositiveIntegerField(f"{stage} (ms)", null=True, blank=True)


class CallCost(models.Model):
    """What a call cost at the prices of its day, and what of it is in the counters."""

    call = models.OneToOneField(Call, models.CASCADE, related_name="cost")
    project = models.ForeignKey(Project, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(help_text="When the call came in.")
    seconds = models.PositiveIntegerField(default=0, help_text="From the answer to the end.")
    amount = models.DecimalField(max_digits=14, decimal_places=6, default=0)
    currency = models.CharField(max_length=3, default="USD")
    by_role = models.JSONField(default=dict, help_text="Role to amount, as text.")
    unpriced = models.BooleanField(default=False, help_text="Something used has no price.")
    missing = models.JSONField(default=list, help_text="Provider and model without a price.")
    counted = models.JSONField(default=dict, help_text="What this call added to the counters.")
    computed_at = models.DateTimeField()

    class Meta:
        verbose_name = "cost of a call"
        verbose_name_plural = "costs of calls"
        indexes = [
            models.Index(fields=["at"], name="cost_at"),
            models.Index(fields=["project", "at"], name="cost_of_project_at"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} for call {self.call_id}"


class TurnFigure(models.Model):
    """One turn of the bot, compact: for figures over many calls."""

    call = models.ForeignKey(Call, models.CASCADE, related_name="figures")
    n = models.PositiveIntegerField(help_text="The bot's turns of a call, counted from 1.")
    project = models.ForeignKey(Project, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField()
    stt = models.CharField(max_length=32, blank=True)
    llm = models.CharField(max_length=32, blank=True)
    tts = models.CharField(max_length=32, blank=True)
    total_ms = _ms("total")
    end_of_turn_ms = _ms("end of turn")
    vad_ms = _ms("silence noticed")
    stt_ms = _ms("speech to text")
    llm_ms = _ms("first word")
    tts_ms = _ms("first sound")
    pipeline_ms = _ms("our own work")
    cost = models.DecimalField(max_digits=12, decimal_places=6, default=0)
    switched = models.BooleanField(default=False, help_text="A provider failed in this turn.")

    class Meta:
        verbose_name = "speed and cost"
        verbose_name_plural = "speed and cost"
        constraints = [models.UniqueConstraint(fields=["call", "n"], name="turn_figure_once")]
        indexes = [
            models.Index(fields=["at"], name="turn_figure_at"),
            models.Index(fields=["project", "at"], name="turn_figure_of_project_at"),
        ]

    def __str__(self) -> str:
        return f"Turn {self.n} of call {self.call_id}"


class ProjectBudget(models.Model):
    """The most a project may spend in a month before its calls take the cheaper order."""

    project = models.OneToOneField(Project, models.CASCADE, related_name="budget")
    monthly_usd = models.DecimalField(
        "USD a month",
        max_digits=10,
        decimal_places=2,
        validators=[MinValueValidator(0)],
        help_text="Once this is spent, each chain begins with its cheapest member until the month "
        "is over. Calls which are on keep their providers.",
    )
    warn_at = models.PositiveIntegerField(
        "warn at (%)", default=80, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    warned_month = models.DateField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "budget"

    def __str__(self) -> str:
        return f"{self.project}: {self.monthly_usd} USD a month"


class Counter(models.Model):
    """A number which only grows, for /metrics: kept here so that all web processes agree."""

    key = models.CharField(max_length=200, unique=True)
    value = models.DecimalField(max_digits=20, decimal_places=6, default=0)

    def __str__(self) -> str:
        return f"{self.key} {self.value}"


class MonthlyCost(CallCost):
    """The page of costs by month."""

    class Meta:
        proxy = True
        verbose_name = "costs by month"
        verbose_name_plural = "costs by month"


class OwnServers(CallCost):
    """The page which compares the cloud's price with servers of one's own."""

    class Meta:
        proxy = True
        verbose_name = "cloud or own servers"
        verbose_name_plural = "cloud or own servers"
