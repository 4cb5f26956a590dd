"""What carriers tell of calls: where their hooks come in, and the facts of each of their calls."""

import secrets

from django.db import models
from django.db.models import Q

from telephony import carriers
from telephony.models import Call, Trunk
from telephony.models_legs import Leg

ROOM_PREFIX = "carrier"  # of a call which never reached LiveKit: there is no room of that name


def new_token() -> str:
    return secrets.token_urlsafe(24)


def kinds() -> list[tuple[str, str]]:
    return [(kind, carrier.label) for kind, carrier in carriers.known().items()]


class CarrierHook(models.Model):
    """An address of ours a carrier posts to."""

    name = models.CharField(max_length=80, unique=True)
    kind = models.CharField("carrier", max_length=16, choices=kinds)
    token = models.CharField(max_length=64, unique=True, default=new_token, editable=False)
    sealed_secret = models.TextField(blank=True, editable=False)
    trunks = models.ManyToManyField(
        Trunk,
        blank=True,
        related_name="hooks",
        help_text="Whose calls it tells of. None: of any trunk.",
    )
    all_numbers = models.BooleanField(
        "calls of all numbers",
        default=False,
        help_text="Also list calls of numbers which no trunk here has. Only for an account which "
        "carries nothing else: all its calls would be listed.",
    )
    mapping = models.JSONField("fields", default=dict, blank=True)
    enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField("last heard", null=True, blank=True, editable=False)
    refused_at = models.DateTimeField("last refused", null=True, blank=True, editable=False)
    refusal = models.TextField("why", blank=True, editable=False)

    class Meta:
        verbose_name = "carrier hook"

    def __str__(self) -> str:
        return self.name


class CarrierCall(models.Model):
    """One call as a carrier tells of it. Its events may come twice and in any order: `told` keeps
    what each value is from, so that the order does not matter."""

    class State(models.TextChoices):
        RINGING = "ringing", "Ringing"
        ANSWERED = "answered", "Answered"
        ENDED = "ended", "Ended"

    hook = models.ForeignKey(CarrierHook, models.SET_NULL, null=True, related_name="calls")
    kind = models.CharField("carrier", max_length=16, choices=kinds)
    carrier_id = models.CharField("carrier's id", max_length=128)
    call = models.ForeignKey(Call, models.CASCADE, null=True, related_name="carrier_calls")
    leg = models.ForeignKey(Leg, models.SET_NULL, null=True, related_name="carrier_calls")
    sip_call_id = models.CharField("SIP Call-ID", max_length=255, blank=True)
    outbound = models.BooleanField(null=True)
    caller = models.CharField(max_length=64, blank=True)
    called = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=8, choices=State.choices, blank=True)
    status = models.CharField(max_length=48, blank=True, help_text="In the carrier's own word.")
    started_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    duration_s = models.PositiveIntegerField(null=True)
    sip_status = models.PositiveSmallIntegerField("SIP status", null=True)
    cause = models.PositiveSmallIntegerField("Q.850 cause", null=True)
    words = models.CharField("why it ended", max_length=200, blank=True)
    price = models.DecimalField(max_digits=12, decimal_places=6, null=True)
    currency = models.CharField(max_length=3, blank=True)
    told = models.JSONField(default=dict, editable=False)
    heard_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["hook", "carrier_id"], name="carrier_call_once")
        ]
        indexes = [
            models.Index(fields=["carrier_id"], name="carrier_call_id"),
            models.Index(
                fields=["sip_call_id"], name="carrier_call_sip", condition=~Q(sip_call_id="")
            ),
            models.Index(fields=["started_at"], name="carrier_call_alone", condition=Q(leg=None)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.carrier_id}"
