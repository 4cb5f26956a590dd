"""What we tell other systems: who wants to hear it, what happened, and whether it was heard."""

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q

from telephony.models import Call


class Subscription(models.Model):
    """An address which is told what happens to calls."""

    name = models.CharField(max_length=80, unique=True)
    url = models.CharField("address", max_length=500)
    events = models.JSONField("tells of", default=list)
    version = models.PositiveSmallIntegerField(default=1, editable=False)
    sealed_secret = models.TextField(editable=False)
    # after a change of the secret both sign for a day, so that receivers can follow
    sealed_previous_secret = models.TextField(blank=True, editable=False)
    previous_until = models.DateTimeField(null=True, blank=True, editable=False)
    enabled = models.BooleanField(default=True)
    off_reason = models.TextField("why it is off", blank=True, editable=False)
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(editable=False)
    created_by = models.CharField(max_length=150, blank=True, editable=False)

    class Meta:
        verbose_name = "webhook"

    def __str__(self) -> str:
        return self.name


class OutgoingEvent(models.Model):
    """Something which happened, in the words it is told in. Written with the change itself."""

    uid = models.CharField(max_length=40, unique=True, help_text="The header webhook-id.")
    type = models.CharField(max_length=60)
    call = models.ForeignKey(Call, models.CASCADE, null=True, related_name="told")
    sequence = models.PositiveIntegerField(help_text="The order in which it happened to its call.")
    body = models.TextField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["call", "sequence"],
                name="event_order_of_a_call",
                condition=Q(call__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.uid}"


class DeliveryState(models.TextChoices):
    PENDING = "pending", "Waiting"
    SENDING = "sending", "Being sent"
    DELIVERED = "delivered", "Delivered"
    DEAD = "dead", "Given up"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def due(self, now: datetime) -> Self:
        """No join: a claim is an UPDATE, and PostgreSQL looks again only at its own row."""
        on = Subscription.objects.filter(enabled=True)
        return self.filter(state=DeliveryState.PENDING, next_try_at__lte=now, subscription__in=on)

    def lost(self, claimed_before: datetime) -> Self:
        """Whoever was sending these has died."""
        return self.filter(state=DeliveryState.SENDING, claimed_at__lt=claimed_before)


class Delivery(models.Model):
    """One event on its way to one subscription."""

    event = models.ForeignKey(OutgoingEvent, models.CASCADE, related_name="deliveries")
    subscription = models.ForeignKey(
        Subscription, models.CASCADE, related_name="deliveries", verbose_name="webhook"
    )
    state = models.CharField(
        max_length=9, choices=DeliveryState.choices, default=DeliveryState.PENDING
    )
    attempts = models.PositiveIntegerField(default=0)
    next_try_at = models.DateTimeField("next try", null=True, blank=True)
    claim = models.CharField(max_length=32, blank=True, help_text="Who is sending it.")
    claimed_at = models.DateTimeField(null=True, blank=True)
    last_status = models.PositiveSmallIntegerField("last answer", null=True, blank=True)
    error = models.TextField(blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name = "webhook delivery"
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.UniqueConstraint(fields=["event", "subscription"], name="delivery_once")
        ]
        indexes = [
            models.Index(fields=["next_try_at"], name="delivery_due", condition=Q(state="pending")),
            models.Index(
                fields=["claimed_at"], name="delivery_claimed", condition=Q(state="sending")
            ),
            models.Index(fields=["state", "-id"], name="delivery_by_state"),
            models.Index(fields=["subscription", "-id"], name="delivery_by_hook"),
        ]

    def __str__(self) -> str:
        return f"{self.event} to {self.subscription}"
