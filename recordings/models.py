"""What was said."""

from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Exists, OuterRef, Q

from recordings.lifecycle import OPEN_STATES, RecordingState
from telephony.lifecycle import OPEN_STATES as OPEN_CALLS
from telephony.models import Call

_OPEN = sorted(state.value for state in OPEN_STATES)
_OPEN_CALLS = sorted(state.value for state in OPEN_CALLS)


class RecordingQuerySet(models.QuerySet["Recording"]):
    def open(self) -> Self:
        return self.filter(state__in=_OPEN)

    def claims_older_than(self, moment: datetime) -> Self:
        """Somebody said they would ask LiveKit, and was not heard of again."""
        return self.filter(state=RecordingState.STARTING, claimed_at__lt=moment)

    def of_unanswered(self) -> Self:
        """Waited for although their call is over and nobody has told that it was answered."""
        return self.open().filter(call__answered_at=None, call__ended_at__isnull=False)

    def egress_wanted(self) -> Self:
        """Egress recordings nobody has begun although their call is on."""
        return self.filter(
            state=RecordingState.WANTED,
            recorder=Recording.Recorder.EGRESS,
            call__state__in=_OPEN_CALLS,
        )

    def egress_unstarted(self, *, ended_before: datetime) -> Self:
        return self.filter(
            state=RecordingState.WANTED,
            recorder=Recording.Recorder.EGRESS,
            call__ended_at__lt=ended_before,
        )

    def egress_unfinished(self) -> Self:
        """Egress recordings which may still come to a file. Also failed ones: egress may err."""
        return self.filter(recorder=Recording.Recorder.EGRESS).exclude(state=RecordingState.STORED)

    def egress_running(self) -> Self:
        running = (
            RecordingState.STARTING, RecordingState.RUNNING, RecordingState.PAUSED,
            RecordingState.UPLOADING,
        )  # fmt: skip
        return self.filter(recorder=Recording.Recorder.EGRESS, state__in=running)


