"""How calls come in and what became of them."""

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q

from agents.entries import END_REASONS
from agents.models import Project
from telephony.lifecycle import OPEN_STATES, CallState
from telephony.models_media import MediaSettings

ROOM_PREFIX = "call"  # a room made by one of our rows' rules is called call_<caller>_<random>
UNKNOWN_PREFIX = "unknown"  # rooms of callers who dialled a number which is not ours
NO_RULE_PREFIX = "norule"  # … a number whose trunk no rule names
_OPEN = sorted(state.value for state in OPEN_STATES)


class SyncState(models.TextChoices):
    PENDING = "pending", "Pending"
    SYNCED = "synced", "On LiveKit"
    FAILED = "failed", "Failed"


class RegistrationState(models.TextChoices):
    WAITING = "waiting", "Registering"
    REGISTERED = "registered", "Registered"
    REFUSED = "refused", "Refused"
    SILENT = "silent", "No answer"


class Synced(models.Model):
    """A row of which LiveKit holds a copy."""

    remote_id = models.CharField("LiveKit id", max_length=64, blank=True, editable=False)
    sync_state = models.CharField(
        "LiveKit",
        max_length=8,
        choices=SyncState.choices,
        default=SyncState.PENDING,
        editable=False,
    )
    sync_error = models.TextField("reason", blank=True, editable=False)
    applied_fingerprint = models.CharField(max_length=64, blank=True, editable=False)
    synced_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True


class Trunk(MediaSettings, Synced):
    """A line to or from a SIP provider."""

    class Direction(models.TextChoices):
        INBOUND = "inbound", "Inbound"
        OUTBOUND = "outbound", "Outbound"

    class Transport(models.TextChoices):
        AUTO = "auto", "Automatic"
        UDP = "udp", "UDP"
        TCP = "tcp", "TCP"
        TLS = "tls", "TLS"

    name = models.CharField(max_length=80, unique=True)
    direction = models.CharField(max_length=8, choices=Direction.choices, default=Direction.INBOUND)
    allowed_addresses = models.JSONField(
        default=list, blank=True, help_text="IP addresses or networks calls may come from."
    )
    auth_username = models.CharField("user name", max_length=120, blank=True)
    sealed_auth_password = models.TextField(blank=True, editable=False)
    address = models.CharField(
        max_length=255, blank=True, help_text="Outbound: host or host:port of the provider."
    )
    transport = models.CharField(max_length=4, choices=Transport.choices, default=Transport.AUTO)
    caller_ids = models.JSONField(
        default=list, blank=True, help_text="Outbound: numbers shown to the called party."
    )
    via_edge = models.BooleanField(
        "through the SIP edge", default=False,
        help_text="Calls go through the edge, which registers, speaks TLS and guards the door.",
    )  # fmt: skip
    registers = models.BooleanField(
        "register", default=False,
        help_text="The carrier sends calls only to who has registered with user name and password.",
    )  # fmt: skip
    registrar = models.CharField(
        max_length=255, blank=True, help_text="Host or host:port at which the edge registers."
    )
    # what the edge told last: telephony/edge_sync.py
    registration_state = models.CharField(
        max_length=10, blank=True, choices=RegistrationState.choices, editable=False
    )
    registration_text = models.TextField("registration", blank=True, editable=False)
    registered_at = models.DateTimeField(null=True, blank=True, editable=False)
    registered_until = models.DateTimeField(null=True, blank=True, editable=False)
    enabled = models.BooleanField(default=True)
    # what calls we make over it may take; enforced by telephony.caps
    max_calls = models.PositiveSmallIntegerField(
        "calls at once", default=2, help_text="Outbound: how many of our calls may run at once."
    )
    max_calls_per_s = models.PositiveSmallIntegerField(
        "calls a second", default=1, help_text="Outbound: as many as the carrier accepts."
    )
    daily_spend_cap = models.DecimalField(
        "spend cap a day",
        max_digits=9,
        decimal_places=2,
        default=10,
        help_text="Outbound: no call begins which could exceed it, by the prices of the "
        "destinations; a day of UTC.",
    )

    def __str__(self) -> str:
        return self.name


class Number(models.Model):
    """A number people dial."""

    e164 = models.CharField("number", max_length=16, unique=True)
    trunk = models.ForeignKey(Trunk, models.CASCADE, related_name="numbers")
    label = models.CharField(max_length=80, blank=True)

    def __str__(self) -> str:
        return f"{self.e164} {self.label}".strip()


class DispatchRule(Synced):
    """Which project answers the calls of which trunks."""

    name = models.CharField(max_length=80, unique=True)
    trunks = models.ManyToManyField(
        Trunk, related_name="rules", limit_choices_to={"direction": Trunk.Direction.INBOUND}
    )
    project = models.ForeignKey(Project, models.PROTECT, related_name="rules")
    enabled = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.name


class CallQuerySet(models.QuerySet["Call"]):
    def open(self) -> Self:
        return self.filter(state__in=_OPEN)

    def silent_since(self, moment: datetime) -> Self:
        """Open calls whose last sign of life is older than `moment`."""
        return self.open().filter(last_seen_at__lt=moment)

    def for_desk(self) -> Self:
        """What the supervisor's list shows, in one query."""
        return self.select_related("trunk", "number", "project").order_by("-started_at", "-pk")


