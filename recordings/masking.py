"""Silences in stored recordings what was taken out of their words.

One after another: claim, fetch, mask, put beside the original under a new key, verify, switch the
row, delete the original. Whoever dies between two of them leaves a row which says where to go on;
until the row is switched the original is untouched, and after it nothing but deleting is left.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.db import transaction
from django.db.models import F, Q, QuerySet

from recordings import stores
from recordings.errors import ObjectWrong, SoundBroken, StoreRefused, StoreUnavailable
from recordings.lifecycle import RecordingState
from recordings.models import AudioMask, JournalEntry, Recording, RedactionRules, Transcript
from recordings.storage import Bucket

State = AudioMask.State
CLAIM_S = 1800  # a claim older than this lost its owner: longer than the task may take
MOST_ATTEMPTS = 5
OPEN = (State.WAITING, State.WORKING, State.FAILED)
_CHANNEL = {"caller": 0, "agent": 1}
_MASKED = re.compile(r"(\.masked-\d+)?(\.\w+)?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One claimed piece of work; `attempt` makes its object's key its own."""

    row: AudioMask
    recording: Recording
    cuts: list[dict[str, Any]]

    @property
    def target_key(self) -> str:
        stem = _MASKED.sub("", self.recording.object_key)
        return f"{stem[:235]}.masked-{self.row.attempts}.ogg"


def wants_masking(project_id: int | None) -> bool:
    return RedactionRules.objects.filter(project=project_id, mask_audio=True).exists()


def held_back(recording: Recording) -> str:
    """Why nobody may hear it yet, in words; empty if he may."""
    if not wants_masking(recording.call.project_id):
        return ""
    row = AudioMask.objects.filter(recording=recording).first()
    if row and row.state == State.FAILED:
        return f"It could not be masked, so it is not played. {row.error}"
    if row is None or row.state in OPEN:
        return "What was taken out of the words is being silenced in the sound first."
    return ""


def is_original(recording: Recording, sha256: str) -> bool:
    """Whether a file of this checksum is what this recording was before it was masked."""
    return AudioMask.objects.filter(recording=recording, source_sha256=sha256).exists()


def keys_of(recording: Recording) -> list[str]:
    """Every object which may exist of a recording: for whoever deletes it."""
    row = AudioMask.objects.filter(recording=recording).first()
    keys = [recording.object_key, *((row.target_key, row.source_key) if row else ())]
    return [key for key in dict.fromkeys(keys) if key]


def consider(*, call_id: int) -> int | None:
    """The recording which has to be masked now, if any. May be repeated.

    Both the words and the sound have to be there; whichever comes last, this is called.
    """
    recording = Recording.objects.select_related("call").filter(
        call=call_id, state=RecordingState.STORED
    ).first()  # fmt: skip
    if recording is None or not wants_masking(recording.call.project_id):
        return None
    if not Transcript.objects.filter(call=call_id).exists():
        return None
    cuts = cuts_of(recording)
    row, _ = AudioMask.objects.get_or_create(recording=recording)
    if all(cut in recording.mask for cut in cuts):
        settled = State.DONE if recording.mask else State.NOTHING
        AudioMask.objects.filter(pk=row.pk, state=State.WAITING).update(state=settled)
        return None
    AudioMask.objects.filter(pk=row.pk, state__in=[State.DONE, State.NOTHING]).update(
        state=State.WAITING
    )
    return recording.pk


def cuts_of(recording: Recording) -> list[dict[str, Any]]:
    """Which channel is to be silent from when to when, in ms of the file."""
    shifts = JournalEntry.objects.shifts(recording.call_id)
    turns = JournalEntry.objects.filter(call=recording.call_id, kind="turn", data__has_key="masked")
    told = [
        {
            "kind": span["kind"],
            "channel": _channel(recording, str(turn.data.get("who"))),
            "start_ms": span["start_ms"] + shifts.get(turn.journal, 0) - recording.starts_ms,
            "end_ms": span["end_ms"] + shifts.get(turn.journal, 0) - recording.starts_ms,
        }
        for turn in turns.order_by("journal", "n")
        for span in turn.data["masked"]
    ]
    return sorted(_inside(told, recording.duration_ms), key=lambda cut: cut["start_ms"])


def _channel(recording: Recording, who: str) -> int | None:
    """The worker's recorder keeps voices apart; of others we cannot know, so all goes."""
    return _CHANNEL.get(who) if recording.recorder == Recording.Recorder.WORKER else None


def _inside(cuts: Iterable[dict[str, Any]], duration_ms: int | None) -> Iterable[dict[str, Any]]:
    for cut in cuts:
        start = max(0, cut["start_ms"])
        end = cut["end_ms"] if duration_ms is None else min(cut["end_ms"], duration_ms)
        if start < end:
            yield cut | {"start_ms": start, "end_ms": end}


# --- the work -----------------------------------------------------------------------------------


def mask_recording(*, recording_id: int, bucket: Bucket, now: datetime) -> bool:
    """Do what is left to do for one recording; True if it is done. May be repeated at any point.

    Raises StoreUnavailable, when trying again may help.
    """
    job = _claim(recording_id, now)
    if job is not None:
        try:
            _make_and_switch(job, stores.bucket_of(job.recording, default=bucket))
        except StoreUnavailable as trouble:
            _settle(job, State.WAITING, str(trouble))
            raise
        except (ObjectWrong, SoundBroken, StoreRefused) as wrong:
            _settle(job, State.FAILED, str(wrong))
            return False
    return clean_up(recording_id=recording_id, bucket=bucket, now=now)


