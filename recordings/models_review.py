"""What people add to a call: how they judged it, what they noted, whom they let hear it."""

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from recordings.lifecycle import RecordingState
from recordings.models import Recording
from telephony.models import Call


class SoundShapeQuerySet(models.QuerySet["SoundShape"]):
    def recordings_without(self, *, since: datetime) -> "models.QuerySet[Recording]":
        """Stored recordings of calls since then whose picture is missing, or of another object."""
        same = Q(shape__sha256=F("sha256"), shape__size=F("size"))
        return Recording.objects.filter(
            Q(shape=None) | ~same, state=RecordingState.STORED, call__started_at__gt=since
        )


class SoundShape(models.Model):
    """The waveform of one recording. Made anew when the object in the store is another one."""

    recording = models.OneToOneField(Recording, models.CASCADE, related_name="shape")
    sha256 = models.CharField(max_length=64, blank=True)
    size = models.BigIntegerField(null=True)
    duration_ms = models.PositiveIntegerField(default=0)
    peaks = models.JSONField(default=list)  # recordings/waveform.py
    silences = models.JSONField(default=list)
    error = models.TextField(blank=True)
    built_at = models.DateTimeField()

    objects = SoundShapeQuerySet.as_manager()

    def __str__(self) -> str:
        return f"Sound of {self.recording_id}"

    def is_of(self, recording: Recording) -> bool:
        return (self.sha256, self.size) == (recording.sha256, recording.size)


class ReviewQuerySet(models.QuerySet["Review"]):
    def takeable(self, *, forgotten_before: datetime) -> Self:
        """Nobody's, or taken by somebody who was not heard of again."""
        forgotten = Q(state=Review.State.TAKEN, taken_at__lt=forgotten_before)
        return self.filter(Q(state=Review.State.OPEN) | forgotten)


class Review(models.Model):
    """Who judged a call, and how. A call without a row is unreviewed."""

    class State(models.TextChoices):
        OPEN = "open", "Unreviewed"
        TAKEN = "taken", "In review"
        DONE = "done", "Reviewed"

    class Verdict(models.TextChoices):
        OK = "ok", "OK"
        NEEDS_WORK = "needs_work", "Needs work"
        ESCALATE = "escalate", "Escalate"

    call = models.OneToOneField(Call, models.CASCADE, related_name="review")
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    verdict = models.CharField(max_length=12, choices=Verdict.choices, blank=True)
    reviewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    reviewer_name = models.CharField(max_length=150, blank=True, help_text="Stays if they go.")
    taken_at = models.DateTimeField(null=True, blank=True)
    reviewed_at = models.DateTimeField(null=True, blank=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        verbose_name = "review"
        verbose_name_plural = "review queue"
        indexes = [
            models.Index(fields=["state", "-call"], name="review_of_a_state"),
            models.Index(fields=["state", "taken_at"], name="review_taken"),
        ]
        constraints = [
            models.CheckConstraint(
                name="review_done_is_complete",
                condition=~Q(state="done") | (Q(reviewed_at__isnull=False) & ~Q(verdict="")),
            )
        ]

    def __str__(self) -> str:
        return f"Review of {self.call_id}: {self.state}"


class Remark(models.Model):
    """A comment at a moment of a call, or a note on the whole of it."""

    call = models.ForeignKey(Call, models.CASCADE, related_name="remarks")
    at_ms = models.IntegerField(
        null=True, blank=True, help_text="On the journal's clock. Empty: about the whole call."
    )
    text = models.TextField()
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    author_name = models.CharField(max_length=150, help_text="Stays if they go.")
    created_at = models.DateTimeField()
    edited_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "comment or note"
        verbose_name_plural = "comments and notes"

    def __str__(self) -> str:
        return f"Remark {self.pk} on {self.call_id}"


class Tag(models.Model):
    """A free word for calls; whoever types one is shown those which exist."""

    name = models.CharField(max_length=40, unique=True)

    def __str__(self) -> str:
        return self.name


class CallTag(models.Model):
    call = models.ForeignKey(Call, models.CASCADE, related_name="tags")
    tag = models.ForeignKey(Tag, models.CASCADE, related_name="calls")
    added_by = models.CharField(max_length=150)
    added_at = models.DateTimeField()

    class Meta:
        verbose_name = "tag of a call"
        verbose_name_plural = "tags of calls"
        constraints = [models.UniqueConstraint(fields=["call", "tag"], name="call_tag_once")]
        indexes = [models.Index(fields=["tag", "-call"], name="calls_of_a_tag")]

    def __str__(self) -> str:
        return f"{self.tag_id} on {self.call_id}"


class ShareLinkQuerySet(models.QuerySet["ShareLink"]):
    def good(self, now: datetime) -> Self:
        return self.filter(expires_at__gt=now, revoked_at=None)


class ShareLink(models.Model):
    """An address of one call for colleagues, for a while. Its token is kept as a hash only."""

    call = models.ForeignKey(Call, models.CASCADE, related_name="shares")
    token_hash = models.CharField(max_length=64, unique=True, editable=False)
    at_ms = models.IntegerField(null=True, blank=True, help_text="Where to begin.")
    widens = models.BooleanField(
        default=False, help_text="Whoever has it may read and hear this call."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_by_name = models.CharField(max_length=150)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by_name = models.CharField(max_length=150, blank=True)
    opened = models.PositiveIntegerField(default=0)
    last_opened_at = models.DateTimeField(null=True, blank=True)

    objects = ShareLinkQuerySet.as_manager()

    class Meta:
        permissions = [("widen_sharelink", "Can let others read and hear a call by a link")]

    def __str__(self) -> str:
        return f"Link {self.pk} to {self.call_id}"