class Call(models.Model):
    """One LiveKit room with a caller in it. Created by whoever hears of it first."""

    class Direction(models.TextChoices):
        INBOUND = "inbound", "Inbound"
        OUTBOUND = "outbound", "Outbound"

    room = models.CharField(max_length=128, unique=True)
    direction = models.CharField(max_length=8, choices=Direction.choices, default=Direction.INBOUND)
    room_sid = models.CharField(max_length=64, blank=True)
    sip_call_id = models.CharField(
        max_length=64, blank=True, help_text="LiveKit's name of the leg."
    )
    trunk = models.ForeignKey(Trunk, models.SET_NULL, null=True, blank=True, related_name="calls")
    number = models.ForeignKey(Number, models.SET_NULL, null=True, blank=True, related_name="calls")
    project = models.ForeignKey(
        Project, models.SET_NULL, null=True, blank=True, related_name="calls"
    )
    plan_digest = models.CharField(
        max_length=64, blank=True, help_text="The published plan this call ran on."
    )
    caller = models.CharField(max_length=64, blank=True, help_text="Empty if withheld.")
    called = models.CharField(max_length=64, blank=True)
    state = models.CharField(
        max_length=16,
        choices=[(s.value, s.value) for s in CallState],
        default=CallState.RINGING.value,
    )
    end_reason = models.CharField(max_length=16, blank=True, choices=list(END_REASONS.items()))
    started_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField()
    ended_by = models.CharField(max_length=150, blank=True, help_text="The supervisor, if one did.")
    handover_requested = models.BooleanField(default=False)
    # the watchdog's memory: since when nobody answers, and whether it has asked again
    no_agent_since = models.DateTimeField(null=True, blank=True, editable=False)
    redispatched_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = CallQuerySet.as_manager()

    class Meta:
        indexes = [
            # history in order, as a whole and for each filter (telephony/admin_history.py)
            models.Index(fields=["-started_at", "-id"], name="call_newest_first"),
            models.Index(fields=["state", "-started_at", "-id"], name="call_of_a_state"),
            models.Index(fields=["project", "-started_at", "-id"], name="call_of_a_project"),
            models.Index(fields=["sip_call_id"], name="call_sip_id"),
            models.Index(fields=["ended_at"], name="call_unexplained", condition=Q(end_reason="")),
            models.Index(fields=["caller", "-started_at"], name="call_of_caller"),
            models.Index(fields=["called", "-started_at"], name="call_to"),
            models.Index(fields=["state"], name="call_open", condition=Q(state__in=_OPEN)),
        ]
        constraints = [
            models.CheckConstraint(
                name="call_ended_at_iff_over",
                condition=Q(state__in=_OPEN, ended_at=None)
                | (~Q(state__in=_OPEN) & Q(ended_at__isnull=False)),
            )
        ]

    def __str__(self) -> str:
        return f"{self.caller or 'withheld'} {self.started_at:%Y-%m-%d %H:%M} ({self.room})"


class InboundEventQuerySet(models.QuerySet["InboundEvent"]):
    def due(self, now: datetime) -> Self:
        """Events nobody handled although they should have been by `now`."""
        return self.filter(handled_at=None, try_after__lt=now, attempts__lt=MAX_ATTEMPTS)


MAX_ATTEMPTS = 10


class InboundEvent(models.Model):
    """One delivery of an outside system, stored before anybody thinks about it."""

    event_id = models.CharField(max_length=64, unique=True)
    name = models.CharField(max_length=64)
    payload = models.JSONField()
    received_at = models.DateTimeField()
    try_after = models.DateTimeField(help_text="The sweep leaves the event alone until then.")
    handled_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)

    objects = InboundEventQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["try_after"], name="event_unhandled", condition=Q(handled_at=None))
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.event_id}"


from telephony.models_api import ApiKey as ApiKey  # noqa: E402
from telephony.models_api import IdempotentAnswer as IdempotentAnswer  # noqa: E402
from telephony.models_carriers import CarrierCall as CarrierCall  # noqa: E402
from telephony.models_carriers import CarrierHook as CarrierHook  # noqa: E402
from telephony.models_directory import Destination as Destination  # noqa: E402
from telephony.models_directory import TransferOrder as TransferOrder  # noqa: E402
from telephony.models_entrance import CallerRule as CallerRule  # noqa: E402
from telephony.models_entrance import Entrance as Entrance  # noqa: E402
from telephony.models_hours import Schedule as Schedule  # noqa: E402
from telephony.models_ingress import Ingress as Ingress  # noqa: E402
from telephony.models_keeping import ErasedName as ErasedName  # noqa: E402
from telephony.models_keeping import LegalHold as LegalHold  # noqa: E402
from telephony.models_keeping import ProjectLimit as ProjectLimit  # noqa: E402
from telephony.models_keeping import SuppressedNumber as SuppressedNumber  # noqa: E402
from telephony.models_legs import Leg as Leg  # noqa: E402
from telephony.models_outbound import Batch as Batch  # noqa: E402
from telephony.models_outbound import DestinationRule as DestinationRule  # noqa: E402
from telephony.models_outbound import DoNotCall as DoNotCall  # noqa: E402
from telephony.models_outbound import OutboundCall as OutboundCall  # noqa: E402
from telephony.models_outbound import OutboundProfile as OutboundProfile  # noqa: E402
from telephony.models_outbound import TrunkUse as TrunkUse  # noqa: E402
from telephony.models_outgoing import Delivery as Delivery  # noqa: E402
from telephony.models_outgoing import OutgoingEvent as OutgoingEvent  # noqa: E402
from telephony.models_outgoing import Subscription as Subscription  # noqa: E402
from telephony.models_pause import PauseOrder as PauseOrder  # noqa: E402