def _claim(recording_id: int, now: datetime) -> Job | None:
    """Of two tasks one sees 1 row and goes on; who was killed loses his claim after a while."""
    lost = Q(state=State.WORKING, claimed_at__lt=now - timedelta(seconds=CLAIM_S))
    rows = AudioMask.objects.filter(recording=recording_id)
    rows.filter(lost, attempts__gte=MOST_ATTEMPTS).update(
        state=State.FAILED, error="Its worker died each time it was masked. See the log."
    )
    taken = rows.filter(Q(state=State.WAITING) | lost).update(
        state=State.WORKING, claimed_at=now, attempts=F("attempts") + 1
    )
    if not taken:
        return None
    row = rows.select_related("recording__call", "recording__store").get()
    return Job(row=row, recording=row.recording, cuts=cuts_of(row.recording))


def _mine(job: Job) -> "QuerySet[AudioMask]":
    return AudioMask.objects.filter(pk=job.row.pk, state=State.WORKING, attempts=job.row.attempts)


def _settle(job: Job, state: str, error: str = "") -> None:
    _mine(job).update(state=state, error=error)


def _make_and_switch(job: Job, bucket: Bucket) -> None:
    from recordings import sound  # av takes 40 MB, which the web processes can do without

    recording = job.recording
    if recording.state != RecordingState.STORED:
        return _settle(job, State.WAITING, "It is not stored.")
    if job.row.target_key and job.row.target_key != recording.object_key:
        bucket.delete(job.row.target_key)  # of an attempt which came to nothing
    if all(cut in recording.mask for cut in job.cuts):
        return _settle(job, State.DONE if recording.mask else State.NOTHING)
    with TemporaryDirectory(prefix="mask") as folder:
        original, masked = Path(folder, "original"), Path(folder, "masked.ogg")
        bucket.get(recording.object_key, original)
        _require_original(recording, original)
        cuts = [
            sound.Cut(start_ms=cut["start_ms"], end_ms=cut["end_ms"], channel=cut["channel"])
            for cut in job.cuts
        ]
        facts = sound.mask(original, masked, cuts)
        changes: dict[str, Any] = {
            "object_key": job.target_key,
            "size": masked.stat().st_size,
            "sha256": _sha256(masked),
            "content_type": sound.CONTENT_TYPE,
            "duration_ms": facts.duration_ms,
            "mask": [*job.cuts, *(cut for cut in recording.mask if cut not in job.cuts)],
        }
        # told before it exists, so that nothing is left behind which no row names
        first = {} if job.row.source_sha256 else {"source_sha256": _sha256(original)}
        noted = _mine(job).update(
            target_key=job.target_key, source_key=recording.object_key, **first
        )
        if not noted:
            return None
        bucket.put(
            job.target_key, masked, sha256=changes["sha256"], content_type=sound.CONTENT_TYPE
        )
    _require_stored(bucket, changes)
    return _switch(job, changes, bucket)


def _switch(job: Job, changes: dict[str, Any], bucket: Bucket) -> None:
    """The row names the new object, or nothing has changed."""
    with transaction.atomic():
        mine = _mine(job).update(state=State.SWITCHED, error="")
        switched = Recording.objects.filter(
            pk=job.recording.pk, state=RecordingState.STORED, object_key=job.recording.object_key
        ).update(**changes) if mine else 0  # fmt: skip
        if mine and not switched:
            transaction.set_rollback(True)
    if mine and not switched:  # it was deleted meanwhile, or is another file now
        bucket.delete(changes["object_key"])
        _settle(job, State.WAITING, "Another file came while this one was masked.")


def clean_up(*, recording_id: int, bucket: Bucket, now: datetime) -> bool:
    """Delete what the row does not name any more. Deleting twice is deleting."""
    row = AudioMask.objects.select_related("recording__store").filter(
        recording=recording_id, state=State.SWITCHED
    ).first()  # fmt: skip
    if row is None:
        return AudioMask.objects.filter(
            recording=recording_id, state__in=[State.DONE, State.NOTHING]
        ).exists()
    if row.source_key and row.source_key != row.recording.object_key:
        stores.bucket_of(row.recording, default=bucket).delete(row.source_key)
    AudioMask.objects.filter(pk=row.pk, state=State.SWITCHED).update(
        state=State.DONE, source_key="", done_at=now, error=""
    )
    return True


def try_again(*, recording_ids: Iterable[int]) -> int:
    """What failed is waiting again."""
    return AudioMask.objects.filter(recording__in=recording_ids, state=State.FAILED).update(
        state=State.WAITING, error=""
    )


def unconsidered(*, since: datetime) -> list[int]:
    """Calls of projects with masking whose recording nobody has looked at: a lost message."""
    return list(
        Recording.objects.filter(
            state=RecordingState.STORED,
            masking=None,
            stored_at__gt=since,
            call__transcript__isnull=False,
            call__project__redaction__mask_audio=True,
        ).values_list("call_id", flat=True)[:100]
    )


def _require_original(recording: Recording, file: Path) -> None:
    """What came must be what was stored: a cut-off file masked and switched would be a loss."""
    size = file.stat().st_size
    wrong = recording.sha256 and _sha256(file) != recording.sha256
    if size != recording.size or wrong:
        raise ObjectWrong(
            f"{recording.object_key} is not what was recorded ({size} bytes came, "
            f"{recording.size} were stored), so it was left as it is."
        )


def _require_stored(bucket: Bucket, changes: dict[str, Any]) -> None:
    found = bucket.head(changes["object_key"])
    if found.size != changes["size"] or found.sha256 not in ("", changes["sha256"]):
        raise ObjectWrong(f"{changes['object_key']} is not in the store as it was put there.")


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
