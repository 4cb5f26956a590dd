"""How long things are kept, what was deleted, requests of callers, and who looked at what."""

from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.db.models.functions import Coalesce

from agents.models import Project
from telephony.models import Call


def _days(of: str, help_text: str = "") -> "models.PositiveIntegerField[Any, Any]":
    words = f"{help_text} Days; empty: for ever.".strip()
    return models.PositiveIntegerField(of, null=True, blank=True, help_text=words)


class Kind(models.TextChoices):
    """What is kept, each for its own time."""

    AUDIO = "audio", "Recording"
    TRANSCRIPT = "transcript", "Transcript and journal"
    FIELDS = "fields", "Summary and fields"
    NUMBERS = "numbers", "Numbers of the call"


class KeepRule(models.Model):
    """For how long a project keeps what was said. Without a rule of its own: the default's."""

    project = models.OneToOneField(
        Project, models.CASCADE, null=True, blank=True, related_name="keep_rule",
        help_text="Empty: the default of all projects without a rule of their own.",
    )  # fmt: skip
    audio_days = _days("recordings")
    transcript_days = _days("transcripts", "With the journal, turns and comments.")
    fields_days = _days("summaries and fields")
    numbers_days = _days(
        "telephone numbers",
        "Of the call itself, which stays as a figure. Not before recordings and transcripts.",
    )

    class Meta:
        verbose_name = "retention rule"
        verbose_name_plural = "retention rules"
        constraints = [
            # of NULLs a database takes as many as come
            models.UniqueConstraint(
                Coalesce("project", 0),
                name="keep_rule_once",
                violation_error_message="There is a rule of this project (or a default) already.",
            )
        ]

    def __str__(self) -> str:
        return f"Retention of {self.project or 'all other projects'}"

    def clean(self) -> None:
        """The number stands in a recording's name, and in the journal."""
        if self.numbers_days is None:
            return
        for kind in (Kind.AUDIO, Kind.TRANSCRIPT, Kind.FIELDS):
            days = self.days(kind)
            if days is None or days > self.numbers_days:
                kept = "for ever" if days is None else f"for {days} days"
                raise ValidationError(
                    {
                        "numbers_days": f"{kind.label} is kept {kept}, and numbers stand in it. "
                        f"Keep numbers at least as long, or that shorter."
                    }
                )

    def days(self, kind: Kind) -> int | None:
        found: int | None = getattr(self, f"{kind.value}_days")
        return found


class KeepProgress(models.Model):
    """How far the deletion of one kind of one project has come. What lies before it is done, but
    for what is put off."""

    project = models.ForeignKey(Project, models.CASCADE, null=True, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    until = models.DateTimeField(help_text="Calls which began before have been gone through.")
    after = models.BigIntegerField(default=0, help_text="The last of those of the same moment.")
    newest = models.BigIntegerField(default=0, help_text="Calls with a larger id came later.")
    deleted = models.PositiveBigIntegerField(default=0)
    deleted_bytes = models.PositiveBigIntegerField(default=0)
    ran_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(Coalesce("project", 0), "kind", name="keep_progress_once")
        ]

    def __str__(self) -> str:
        return f"{self.kind} until {self.until:%Y-%m-%d}"


class PutOff(models.Model):
    """Due, and not deleted: held, still open, or the store was away. Looked at again each night."""

    call = models.ForeignKey(Call, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    why = models.CharField(max_length=200)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["call", "kind"], name="put_off_once")]

    def __str__(self) -> str:
        return f"{self.kind} of call {self.call_id}"


