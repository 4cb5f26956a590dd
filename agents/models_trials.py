"""“Try it”: one real request to a provider, which a supervisor wished and a worker makes."""

from typing import Self

from django.db import models

from agents.providers import Role

MOST_TEXT = 300  # characters which are said to a provider; it is paid for them
MOST_SOUND = 2 * 1024**2  # bytes
MOST_WORDS = 2000  # characters of what a provider says


class ProviderTrialQuerySet(models.QuerySet["ProviderTrial"]):
    def unfinished(self) -> Self:
        return self.filter(state__in=(ProviderTrial.State.PENDING, ProviderTrial.State.RUNNING))

    def of_account(self, account_id: int) -> Self:
        """The newest first, without what they sound like."""
        return self.filter(account=account_id).defer("sound").order_by("-pk")


class ProviderTrial(models.Model):
    class State(models.TextChoices):
        PENDING = "pending", "Waits for a worker"
        RUNNING = "running", "A worker is at it"
        DONE = "done", "Done"
        LOST = "lost", "Lost"

    account = models.ForeignKey("agents.ProviderAccount", models.CASCADE, related_name="trials")
    role = models.CharField(max_length=3, choices=[(r.value, r.value) for r in Role])
    model = models.CharField(max_length=120, blank=True)
    voice = models.CharField(max_length=80, blank=True)
    language = models.CharField(max_length=16, default="en")
    text = models.CharField(max_length=MOST_TEXT)
    state = models.CharField(max_length=7, choices=State.choices, default=State.PENDING)
    asked_at = models.DateTimeField()
    asked_by = models.CharField(max_length=150, blank=True)
    taken_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)
    ok = models.BooleanField(default=False)
    ms = models.PositiveIntegerField(default=0, help_text="Until the first result.")
    answer = models.TextField(blank=True, help_text="What was understood or answered.")
    error = models.TextField(blank=True, help_text="In the provider's own words.")
    sound = models.BinaryField(default=b"", max_length=MOST_SOUND, help_text="WAV, of a voice.")

    objects = ProviderTrialQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["state"], name="trials_by_state")]

    def __str__(self) -> str:
        return f"Trial of {self.asked_at:%Y-%m-%d %H:%M} ({self.state})"
