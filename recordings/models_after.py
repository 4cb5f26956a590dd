"""After the call: what a project wants to know, the steps of each call, and what they found."""

from datetime import datetime
from typing import Self

from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.db.models import Q

from agents.entries import END_REASONS
from agents.models import Project, ProviderAccount
from recordings.after_wants import CHOSEN, FIELD_TYPES, JUDGED_BY, STEPS
from telephony.models import Call

FIELD_NAME = RegexValidator(r"^[a-z][a-z0-9_]*$", "Write a short name such as order_number.")


def every_step() -> list[str]:
    return list(CHOSEN)


class AfterCall(models.Model):
    """What is done with a project's calls once they are over."""

    class Engine(models.TextChoices):
        CHAIN = "chain", "The project's language models, and rules where none answers"
        RULES = "rules", "Rules only: nothing leaves this installation"

    project = models.OneToOneField(Project, models.CASCADE, related_name="after_call")
    steps = models.JSONField("what is found out", default=every_step, blank=True)
    engine = models.CharField("by", max_length=5, choices=Engine.choices, default=Engine.CHAIN)
    retranscribe_with = models.ForeignKey(
        ProviderAccount, models.SET_NULL, null=True, blank=True, related_name="+",
        verbose_name="transcribe again with",
        help_text="A better speech to text listens to the recording once more. The transcript of "
        "the call itself is kept. Empty: not done.",
    )  # fmt: skip
    version = models.PositiveIntegerField(default=1, editable=False)

    class Meta:
        verbose_name = "after the call"
        verbose_name_plural = "after the call"

    def __str__(self) -> str:
        return f"After calls of {self.project}"


class Disposition(models.Model):
    """One way in which a call of a project can be filed."""

    after = models.ForeignKey(AfterCall, models.CASCADE, related_name="dispositions")
    name = models.CharField(max_length=60)
    description = models.CharField(max_length=200, blank=True, help_text="For the language model.")
    words = models.TextField(
        "rule words", blank=True, help_text="One word or phrase a line: if the caller says it."
    )
    end_reason = models.CharField(
        "or by its end", max_length=16, blank=True, choices=list(END_REASONS.items())
    )
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("position", "pk")
        constraints = [
            models.UniqueConstraint(fields=["after", "name"], name="disposition_name_once")
        ]

    def __str__(self) -> str:
        return self.name


class ExtractedField(models.Model):
    """Something a project wants to know from each call, as a value of one type."""

    after = models.ForeignKey(AfterCall, models.CASCADE, related_name="fields")
    name = models.CharField(max_length=40, validators=[FIELD_NAME])
    type = models.CharField(max_length=8, choices=list(FIELD_TYPES.items()))
    description = models.CharField(max_length=200, blank=True, help_text="For the language model.")
    choices = models.TextField(blank=True, help_text="Of a choice: one a line.")
    pattern = models.CharField(
        "regular expression", max_length=200, blank=True,
        help_text="Rule: the first group, or all of it, is the value.",
    )  # fmt: skip
    words = models.TextField(
        "nearby words", blank=True,
        help_text="Rule: one word or phrase a line. The value is looked for where the caller says "
        "one of them, and where he answers the bot which did.",
    )  # fmt: skip
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("position", "pk")
        verbose_name = "field"
        constraints = [models.UniqueConstraint(fields=["after", "name"], name="field_name_once")]

    def __str__(self) -> str:
        return self.name


class QualityCriterion(models.Model):
    """What a good call of a project is judged by."""

    after = models.ForeignKey(AfterCall, models.CASCADE, related_name="criteria")
    text = models.CharField("criterion", max_length=200)
    weight = models.PositiveSmallIntegerField(
        default=1, validators=[MinValueValidator(1), MaxValueValidator(100)]
    )
    rule = models.CharField(
        max_length=14, blank=True, choices=list(JUDGED_BY.items()),
        help_text="Empty: only a language model can judge it.",
    )  # fmt: skip
    words = models.TextField(blank=True, help_text="Of a rule about words: one a line.")
    position = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("position", "pk")
        verbose_name = "quality criterion"
        verbose_name_plural = "quality criteria"

    def __str__(self) -> str:
        return self.text


class AfterStepQuerySet(models.QuerySet["AfterStep"]):
    def due(self, now: datetime) -> Self:
        return self.filter(state=AfterStep.State.WANTED, next_try_at__lte=now)

    def lost(self, claimed_before: datetime) -> Self:
        """Whoever was at these has died."""
        return self.filter(state=AfterStep.State.RUNNING, claimed_at__lt=claimed_before)


