"""The price book's rows. Loaded from agents/data, edited in the admin; read by agents.pricebook."""

from typing import Any

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.signals import post_delete, post_save
from django.utils import timezone

from agents import pricebook
from agents.pricefile import Price


def _usd(name: str, per: str) -> "models.DecimalField[Any, Any]":
    """Empty: the provider is not paid by this."""
    return models.DecimalField(
        name,
        max_digits=14,
        decimal_places=8,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=f"USD per {per}.",
    )


class PriceEntry(models.Model):
    """What a model costs from a day on. A new price is a new row; older calls keep the older."""

    provider = models.CharField(max_length=32)
    model = models.CharField(
        max_length=120,
        blank=True,
        help_text="As the provider writes it. A last * stands for any ending; "
        "empty: the only model this provider has.",
    )
    valid_from = models.DateField("valid from", default=timezone.localdate)
    input_mtok = _usd("input tokens", "million")
    cached_mtok = _usd("cached input tokens", "million")
    output_mtok = _usd("output tokens", "million")
    characters_m = _usd("characters", "million")
    audio_min = _usd("audio", "minute")
    estimate_ms = models.PositiveIntegerField(
        "first result (ms)",
        default=0,
        help_text="An estimate until calls are measured. 0: unknown.",
    )
    is_default = models.BooleanField(
        "usual model", default=False, help_text="Used where an account names no model."
    )
    languages = models.JSONField(
        default=list, blank=True, help_text="Language tags; empty: no limit known."
    )
    retires = models.DateField(
        "ends on", null=True, blank=True, help_text="The day the provider switches the model off."
    )
    source = models.CharField(max_length=250, blank=True, help_text="Where the price is from.")
    edited = models.BooleanField(
        "by hand",
        default=True,
        editable=False,
        help_text="Loading a newer file leaves this one and its model alone.",
    )

    class Meta:
        verbose_name = "price"
        ordering = ("provider", "model", "-valid_from")
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "model", "valid_from"],
                name="one_price_a_day",
                violation_error_message="This model has a price from that day on already. "
                "Change that one, or choose another day.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.model or '(usual model)'} from {self.valid_from}"

    def price(self) -> Price:
        return Price(
            provider=self.provider,
            model=self.model,
            valid_from=self.valid_from,
            input_mtok=self.input_mtok,
            cached_mtok=self.cached_mtok,
            output_mtok=self.output_mtok,
            characters_m=self.characters_m,
            audio_min=self.audio_min,
            estimate_ms=self.estimate_ms,
            default=self.is_default,
            edited=self.edited,
            languages=tuple(self.languages),
            retires=self.retires,
            source=self.source,
        )


class CheaperOrder(models.Model):
    """A project whose month is spent: its live plan is a cheaper order of `normal`."""

    project = models.OneToOneField("agents.Project", models.CASCADE, related_name="cheaper_order")
    normal = models.ForeignKey("agents.PublishedPlan", models.CASCADE, related_name="+")
    cheaper = models.ForeignKey("agents.PublishedPlan", models.CASCADE, related_name="+")
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.project} since {self.since:%Y-%m-%d}"


def _changed(**_: Any) -> None:
    pricebook.forget()


post_save.connect(_changed, sender=PriceEntry, dispatch_uid="prices changed")
post_delete.connect(_changed, sender=PriceEntry, dispatch_uid="prices deleted")
