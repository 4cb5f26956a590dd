"""The directory: where callers may be sent. A number nobody entered here is never dialled."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from agents.models import Project
from telephony.models import Call, Trunk
from telephony.models_hours import Schedule


class Destination(models.Model):
    """A person or team with a telephone."""

    class Method(models.TextChoices):
        REFER_DIAL = "refer_dial", "REFER, else we dial"
        REFER = "refer", "REFER only"
        DIAL = "dial", "We dial"

    name = models.CharField(max_length=80, unique=True)
    key = models.SlugField(
        max_length=40, unique=True, help_text="What the model calls it, as billing."
    )
    description = models.CharField(
        max_length=200, help_text="For the model: what for, as “invoices and refunds”."
    )
    number = models.CharField(
        max_length=200, help_text="As +12025550100, or sip:user@host of your telephone system."
    )
    post_dial = models.CharField(
        "digits after the answer",
        max_length=32,
        blank=True,
        help_text="An extension, as ww12; w waits half a second. Only when we dial.",
    )
    schedule = models.ForeignKey(
        Schedule,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="destinations",
        verbose_name="opening hours",
        help_text="Empty: always open.",
    )
    ring_s = models.PositiveSmallIntegerField(
        "ring for",
        default=25,
        validators=[MinValueValidator(5), MaxValueValidator(60)],
        help_text="Seconds. Then the caller comes back to the bot.",
    )
    method = models.CharField(
        max_length=10,
        choices=Method.choices,
        default=Method.REFER_DIAL,
        help_text="REFER: the caller's carrier sends him on, and our lines are free. Where it "
        "refuses, we dial and stay in between.",
    )
    trunk = models.ForeignKey(
        Trunk,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="destinations",
        limit_choices_to={"direction": Trunk.Direction.OUTBOUND},
        verbose_name="outbound trunk",
        help_text="The line we dial over.",
    )
    caller_id = models.CharField(
        max_length=16, blank=True, help_text="The number we show. Empty: the trunk's first."
    )
    for_people = models.BooleanField(
        "for callers who ask for a person",
        default=False,
        help_text="They are sent here at once, also by the key 0.",
    )
    announcement = models.CharField(
        max_length=300,
        default="One moment, please. I am putting you through.",
        help_text="Spoken before.",
    )
    sorry = models.CharField(
        "words when nobody answers",
        max_length=300,
        default="I am sorry, I could not reach anybody there. Can I help you with anything else?",
    )
    closed = models.CharField(
        "words when it is closed",
        max_length=300,
        default="I am sorry, they are closed at the moment. Can I help you with anything else?",
    )
    enabled = models.BooleanField(default=True)
    projects = models.ManyToManyField(
        Project,
        blank=True,
        related_name="destinations",
        help_text="Which may send callers here. None chosen: all.",
    )

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class TransferOrder(models.Model):
    """A supervisor wants a running call sent to a destination. The call's worker carries it out."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for the worker"
        TAKEN = "taken", "The worker is at it"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    call = models.ForeignKey(Call, models.CASCADE, related_name="transfer_orders")
    destination = models.ForeignKey(Destination, models.CASCADE, related_name="orders")
    by = models.CharField(max_length=150)
    at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    outcome = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["call"],
                condition=Q(state__in=["waiting", "taken"]),
                name="transfer_one_at_a_time",
            )
        ]
        indexes = [
            models.Index(fields=["-at", "-id"], name="transfer_newest"),
            models.Index(fields=["state", "-at", "-id"], name="transfer_by_state"),
            models.Index(fields=["at"], name="transfer_waiting", condition=Q(state="waiting")),
        ]

    def __str__(self) -> str:
        return f"{self.call_id} → {self.destination_id}"
