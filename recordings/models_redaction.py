"""What a project wants taken out of words and sound; how often; and the work on the sound."""

from datetime import datetime
from typing import Self

from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models

from agents.models import Project
from recordings import id_patterns
from recordings.models import Recording
from recordings.redaction import Kind
from telephony.models import Call


def check_patterns(text: str) -> None:
    for line in text.splitlines():
        if line.strip() and (wrong := id_patterns.fault(line.strip())):
            raise ValidationError(f"“{line.strip()}”: {wrong}")


class RedactionRules(models.Model):
    """Card numbers and their security codes are always taken out; this says what else."""

    project = models.OneToOneField(Project, models.CASCADE, related_name="redaction")
    phones = models.BooleanField("telephone numbers", default=True)
    emails = models.BooleanField("e-mail addresses", default=True)
    ibans = models.BooleanField("bank accounts (IBAN)", default=True)
    births = models.BooleanField("dates of birth", default=True)
    names = models.BooleanField(
        default=False, help_text="By what people say before a name, and by the list below."
    )
    region = models.CharField(
        "country of numbers",
        max_length=2,
        blank=True,
        validators=[RegexValidator(r"^[A-Z]{2}$", "Two letters, such as US or DE.")],
        help_text="Two letters, such as US or DE: whose telephone numbers people tell without a "
        "country code. Empty: the project's language decides.",
    )
    allowed = models.TextField(
        "what stays",
        blank=True,
        help_text="Telephone numbers as +12025550100 and e-mail addresses which may be told, one a "
        "line. Numbers of this project's own lines stay anyway.",
    )
    name_list = models.TextField(
        "list of names", blank=True, help_text="One a line: taken out wherever they are said."
    )
    id_patterns = models.TextField(
        "other numbers",
        blank=True,
        validators=[check_patterns],
        help_text=r"One regular expression a line, such as \b\d{3}-\d{2}-\d{4}\b for a national "
        "number. What one finds is taken out.",
    )
    mask_audio = models.BooleanField(
        "in the sound as well",
        default=False,
        help_text="Stored recordings are silenced where something was taken out. Until that is "
        "done a recording cannot be played. Only sound can be masked, no video.",
    )

    class Meta:
        verbose_name = "redaction"
        verbose_name_plural = "redaction"

    def __str__(self) -> str:
        return f"Redaction of {self.project}"


class RedactionCount(models.Model):
    """How often something was taken out of a call. Never what."""

    call = models.ForeignKey(Call, models.CASCADE, related_name="redactions")
    kind = models.CharField(max_length=8, choices=[(kind.value, kind.value) for kind in Kind])
    count = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["call", "kind"], name="redaction_once")]

    def __str__(self) -> str:
        return f"{self.count} × {self.kind} in call {self.call_id}"


class AudioMaskQuerySet(models.QuerySet["AudioMask"]):
    def due(self, *, claimed_before: datetime) -> Self:
        """Not begun, begun by somebody who was not heard of again, or not cleaned up."""
        return self.filter(
            models.Q(state__in=[AudioMask.State.WAITING, AudioMask.State.SWITCHED])
            | models.Q(state=AudioMask.State.WORKING, claimed_at__lt=claimed_before)
        )


class AudioMask(models.Model):
    """The work of silencing one recording.

    WAITING → WORKING → SWITCHED (the row has the new object, the old one is still there) → DONE.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        WORKING = "working", "Being masked"
        SWITCHED = "switched", "Masked, the original is being deleted"
        DONE = "done", "Masked"
        NOTHING = "nothing", "Nothing to mask"
        FAILED = "failed", "Failed"

    recording = models.OneToOneField(Recording, models.CASCADE, related_name="masking")
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    source_key = models.CharField(max_length=255, blank=True)
    source_sha256 = models.CharField(max_length=64, blank=True)
    target_key = models.CharField(max_length=255, blank=True)
    claimed_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    objects = AudioMaskQuerySet.as_manager()

    class Meta:
        verbose_name = "masked recording"
        indexes = [models.Index(fields=["state", "claimed_at"], name="audio_mask_state")]

    def __str__(self) -> str:
        return f"{self.recording_id}: {self.state}"