class Forgotten(models.Model):
    """What of a call was deleted, and when. A claim without its date: somebody died at it."""

    class By(models.TextChoices):
        RETENTION = "retention", "by retention"
        ERASURE = "erasure", "because the caller asked for it"

    call = models.OneToOneField(Call, models.CASCADE, related_name="forgotten")
    by = models.CharField(max_length=10, choices=By.choices, default=By.RETENTION)
    audio_claimed_at = models.DateTimeField(null=True)
    audio_at = models.DateTimeField(null=True)
    transcript_at = models.DateTimeField(null=True)
    fields_at = models.DateTimeField(null=True)
    numbers_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["audio_claimed_at"],
                name="forgotten_half",
                condition=Q(audio_at=None, audio_claimed_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"forgotten of call {self.call_id}"


class DeleteAgain(models.Model):
    """An object whose upload may still have been under way when it was deleted."""

    request = models.ForeignKey(
        "CallerRequest", models.CASCADE, null=True, related_name="delete_again"
    )
    sealed_key = models.TextField(help_text="Sealed: its name holds a number.")
    store = models.ForeignKey(
        "recordings.Store", models.PROTECT, null=True, related_name="+",
        help_text="Empty: the store of the environment.",
    )  # fmt: skip
    due_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"object {self.pk}"


class CallerRequestQuerySet(models.QuerySet["CallerRequest"]):
    def due(self, now: datetime) -> Self:
        free = Q(leased_until=None) | Q(leased_until__lt=now)
        return self.filter(free, state__in=CallerRequest.OPEN, next_at__lte=now)


class CallerRequest(models.Model):
    """Somebody wants to know, or wants gone, what is here about his number."""

    class What(models.TextChoices):
        ERASE = "erase", "Erase"
        EXPORT = "export", "Export"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Under way"
        DONE = "done", "Done"
        REFUSED = "refused", "Refused"

    OPEN = (State.WAITING, State.RUNNING)

    what = models.CharField(max_length=6, choices=What.choices)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    sealed_number = models.TextField(blank=True, help_text="Sealed, and gone when it is done.")
    digest = models.CharField(
        max_length=64, db_index=True, help_text="Keyed hash, to prove later whose number it was."
    )
    asked_by = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    words = models.CharField("in words", max_length=400, blank=True)
    done = models.PositiveIntegerField("calls done", default=0)
    total = models.PositiveIntegerField("calls in all", default=0)
    counts = models.JSONField(default=dict, help_text="What was erased or exported, by kind.")
    told = models.JSONField(default=list, help_text="Webhooks which had been told of the calls.")
    next_at = models.DateTimeField("looked at again")
    leased_until = models.DateTimeField(null=True)
    hooks_after = models.BigIntegerField(default=0, help_text="Later hooks are looked at.")
    finished_at = models.DateTimeField(null=True)
    object_key = models.CharField(max_length=255, blank=True, help_text="Of an export's file.")
    size = models.BigIntegerField(null=True)
    file_until = models.DateTimeField("file kept until", null=True)

    objects = CallerRequestQuerySet.as_manager()

    class Meta:
        verbose_name = "request of a caller"
        verbose_name_plural = "requests of callers"
        indexes = [
            models.Index(fields=["-asked_at", "-id"], name="caller_request_newest"),
            models.Index(fields=["file_until"], name="caller_request_file",
                         condition=~Q(object_key="")),
        ]  # fmt: skip

    def __str__(self) -> str:
        return f"{self.get_what_display()} {self.pk} of {self.asked_at:%Y-%m-%d}"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN


class AppendOnly(Exception):
    """Rows of the access log are written once."""


class AccessLogQuerySet(models.QuerySet["AccessLog"]):
    def update(self, **_: Any) -> int:
        raise AppendOnly("The access log is not changed.")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise AppendOnly("The access log is not deleted from.")


class AccessLog(models.Model):
    """Who heard, read, took or shared what. Written once, changed by nobody."""

    class What(models.TextChoices):
        PLAY = "play", "Heard a recording"
        DOWNLOAD = "download", "Downloaded"
        TRANSCRIPT = "transcript", "Read a transcript"
        SEARCH = "search", "Searched"
        SHARE = "share", "Shared"
        EXPORT = "export", "Exported"
        ERASE = "erase", "Erased"
        HOLD = "hold", "Legal hold"

    at = models.DateTimeField()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+",
        db_constraint=False,
    )  # fmt: skip
    who = models.CharField(max_length=150, help_text="The name then, or the program's key.")
    what = models.CharField(max_length=40, choices=What.choices)
    call = models.ForeignKey(Call, models.SET_NULL, null=True, related_name="+")
    how = models.CharField(max_length=200, blank=True)
    address = models.GenericIPAddressField(null=True)

    objects = AccessLogQuerySet.as_manager()

    class Meta:
        verbose_name = "access"
        verbose_name_plural = "access log"
        indexes = [
            models.Index(fields=["-at", "-id"], name="access_newest"),
            models.Index(fields=["what", "-at", "-id"], name="access_by_kind"),
            models.Index(fields=["who", "-at", "-id"], name="access_by_who"),
            models.Index(fields=["call", "-at", "-id"], name="access_of_call"),
        ]

    def __str__(self) -> str:
        return f"{self.who} {self.what} {self.at:%Y-%m-%d %H:%M}"

    def save(self, *args: Any, **more: Any) -> None:
        if self.pk:
            raise AppendOnly("The access log is not changed.")
        super().save(*args, **more)

    def delete(self, *_: Any, **__: Any) -> tuple[int, dict[str, int]]:
        raise AppendOnly("The access log is not deleted from.")
