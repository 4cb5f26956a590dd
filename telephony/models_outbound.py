"""Calls we make: whom we may call, what was asked for, and what became of it."""

from decimal import Decimal
from typing import Self

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from agents.models import Project
from telephony.dialling import RetryPlan
from telephony.models import Call, Schedule, Trunk

_ANSWERED_BY = [
    ("human", "A person"),
    ("voicemail", "A mailbox"),
    ("ivr", "A telephone menu"),
    ("screening", "A call screener"),
    ("unknown", "Nobody could tell"),
]
OUTCOMES = {
    "": "",
    "talked": "They talked.",
    "machine": "An answering machine was reached.",
    "busy": "The line was busy.",
    "no_answer": "Nobody answered.",
    "declined": "The call was declined.",
    "no_such_number": "The number does not exist.",
    "carrier": "The carrier did not connect the call.",
    "no_agent": "No worker was free, so nobody was called.",
    "not_allowed": "It may not be called any more.",
    "cancelled": "Called off.",
    "error": "Something of ours failed.",
    "unknown": "Nobody told us what became of it.",
}


class DestinationRule(models.Model):
    """Numbers which begin so may be called, or may not. Without any rule nobody is called."""

    prefix = models.CharField(
        max_length=16,
        unique=True,
        help_text="As +49 or +1202. The longest prefix decides; +1 alone is the United States "
        "and Canada.",
    )
    allow = models.BooleanField("may be called", default=True)
    premium = models.BooleanField(
        "dear numbers too",
        default=False,
        help_text="Premium rate, shared cost and unknown kinds of numbers. They are a favourite "
        "of fraudsters.",
    )
    price_per_minute = models.DecimalField(
        "price a minute",
        max_digits=8,
        decimal_places=4,
        default=Decimal("0.1"),
        validators=[MinValueValidator(Decimal(0))],
        help_text="What your carrier takes, roughly; the trunk's spend cap counts with it.",
    )
    note = models.CharField(max_length=120, blank=True)

    class Meta:
        verbose_name = "allowed destination"

    def __str__(self) -> str:
        return f"{self.prefix}… {'' if self.allow else 'shut'}".strip()


class DoNotCall(models.Model):
    """A number nobody may call."""

    number = models.CharField(max_length=16, unique=True)
    reason = models.CharField(max_length=200, blank=True)
    since = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "number not to be called"
        verbose_name_plural = "do-not-call list"

    def __str__(self) -> str:
        return self.number


class OutboundProfile(models.Model):
    """How a project calls people. A project without one calls by what stands here as default."""

    class Action(models.TextChoices):
        TALK = "talk", "Talk to it as to a person"
        MESSAGE = "message", "Leave the message after the beep"
        SAY_WHO = "say_who", "Say who calls"
        HANG_UP = "hang_up", "Hang up"

    project = models.OneToOneField(Project, models.CASCADE, related_name="outbound_profile")
    greeting = models.TextField(
        blank=True,
        help_text="The first words to whom we called; empty: the project's. {name} stands for the "
        "column “name” of the uploaded file.",
    )
    ring_s = models.PositiveSmallIntegerField(
        "ring for (s)", default=30, validators=[MinValueValidator(5), MaxValueValidator(80)]
    )
    max_minutes = models.PositiveSmallIntegerField(
        "longest call (min)", default=10, validators=[MinValueValidator(1), MaxValueValidator(120)],
        help_text="The bot says good-bye then. The spend cap reserves this much.",
    )  # fmt: skip
    hours = models.CharField(
        "calling hours",
        max_length=400,
        default="Mo-Fr 09:00-19:00; PH off",
        help_text="By the clock and holidays of whom we call. As “Mo-Fr 09:00-18:00; PH off”.",
    )
    needs_consent = models.BooleanField(
        "only with consent",
        default=False,
        help_text="Call only people of whom it is noted that they agreed to it.",
    )
    detect = models.BooleanField(
        "find out who answered",
        default=True,
        help_text="Listens for up to three seconds before the first words.",
    )
    on_voicemail = models.CharField(
        "a mailbox answers", max_length=8, choices=Action.choices, default=Action.HANG_UP
    )
    on_ivr = models.CharField(
        "a telephone menu answers", max_length=8, choices=Action.choices, default=Action.HANG_UP
    )
    on_screening = models.CharField(
        "a call screener answers", max_length=8, choices=Action.choices, default=Action.SAY_WHO
    )
    message = models.TextField(blank=True, help_text="Left in mailboxes, after the beep.")
    who_calls = models.TextField(
        blank=True, help_text="Said to call screeners, as “This is Northwind about your repair.”"
    )
    attempts = models.PositiveSmallIntegerField(
        default=3,
        validators=[MinValueValidator(1), MaxValueValidator(10)],
        help_text="How often a person is called at most.",
    )
    wait_busy = models.PositiveSmallIntegerField("busy: again after (min)", default=10)
    wait_no_answer = models.PositiveSmallIntegerField("no answer: again after (min)", default=120)
    wait_machine = models.PositiveSmallIntegerField("mailbox: again after (min)", default=0)
    wait_carrier = models.PositiveSmallIntegerField("carrier failed: again after (min)", default=5)

    class Meta:
        verbose_name = "outbound calling"
        verbose_name_plural = "outbound calling"

    def __str__(self) -> str:
        return f"How {self.project} calls people"

    def retry_plan(self) -> RetryPlan:
        return RetryPlan(
            attempts=self.attempts,
            minutes={
                "busy": self.wait_busy,
                "no_answer": self.wait_no_answer,
                "machine": self.wait_machine,
                "carrier": self.wait_carrier,
            },
        )