class AfterStep(models.Model):
    """One step of one call's way after its end. Each may be repeated, and all are in order."""

    class State(models.TextChoices):
        WANTED = "wanted", "Waiting"
        RUNNING = "running", "Being done"
        ASKED = "asked", "A worker is asked"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"
        SKIPPED = "skipped", "Not needed"

    call = models.ForeignKey(Call, models.CASCADE, related_name="after_steps")
    name = models.CharField(max_length=12, choices=list(STEPS.items()))
    position = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=7, choices=State.choices, default=State.WANTED)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField("next try")
    claim = models.CharField(max_length=32, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True, help_text="Why it failed or was not needed.")

    objects = AfterStepQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["call", "name"], name="after_step_once")]
        indexes = [
            models.Index(
                fields=["next_try_at"], name="after_step_due", condition=Q(state="wanted")
            ),
            models.Index(
                fields=["claimed_at"], name="after_step_claimed", condition=Q(state="running")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} of call {self.call_id} ({self.state})"


class Analysis(models.Model):
    """A question about one call which a worker answers; the same question is asked once.

    What is asked is made anew when it is handed out, so no key and no text is kept here.
    """

    class Kind(models.TextChoices):
        ASK = "ask", "Ask the project's models"
        RETELL = "retell", "Transcribe the recording"

    class State(models.TextChoices):
        PENDING = "pending", "Waits for a worker"
        RUNNING = "running", "A worker is at it"
        DONE = "done", "Done"
        FAILED = "failed", "Failed"

    call = models.ForeignKey(Call, models.CASCADE, related_name="analyses")
    kind = models.CharField(max_length=6, choices=Kind.choices)
    digest = models.CharField(max_length=64, help_text="Of the question.")
    state = models.CharField(max_length=7, choices=State.choices, default=State.PENDING)
    tries = models.PositiveSmallIntegerField(default=0)
    not_before = models.DateTimeField()
    give_up_at = models.DateTimeField(help_text="If no worker has taken it by then.")
    taken_at = models.DateTimeField(null=True, blank=True)
    told_by = models.DateTimeField(null=True, blank=True, help_text="Then it is given back.")
    done_at = models.DateTimeField(null=True, blank=True)
    model = models.CharField(max_length=200, blank=True, help_text="Who answered.")
    answer = models.JSONField(null=True, blank=True)
    usage = models.JSONField(default=list, help_text="What the answer is paid by.")
    error = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "analyses"
        constraints = [
            models.UniqueConstraint(fields=["call", "kind", "digest"], name="question_once")
        ]
        indexes = [
            models.Index(
                fields=["state", "not_before"], name="questions_open",
                condition=Q(state__in=["pending", "running"]),
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, call {self.call_id} ({self.state})"


class TranscriptVersion(models.Model):
    """A call's transcript once more: by another speech to text, or redacted. The first one stays.

    Segments have the shape of Transcript.segments.
    """

    class Kind(models.TextChoices):
        RETOLD = "retold", "By another speech to text"
        REDACTED = "redacted", "Redacted"

    call = models.ForeignKey(Call, models.CASCADE, related_name="transcript_versions")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    provider = models.CharField(max_length=200, blank=True)
    segments = models.JSONField(default=list)
    built_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["call", "kind"], name="transcript_version_once")
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, call {self.call_id}"


class CallInsight(models.Model):
    """What a call was about. `by` says of each value who found it: “rules”, or a model's name."""

    class Resolved(models.TextChoices):
        YES = "yes", "Resolved"
        NO = "no", "Not resolved"
        UNKNOWN = "unknown", "Unknown"

    class Label(models.TextChoices):
        POSITIVE = "positive", "Positive"
        NEUTRAL = "neutral", "Neutral"
        NEGATIVE = "negative", "Negative"
        UNKNOWN = "unknown", "Unknown"

    call = models.OneToOneField(Call, models.CASCADE, related_name="insight")
    project = models.ForeignKey(Project, models.SET_NULL, null=True, related_name="+")
    at = models.DateTimeField(help_text="When the call came in.")
    summary = models.TextField(blank=True)
    disposition = models.CharField(max_length=60, blank=True)
    sentiment = models.FloatField(null=True, blank=True, help_text="-1 to 1.")
    sentiment_label = models.CharField(
        max_length=8, choices=Label.choices, default=Label.UNKNOWN.value
    )
    quality = models.PositiveSmallIntegerField(null=True, blank=True, help_text="0 to 100.")
    criteria = models.JSONField(default=list, help_text="Text, weight, score, reason of each.")
    resolved = models.CharField(
        max_length=7, choices=Resolved.choices, default=Resolved.UNKNOWN.value
    )
    followups = models.JSONField(default=list)
    by = models.JSONField(default=dict)
    settings_version = models.PositiveIntegerField(default=0, help_text="0: none were made.")
    told = models.CharField(max_length=64, blank=True, help_text="Digest of what others know.")
    ready_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="insight_in_range",
                condition=(Q(sentiment=None) | Q(sentiment__gte=-1, sentiment__lte=1))
                & (Q(quality=None) | Q(quality__lte=100)),
            )
        ]
        indexes = [
            models.Index(fields=["project", "disposition", "-at"], name="insight_by_disposition"),
            models.Index(fields=["project", "sentiment"], name="insight_by_sentiment"),
            models.Index(fields=["resolved", "-at"], name="insight_by_resolved"),
        ]

    def __str__(self) -> str:
        return f"Insight of call {self.call_id}"


class FieldValue(models.Model):
    """One value of one call. It lies in the column of its type; money has its currency as text."""

    call = models.ForeignKey(Call, models.CASCADE, related_name="field_values")
    project = models.ForeignKey(Project, models.SET_NULL, null=True, related_name="+")
    name = models.CharField(max_length=40)
    type = models.CharField(max_length=8, choices=list(FIELD_TYPES.items()))
    value_text = models.CharField(max_length=300, blank=True)
    value_number = models.DecimalField(max_digits=20, decimal_places=6, null=True, blank=True)
    value_date = models.DateField(null=True, blank=True)
    value_bool = models.BooleanField(null=True, blank=True)
    confidence = models.FloatField(default=0)
    turn = models.PositiveIntegerField(
        null=True, blank=True, help_text="Of the transcript, from 0."
    )
    by = models.CharField(max_length=200)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["call", "name"], name="field_value_once")]
        indexes = [
            models.Index(fields=["project", "name", "value_text"], name="field_by_text"),
            models.Index(fields=["project", "name", "value_number"], name="field_by_number"),
            models.Index(fields=["project", "name", "value_date"], name="field_by_date"),
            models.Index(fields=["project", "name", "value_bool"], name="field_by_bool"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of call {self.call_id}"
