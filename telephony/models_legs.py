"""The telephones in a call. One call, several legs: the caller, and whoever he is joined with."""

from django.db import models
from django.db.models import Q

from agents.entrance import SIDE_PREFIX as SIDE_PREFIX
from telephony.lifecycle import LegState
from telephony.models import Call, Trunk


class Leg(models.Model):
    """A SIP dialogue between LiveKit and a carrier, as LiveKit and the carrier tell of it."""

    class Role(models.TextChoices):
        MAIN = "main", "Caller"  # of an outbound call: whom we called
        TARGET = "target", "Transfer target"

    call = models.ForeignKey(Call, models.CASCADE, related_name="legs")
    identity = models.CharField(max_length=160, help_text="The participant's name in the room.")
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.MAIN)
    outbound = models.BooleanField(default=False, help_text="We dialled.")
    trunk = models.ForeignKey(Trunk, models.SET_NULL, null=True, blank=True, related_name="legs")
    remote = models.CharField(max_length=64, blank=True, help_text="The other side's number.")
    state = models.CharField(
        max_length=8,
        choices=[(s.value, s.value) for s in LegState],
        default=LegState.DIALING.value,
    )
    sip_call_id = models.CharField(
        "LiveKit's id", max_length=64, blank=True, help_text="SCL_… on LiveKit."
    )
    sip_full_id = models.CharField("SIP Call-ID", max_length=255, blank=True)
    carrier_id = models.CharField(
        "carrier's id", max_length=128, blank=True, help_text="The call's name at the carrier."
    )
    sip_status = models.PositiveSmallIntegerField(
        "SIP status", null=True, blank=True, help_text="Why it failed, as 486 for busy."
    )
    started_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["call", "identity"], name="leg_once")]
        indexes = [
            models.Index(fields=["sip_full_id"], name="leg_full_id", condition=~Q(sip_full_id="")),
            models.Index(fields=["carrier_id"], name="leg_carrier", condition=~Q(carrier_id="")),
            models.Index(fields=["sip_call_id"], name="leg_sip_id", condition=~Q(sip_call_id="")),
        ]

    def __str__(self) -> str:
        return f"{self.get_role_display()} {self.remote}".strip()
