"""Where each piece of a recording came from: one egress after another, and the worker's backup."""

from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Q

from recordings.models import Recording


class RecordingPartQuerySet(models.QuerySet["RecordingPart"]):
    def of_egress(self) -> Self:
        return self.filter(source=RecordingPart.Source.EGRESS)

    def unheard(self, *, ended_before: datetime) -> Self:
        """Asked for, never answered, and the call is over."""
        return self.of_egress().filter(
            state=RecordingPart.State.STARTING, egress_id="",
            recording__call__ended_at__lt=ended_before,
        )  # fmt: skip

    def lost_since(self, moment: datetime) -> Self:
        """Egress gave them up; perhaps a file came to the store after all."""
        return self.of_egress().filter(
            state=RecordingPart.State.FAILED, ended_at__gt=moment, recording__state="failed"
        )


class RecordingPart(models.Model):
    """One file of a recording, or the trial of one. The recording itself is the best of them."""

    class Source(models.TextChoices):
        WORKER = "worker", "Agent worker"
        EGRESS = "egress", "LiveKit egress"

    class State(models.TextChoices):
        STARTING = "starting", "Starting"
        RUNNING = "running", "Recording"
        UPLOADING = "uploading", "Uploading"
        STORED = "stored", "Stored"
        SENT = "sent", "Sent live"
        FAILED = "failed", "Failed"

    GOING_ON = (State.STARTING, State.RUNNING, State.UPLOADING)

    recording = models.ForeignKey(Recording, models.CASCADE, related_name="parts")
    n = models.PositiveSmallIntegerField(help_text="In the order of their beginning, from 1.")
    source = models.CharField(max_length=8, choices=Source.choices)
    state = models.CharField(max_length=12, choices=State.choices, default=State.STARTING)
    object_key = models.CharField(max_length=255, blank=True, help_text="Empty: only sent live.")
    content_type = models.CharField(max_length=64, default="audio/ogg")
    egress_id = models.CharField(max_length=64, blank=True)
    asked_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    starts_ms = models.IntegerField(default=0, help_text="On the journal's clock.")
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    size = models.BigIntegerField("bytes", null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    note = models.TextField(blank=True)

    objects = RecordingPartQuerySet.as_manager()

    class Meta:
        verbose_name = "part of a recording"
        verbose_name_plural = "parts of recordings"
        constraints = [
            models.UniqueConstraint(fields=["recording", "n"], name="recording_part_once"),
            models.UniqueConstraint(
                fields=["object_key"], condition=~Q(object_key=""), name="recording_part_object"
            ),
        ]
        indexes = [
            models.Index(
                fields=["egress_id"], name="recording_part_egress", condition=~Q(egress_id="")
            ),
            models.Index(
                fields=["state"],
                name="recording_part_open",
                condition=Q(state__in=("starting", "running", "uploading")),
            ),
            models.Index(
                fields=["ended_at"], name="recording_part_lost", condition=Q(state="failed")
            ),
        ]

    def __str__(self) -> str:
        return f"Part {self.n} of recording {self.recording_id} ({self.state})"