class Recording(models.Model):
    """The sound of one call: caller left, bot right."""

    class Recorder(models.TextChoices):
        WORKER = "worker", "Agent worker"
        EGRESS = "egress", "LiveKit egress"

    call = models.OneToOneField(Call, models.CASCADE, related_name="recording")
    recorder = models.CharField(max_length=8, choices=Recorder.choices)
    state = models.CharField(
        max_length=12,
        choices=[(s.value, s.value) for s in RecordingState],
        default=RecordingState.WANTED.value,
    )
    object_key = models.CharField(max_length=255, unique=True)
    content_type = models.CharField(max_length=64, default="audio/ogg")
    size = models.BigIntegerField("bytes", null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    starts_ms = models.IntegerField(
        default=0, help_text="Where sample 0 lies on the journal's clock, in ms."
    )
    mask = models.JSONField(
        default=list, blank=True, help_text="What was silenced: kind, channel, ms in the file."
    )
    egress_id = models.CharField(max_length=64, blank=True)
    store = models.ForeignKey(
        "recordings.Store",
        models.PROTECT,
        null=True,
        blank=True,
        related_name="recordings",
        help_text="Empty: the store of the environment.",
    )
    profile = models.ForeignKey(
        "recordings.RecordingProfile", models.SET_NULL, null=True, blank=True, related_name="+"
    )
    claimed_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField()
    stored_at = models.DateTimeField(null=True, blank=True)

    objects = RecordingQuerySet.as_manager()

    class Meta:
        # what the sweep looks at every ten seconds, among millions which are stored
        indexes = [
            models.Index(fields=["state"], name="recording_open", condition=Q(state__in=_OPEN))
        ]
        constraints = [
            models.CheckConstraint(
                name="recording_stored_is_complete",
                condition=~Q(state=RecordingState.STORED)
                | (Q(size__isnull=False) & Q(stored_at__isnull=False)),
            )
        ]

    def __str__(self) -> str:
        return f"{self.object_key} ({self.state})"


class JournalEntryQuerySet(models.QuerySet["JournalEntry"]):
    def is_complete(self, call_id: int) -> bool:
        """Whether every journal of a call is here from its first entry to its last.

        False if there is no journal.
        """
        last = models.Max("n", filter=Q(kind="closed"))
        journals = self.filter(call=call_id).values("journal").annotate(
            held=models.Count("n"), last=last
        )  # fmt: skip
        found = list(journals)
        return bool(found) and all(each["held"] - 1 == each["last"] for each in found)

    def shifts(self, call_id: int) -> dict[str, int]:
        """The ms to add to the times of each journal, so that all count from the first one's zero.

        A call has a second journal if its worker died and another one took over.
        """
        opened = self.filter(call=call_id, n=0).values_list("journal", "at", "ms")
        zero = {journal: at - timedelta(milliseconds=ms) for journal, at, ms in opened}
        first = min(zero.values(), default=None)
        return {
            journal: round((began - first).total_seconds() * 1000)
            for journal, began in zero.items()
            if first
        }


class JournalEntry(models.Model):
    """One numbered entry of a worker's journal (agents/entries.py)."""

    call = models.ForeignKey(Call, models.CASCADE, related_name="entries")
    journal = models.CharField(max_length=64)
    n = models.PositiveIntegerField()
    ms = models.IntegerField()
    at = models.DateTimeField()
    kind = models.CharField(max_length=12)
    data = models.JSONField(default=dict)

    objects = JournalEntryQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["journal", "n"], name="journal_entry_once"),
        ]
        indexes = [
            models.Index(fields=["call", "journal", "n"], name="entries_of_a_call"),
            # search asks of many calls whether something failed in them
            models.Index(
                fields=["call", "kind"],
                name="entry_of_a_fault",
                condition=Q(kind__in=["error", "switch"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.journal} {self.n} {self.kind}"


class TranscriptQuerySet(models.QuerySet["Transcript"]):
    def calls_without(
        self, *, over_before: datetime, since: datetime | None = None
    ) -> "models.QuerySet[Call]":
        """Calls which are over and have no transcript: journal closed, or over for long enough.

        Of all calls, or of those which began after `since`: among millions that is an index's work.
        """
        recent = Q(started_at__gt=since) if since else Q()
        closed = JournalEntry.objects.filter(call=OuterRef("pk"), kind="closed")
        return (
            Call.objects.filter(recent, transcript=None)
            .exclude(state__in=_OPEN_CALLS)
            .filter(Exists(closed) | Q(ended_at__lt=over_before))
        )

    def calls_uncounted(self) -> "models.QuerySet[Call]":
        """Calls whose cost nobody has counted."""
        return Call.objects.filter(transcript__isnull=False, cost=None)


class Transcript(models.Model):
    """What was said in one call, in order. Replaced as a whole, so building may be repeated."""

    call = models.OneToOneField(Call, models.CASCADE, related_name="transcript")
    language = models.CharField(max_length=16, blank=True)
    text = models.TextField(blank=True)
    segments = models.JSONField(default=list)
    built_at = models.DateTimeField()
    spoken_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when its turns can be searched."
    )

    objects = TranscriptQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(
                fields=["-id"], name="transcript_unsearchable", condition=Q(spoken_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"Transcript of {self.call_id}"


from recordings.models_after import AfterCall as AfterCall  # noqa: E402
from recordings.models_after import AfterStep as AfterStep  # noqa: E402
from recordings.models_after import Analysis as Analysis  # noqa: E402
from recordings.models_after import CallInsight as CallInsight  # noqa: E402
from recordings.models_after import Disposition as Disposition  # noqa: E402
from recordings.models_after import ExtractedField as ExtractedField  # noqa: E402
from recordings.models_after import FieldValue as FieldValue  # noqa: E402
from recordings.models_after import QualityCriterion as QualityCriterion  # noqa: E402
from recordings.models_after import TranscriptVersion as TranscriptVersion  # noqa: E402
from recordings.models_checks import CheckedObject as CheckedObject  # noqa: E402
from recordings.models_checks import StoreCheck as StoreCheck  # noqa: E402
from recordings.models_checks import StoreFinding as StoreFinding  # noqa: E402
from recordings.models_costs import CallCost as CallCost  # noqa: E402
from recordings.models_costs import Counter as Counter  # noqa: E402
from recordings.models_costs import MonthlyCost as MonthlyCost  # noqa: E402
from recordings.models_costs import OwnServers as OwnServers  # noqa: E402
from recordings.models_costs import ProjectBudget as ProjectBudget  # noqa: E402
from recordings.models_costs import TurnFigure as TurnFigure  # noqa: E402
from recordings.models_exports import Export as Export  # noqa: E402
from recordings.models_hours import AskedQuestion as AskedQuestion  # noqa: E402
from recordings.models_hours import CountedCall as CountedCall  # noqa: E402
from recordings.models_hours import HourFigure as HourFigure  # noqa: E402
from recordings.models_keeping import AccessLog as AccessLog  # noqa: E402
from recordings.models_keeping import CallerRequest as CallerRequest  # noqa: E402
from recordings.models_keeping import DeleteAgain as DeleteAgain  # noqa: E402
from recordings.models_keeping import Forgotten as Forgotten  # noqa: E402
from recordings.models_keeping import KeepProgress as KeepProgress  # noqa: E402
from recordings.models_keeping import KeepRule as KeepRule  # noqa: E402
from recordings.models_keeping import PutOff as PutOff  # noqa: E402
from recordings.models_parts import RecordingPart as RecordingPart  # noqa: E402
from recordings.models_profiles import ProfileUse as ProfileUse  # noqa: E402
from recordings.models_profiles import RecordingProfile as RecordingProfile  # noqa: E402
from recordings.models_profiles import Store as Store  # noqa: E402
from recordings.models_redaction import AudioMask as AudioMask  # noqa: E402
from recordings.models_redaction import RedactionCount as RedactionCount  # noqa: E402
from recordings.models_redaction import RedactionRules as RedactionRules  # noqa: E402
from recordings.models_review import CallTag as CallTag  # noqa: E402
from recordings.models_review import Remark as Remark  # noqa: E402
from recordings.models_review import Review as Review  # noqa: E402
from recordings.models_review import ShareLink as ShareLink  # noqa: E402
from recordings.models_review import SoundShape as SoundShape  # noqa: E402
from recordings.models_review import Tag as Tag  # noqa: E402
from recordings.models_spoken import SpokenTurn as SpokenTurn  # noqa: E402
