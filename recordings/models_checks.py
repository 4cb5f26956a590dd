"""Recordings compared with the store: a run over some days, and what it found."""

from datetime import datetime
from typing import Self, TypeVar

from django.db import models
from django.db.models import Q

from recordings.models import Recording
from telephony.models import Call

Row = TypeVar("Row", bound="Sliced")


class SlicedQuerySet(models.QuerySet[Row]):
    def due(self, now: datetime) -> Self:
        """Work nobody is at: not begun, or whoever was at it is gone."""
        unclaimed = Q(leased_until=None) | Q(leased_until__lt=now)
        return self.filter(unclaimed, state__in=Sliced.OPEN)


class Sliced(models.Model):
    """Long work done in slices of a minute by whichever Celery process has the lease."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        RUNNING = "running", "Running"
        DONE = "done", "Done"
        CANCELLED = "cancelled", "Cancelled"
        FAILED = "failed", "Failed"

    OPEN = (State.WAITING, State.RUNNING)

    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    asked_by = models.CharField(max_length=150, blank=True, help_text="Empty: by itself.")
    asked_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        abstract = True

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN


class StoreCheckQuerySet(SlicedQuerySet["StoreCheck"]):
    pass


class StoreCheck(Sliced):
    """One comparison of the recordings of some days with the store."""

    first = models.DateField(help_text="Days of UTC, by when the call came in.")
    last = models.DateField()
    thorough = models.BooleanField(
        "read every byte", default=False, help_text="Instead of asking the store for the checksum."
    )
    day = models.DateField(null=True, blank=True, help_text="Where it is.", editable=False)
    after = models.BigIntegerField(default=0, editable=False)  # the last call of that day seen
    looked_at = models.PositiveIntegerField("recordings looked at", default=0)
    hashed_bytes = models.BigIntegerField("bytes read", default=0)
    unhashed = models.PositiveIntegerField(
        "left unread", default=0, help_text="Without a checksum, and too much to read in one run."
    )

    objects = StoreCheckQuerySet.as_manager()

    class Meta:
        verbose_name = "check of the store"
        verbose_name_plural = "checks of the store"
        indexes = [models.Index(fields=["-asked_at"], name="store_check_newest_first")]

    def __str__(self) -> str:
        return f"{self.first:%Y-%m-%d} to {self.last:%Y-%m-%d}"

    @property
    def days_total(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def days_done(self) -> int:
        if self.state == self.State.DONE:
            return self.days_total
        return (self.day - self.first).days if self.day else 0


class StoreFinding(models.Model):
    """What is wrong with one recording or object. The next check finds it again, or it is fixed."""

    class Kind(models.TextChoices):
        MISSING = "missing", "Gone from the store"
        EMPTY = "empty", "Empty"
        SIZE = "size", "Another size"
        CHECKSUM = "checksum", "Another checksum"
        UNREADABLE = "unreadable", "No sound in it"
        CUT = "cut", "Cut off"
        DURATION = "duration", "Another duration"
        CALL_LENGTH = "call_length", "Not as long as the call"
        CONTENT_TYPE = "content_type", "Another type"
        NOT_STORED = "not_stored", "Never arrived"
        FOUND_AGAIN = "found_again", "Failed, but there is a file"
        NO_ROW = "no_row", "Nobody recorded"
        ORPHAN = "orphan", "Belongs to no call"

    check_run = models.ForeignKey(
        StoreCheck, models.CASCADE, related_name="findings", help_text="Which saw it last."
    )
    call = models.ForeignKey(Call, models.CASCADE, null=True, blank=True, related_name="+")
    recording = models.ForeignKey(
        Recording, models.CASCADE, null=True, blank=True, related_name="+"
    )
    kind = models.CharField(max_length=12, choices=Kind.choices)
    object_key = models.CharField("object", max_length=255, blank=True)
    day = models.DateField()
    words = models.TextField()
    measured = models.BigIntegerField(null=True, blank=True, editable=False)
    found_at = models.DateTimeField()
    fixed_at = models.DateTimeField(null=True, blank=True)
    fixed_by = models.CharField(max_length=150, blank=True)

    class Meta:
        verbose_name = "finding in the store"
        verbose_name_plural = "findings in the store"
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "object_key"],
                condition=Q(fixed_at=None),
                name="open_store_finding_once",
            )
        ]
        indexes = [
            models.Index(fields=["day"], condition=Q(fixed_at=None), name="store_finding_open"),
            models.Index(fields=["-found_at", "-id"], name="store_finding_newest"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.pk})"


class CheckedObject(models.Model):
    """A recording whose object was right as a whole. While the store lists it as it was then, the
    list is enough."""

    recording = models.OneToOneField(Recording, models.CASCADE, related_name="checked")
    etag = models.CharField(max_length=80)
    size = models.BigIntegerField()
    at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    hashed = models.BooleanField(default=False, help_text="Every byte was read.")

    def __str__(self) -> str:
        return f"{self.recording_id}"