def profile_of(project: Project) -> OutboundProfile:
    """What a supervisor wrote, or the defaults."""
    found = OutboundProfile.objects.filter(project=project).first()
    return found or OutboundProfile(project=project)


class TrunkUse(models.Model):
    """What a trunk's calls take of its caps right now. Changed by conditional updates only."""

    trunk = models.OneToOneField(Trunk, models.CASCADE, related_name="use")
    calls = models.PositiveIntegerField(default=0)
    free_at = models.FloatField(default=0, help_text="When the next call may begin, epoch s.")
    day = models.CharField(max_length=10, default="")
    spent = models.BigIntegerField(default=0, help_text="Millionths, reserved ones included.")


class Batch(models.Model):
    """Calls from one uploaded list."""

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        CANCELLED = "cancelled", "Called off"
        DONE = "done", "Done"

    name = models.CharField(max_length=80)
    project = models.ForeignKey(Project, models.PROTECT, related_name="batches")
    trunk = models.ForeignKey(Trunk, models.PROTECT, related_name="batches")
    caller_id = models.CharField("number shown", max_length=16, blank=True)
    per_minute = models.PositiveSmallIntegerField(
        "calls a minute", default=10, validators=[MinValueValidator(1), MaxValueValidator(600)]
    )
    window = models.ForeignKey(
        Schedule, models.SET_NULL, null=True, blank=True, related_name="+",
        help_text="Call only within these hours of ours, beside the callees' own.",
    )  # fmt: skip
    state = models.CharField(
        max_length=9, choices=State.choices, default=State.DRAFT, editable=False
    )
    free_at = models.FloatField(default=0, editable=False)
    report = models.JSONField(
        default=dict, editable=False, help_text="What the uploaded file had: good, bad, errors."
    )
    created_by = models.CharField(max_length=150, blank=True, editable=False)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        verbose_name_plural = "batches"
        indexes = [models.Index(fields=["-created_at"], name="batch_newest")]

    def __str__(self) -> str:
        return self.name


class OutboundState(models.TextChoices):
    WAITING = "waiting", "Waiting"
    DIALLING = "dialling", "Dialling"
    TALKING = "talking", "Talking"
    DONE = "done", "Done"
    FAILED = "failed", "Failed"
    REFUSED = "refused", "Not allowed"
    CANCELLED = "cancelled", "Called off"


UNDER_WAY = (OutboundState.DIALLING, OutboundState.TALKING)
OPEN = (OutboundState.WAITING, *UNDER_WAY)


class OutboundCallQuerySet(models.QuerySet["OutboundCall"]):
    def under_way(self) -> Self:
        return self.filter(state__in=UNDER_WAY)


class OutboundCall(models.Model):
    """A wish to talk to somebody: several attempts, each a Call, until it is done or given up."""

    to = models.CharField("number", max_length=16)
    project = models.ForeignKey(Project, models.PROTECT, related_name="outbound_calls")
    trunk = models.ForeignKey(Trunk, models.PROTECT, related_name="outbound_calls")
    caller_id = models.CharField("number shown", max_length=16)
    variables = models.JSONField(default=dict, blank=True)
    consent = models.BooleanField(default=False)
    batch = models.ForeignKey(Batch, models.CASCADE, null=True, blank=True, related_name="calls")
    state = models.CharField(
        max_length=9, choices=OutboundState.choices, default=OutboundState.WAITING
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField("not before")
    outcome = models.CharField(max_length=16, blank=True, choices=list(OUTCOMES.items()))
    sip_status = models.PositiveSmallIntegerField("SIP status", null=True, blank=True)
    words = models.CharField("in words", max_length=300, blank=True)
    answered_by = models.CharField(max_length=9, blank=True, choices=_ANSWERED_BY)
    answered_by_reason = models.CharField(max_length=200, blank=True)
    call = models.ForeignKey(
        Call, models.SET_NULL, null=True, blank=True, related_name="outbound",
        help_text="The last attempt.",
    )  # fmt: skip
    requested_by = models.CharField(max_length=150, blank=True)
    requested_at = models.DateTimeField()
    # what the attempt under way holds
    dialled_at = models.DateTimeField(
        null=True, blank=True, help_text="A worker was told the number: once an attempt."
    )
    attempted_at = models.DateTimeField(null=True, blank=True)
    slot_held = models.BooleanField(default=False, editable=False)
    reserved = models.BigIntegerField(default=0, editable=False, help_text="Millionths.")
    reserved_day = models.CharField(max_length=10, blank=True, editable=False)
    price = models.BigIntegerField(default=0, editable=False, help_text="Millionths a minute.")

    objects = OutboundCallQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["-requested_at", "-id"], name="outbound_newest"),
            models.Index(fields=["state", "-requested_at", "-id"], name="outbound_by_state"),
            models.Index(fields=["outcome", "-requested_at", "-id"], name="outbound_by_outcome"),
            models.Index(fields=["project", "-requested_at", "-id"], name="outbound_by_project"),
            # also found by their beginnings
            models.Index(fields=["to"], name="outbound_to", opclasses=["varchar_pattern_ops"]),
            models.Index(
                fields=["next_at"],
                name="outbound_due",
                condition=Q(state="waiting", batch=None),
            ),
            models.Index(
                fields=["attempted_at"],
                name="outbound_under_way",
                condition=Q(state__in=["dialling", "talking"]),
            ),
            models.Index(fields=["batch", "state", "next_at"], name="outbound_batch"),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.to} ({self.get_state_display()})"
