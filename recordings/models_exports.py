"""Exports of a selection of calls: one object in the store each, for a week."""

from django.db import models
from django.db.models import Q

from recordings.models_checks import Sliced, SlicedQuerySet


class ExportQuerySet(SlicedQuerySet["Export"]):  # type: ignore[override]
    pass


class Export(Sliced):
    """What somebody asked for, how far it is, and where it lies."""

    class Format(models.TextChoices):
        CSV = "csv", "CSV: calls with their figures"
        JSON = "json", "JSON: calls with transcripts and turns"
        AUDIO = "audio", "ZIP: the recordings"

    format = models.CharField(max_length=5, choices=Format.choices)
    asker = models.PositiveBigIntegerField(editable=False)  # the user who may download it
    words = models.CharField("selection", max_length=300)
    chosen = models.JSONField(default=list, editable=False)  # ids of calls, as it was asked for
    total = models.PositiveIntegerField("calls", default=0)
    done = models.PositiveIntegerField(default=0, help_text="Calls which are in the store.")
    left_out = models.PositiveIntegerField(
        default=0, help_text="Calls deleted meanwhile, or without a recording in the store."
    )
    object_key = models.CharField(max_length=255, blank=True, editable=False)
    upload = models.CharField(max_length=512, blank=True, editable=False)
    parts = models.JSONField(default=dict, editable=False)  # number to what the store wants to know
    index = models.JSONField(default=list, editable=False)  # of a ZIP: what its end must tell
    size = models.BigIntegerField("bytes", default=0)
    expires_at = models.DateTimeField(null=True, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = ExportQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["-asked_at", "-id"], name="export_newest_first"),
            models.Index(
                fields=["expires_at"], condition=Q(deleted_at=None), name="export_expires"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.words} ({self.format})"

    @property
    def is_there(self) -> bool:
        return self.state == self.State.DONE and self.deleted_at is None
