"""Somebody wants a running call's recording paused, or to go on. The call's worker does it."""

from django.db import models
from django.db.models import Q

from telephony.models import Call


class PauseOrder(models.Model):
    class What(models.TextChoices):
        PAUSE = "pause", "Pause"
        RESUME = "resume", "Go on"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for the worker"
        TAKEN = "taken", "Taken"
        FAILED = "failed", "Failed"

    call = models.ForeignKey(Call, models.CASCADE, related_name="pause_orders")
    what = models.CharField(max_length=6, choices=What.choices)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    outcome = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [models.Index(fields=["at"], name="pause_waiting", condition=Q(state="waiting"))]

    def __str__(self) -> str:
        return f"{self.call_id}: {self.what}"
