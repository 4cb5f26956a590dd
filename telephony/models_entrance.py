"""Per number: who may call, when, and what happens otherwise. Per caller: who is let in."""

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q

from agents.entrance import BUSY, CAUSES
from agents.models import Project
from telephony.models import Number, Trunk
from telephony.models_hours import Schedule


class Entrance(models.Model):
    """What happens to calls of one number before they are answered. Without a row: answered."""

    class Closed(models.TextChoices):
        MESSAGE = "message", "Say a message and hang up"
        VOICEMAIL = "voicemail", "Take a message (recorded, with transcript)"
        FORWARD = "forward", "Send the caller to another number"
        REFUSE = "refuse", "Refuse without answering"
        ANSWER = "answer", "Answer as always"

    class Blocked(models.TextChoices):
        REFUSE = "refuse", "Refuse without answering"
        MESSAGE = "message", "Say a message and hang up"

    number = models.OneToOneField(Number, models.CASCADE, related_name="entrance")
    project = models.ForeignKey(
        Project, models.SET_NULL, null=True, blank=True, related_name="+",
        help_text="Who answers this number. Empty: the project of the dispatch rule.",
    )  # fmt: skip
    priority = models.PositiveSmallIntegerField(
        default=0, help_text="0 to 9; noted with the call and told to the bot."
    )
    schedule = models.ForeignKey(
        Schedule, models.PROTECT, null=True, blank=True, related_name="entrances",
        verbose_name="opening hours", help_text="Empty: always open.",
    )  # fmt: skip
    closed_action = models.CharField(
        "outside them", max_length=9, choices=Closed.choices, default=Closed.MESSAGE
    )
    closed_words = models.TextField(
        "words", blank=True, max_length=1000,
        help_text="The message, or what is said before the tone or before the caller is sent on.",
    )  # fmt: skip
    closed_number = models.CharField(
        "other number", max_length=16, blank=True, help_text="With its country code."
    )
    voicemail_limit_s = models.PositiveSmallIntegerField("longest message, s", default=120)
    voicemail_silence_s = models.PositiveSmallIntegerField("ends after silence of, s", default=4)
    blocked_action = models.CharField(
        "blocked callers", max_length=9, choices=Blocked.choices, default=Blocked.REFUSE
    )
    blocked_words = models.TextField("message for them", blank=True, max_length=1000)
    withheld_allowed = models.BooleanField("callers without a number may call", default=True)
    listed_only = models.BooleanField("only callers on the allow list", default=False)
    refuse_cause = models.PositiveSmallIntegerField(
        "reason told when refusing", default=BUSY,
        choices=[(cause, f"{words} ({cause})") for cause, words in CAUSES.items()],
        help_text="LiveKit always refuses with 486; this stands beside it in the Reason header.",
    )  # fmt: skip
    lookup_url = models.CharField(
        "address", max_length=400, blank=True,
        help_text="Asked who the caller is, while the telephone rings. Empty: nobody is asked.",
    )  # fmt: skip
    lookup_ms = models.PositiveSmallIntegerField(
        "time limit, ms", default=800, help_text="The call never waits longer, and seldom at all."
    )
    sealed_lookup_secret = models.TextField(blank=True, editable=False)
    ring_limit_s = models.PositiveSmallIntegerField(
        "rings at most, s", null=True, blank=True,
        help_text="Without a worker for so long the call goes elsewhere. Empty: as for all.",
    )  # fmt: skip
    overflow_number = models.CharField(
        "then to", max_length=16, blank=True,
        help_text="Number to call when no worker answers. Empty: the caller hears busy.",
    )  # fmt: skip
    overflow_trunk = models.ForeignKey(
        Trunk, models.SET_NULL, null=True, blank=True, related_name="+",
        limit_choices_to={"direction": Trunk.Direction.OUTBOUND},
        verbose_name="over trunk",
        help_text="The outbound trunk which calls that number. Also the one outside the opening "
        "hours, and the project's fallback number, where the caller's carrier does not send him.",
    )  # fmt: skip

    class Meta:
        verbose_name = "what happens to its calls"
        verbose_name_plural = "what happens to its calls"
        constraints = [
            models.CheckConstraint(name="entrance_priority_0_9", condition=Q(priority__lte=9))
        ]

    def __str__(self) -> str:
        return f"Calls of {self.number}"


_TWICE = "There is a rule for this caller already. Change that one."


class CallerRuleQuerySet(models.QuerySet["CallerRule"]):
    def in_force(self, now: datetime) -> Self:
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now))


class CallerRule(models.Model):
    """A caller, or all whose number begins alike, who is let in or kept out."""

    class Kind(models.TextChoices):
        BLOCK = "block", "Block"
        ALLOW = "allow", "Allow"

    kind = models.CharField(max_length=5, choices=Kind.choices, default=Kind.BLOCK)
    digits = models.CharField(max_length=15, editable=False, db_index=True)
    is_prefix = models.BooleanField(
        "all which begin so", default=False, help_text="Every number beginning with these digits."
    )
    number = models.ForeignKey(
        Number, models.CASCADE, null=True, blank=True, related_name="caller_rules",
        verbose_name="called number", help_text="Empty: for all our numbers.",
    )  # fmt: skip
    priority = models.PositiveSmallIntegerField(
        default=0, help_text="0 to 9, for callers who are let in."
    )
    note = models.CharField(max_length=200, blank=True)
    expires_at = models.DateTimeField("until", null=True, blank=True, help_text="Empty: for good.")
    created_at = models.DateTimeField(auto_now_add=True)

    objects = CallerRuleQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["digits", "is_prefix", "number"],
                name="caller_rule_once",
                violation_error_message=_TWICE,
            ),
            models.UniqueConstraint(
                fields=["digits", "is_prefix"],
                name="caller_rule_once_for_all",
                condition=Q(number=None),
                violation_error_message=_TWICE,
            ),
            models.CheckConstraint(name="caller_rule_priority_0_9", condition=Q(priority__lte=9)),
        ]
        indexes = [models.Index(fields=["kind", "-id"], name="caller_rule_by_kind")]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.get_kind_display()} +{self.digits}{'…' if self.is_prefix else ''}"
