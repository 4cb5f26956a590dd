"""The worker's own file of a call which egress recorded: taken when egress' is not as good."""

from datetime import datetime, timedelta
from enum import Enum
from itertools import pairwise
from typing import Any

from django.db import transaction

from recordings import layout, parts, stores
from recordings.errors import BackupTooEarly, ObjectWrong
from recordings.lifecycle import RecordingState
from recordings.models import Recording, RecordingPart
from recordings.storage import Bucket, UploadLink
from telephony import events

LATE = timedelta(seconds=2)  # egress began after the answer, or ended before the call
Source, State = RecordingPart.Source, RecordingPart.State


class Verdict(Enum):
    TAKE = "take"
    HAVE = "have"  # egress' file is the whole call
    WAIT = "wait"  # egress has not finished


def verdict(recording: Recording) -> Verdict:
    state = RecordingState(recording.state)
    if state in {RecordingState.FAILED, RecordingState.SKIPPED}:
        return Verdict.TAKE
    if state is RecordingState.STORED:
        return Verdict.TAKE if shortcomings(recording) else Verdict.HAVE
    is_over = recording.call.ended_at is not None
    return Verdict.TAKE if is_over and state is RecordingState.WANTED else Verdict.WAIT


def shortcomings(recording: Recording) -> str:
    """What egress' stored file lacks of the call, in words; empty if nothing."""
    made = list(recording.parts.of_egress().exclude(object_key="").order_by("n"))
    held = [part for part in made if part.state == State.STORED]
    if not held:
        return ""  # of an older release, or none was needed
    said = []
    answered, ended = recording.call.answered_at, recording.call.ended_at
    began, stopped = held[0].started_at, held[-1].ended_at
    if answered and began and began - answered > LATE:
        said.append(f"began {(began - answered).total_seconds():.1f} s after the answer")
    if ended and stopped and ended - stopped > LATE:
        said.append(f"ended {(ended - stopped).total_seconds():.1f} s before the call")
    if len(made) > 1:
        said.append(f"recorded in {len(made)} pieces{_missing(held)}")
    return " and ".join(said)


def _missing(held: list[RecordingPart]) -> str:
    """How much of the call is in none of the pieces which lie one behind the other."""
    pairs = [(one.ended_at, two.started_at) for one, two in pairwise(held)]
    gaps = [(began - ended).total_seconds() for ended, began in pairs if ended and began]
    missing = sum(gap for gap in gaps if gap > 0)
    return f", without {missing:.1f} s between them" if missing else ""


def offer(
    *, recording: Recording, facts: dict[str, Any], bucket: Bucket, now: datetime
) -> tuple[Recording, UploadLink | None]:
    """A place for the worker's file beside egress', or none. Raises BackupTooEarly."""
    judged = verdict(recording)
    if judged is Verdict.WAIT:
        raise BackupTooEarly
    if judged is Verdict.HAVE:
        return recording, None
    part = _part(recording, facts, now=now)
    if part.state == State.STORED:  # it came before, and its worker has not heard so
        return recording, None
    link = stores.bucket_of(recording, default=bucket).upload_link(
        part.object_key, size=facts["size"], sha256=facts["sha256"],
        content_type=facts["content_type"],
    )  # fmt: skip
    return recording, link


def waiting(recording: Recording) -> RecordingPart | None:
    """The worker's file which is on its way into the store."""
    return recording.parts.filter(source=Source.WORKER, state=State.UPLOADING).first()


def close(*, recording: Recording, part: RecordingPart, bucket: Bucket, now: datetime) -> Recording:
    """The worker's file takes the place of egress', which stays beside it. Raises ObjectWrong."""
    found = stores.bucket_of(recording, default=bucket).head(part.object_key)
    if found.size != part.size or (found.sha256 and found.sha256 != part.sha256):
        raise ObjectWrong(
            f"{part.object_key} has {found.size} bytes in the store, or another checksum than "
            f"offered. It has to be uploaded again."
        )
    mine = RecordingPart.objects.filter(pk=part.pk, state=State.UPLOADING, sha256=part.sha256)
    with transaction.atomic():
        if mine.update(state=State.STORED):
            Recording.objects.filter(pk=recording.pk).update(
                state=RecordingState.STORED, recorder=Recording.Recorder.WORKER, stored_at=now,
                error="", object_key=part.object_key, content_type=part.content_type,
                size=found.size, sha256=part.sha256, duration_ms=part.duration_ms,
                starts_ms=part.starts_ms,
            )  # fmt: skip
            events.emit("recording_stored", payload={"call": recording.call_id})
    recording.refresh_from_db()
    if recording.object_key != part.object_key:
        raise ObjectWrong("Another file was offered meanwhile. Offer this one again.")
    return recording


def _part(recording: Recording, facts: dict[str, Any], *, now: datetime) -> RecordingPart:
    """The row of the worker's file; another worker's of the same call takes its place until one
    is stored."""
    told = {
        "sha256": facts["sha256"], "size": facts["size"], "content_type": facts["content_type"],
        "duration_ms": facts["duration_ms"], "starts_ms": facts["starts_ms"],
    }  # fmt: skip
    part = recording.parts.filter(source=Source.WORKER).first()
    if part is None:
        stem = recording.object_key.rpartition(".")[0]
        return recording.parts.create(
            n=parts.next_number(recording), source=Source.WORKER, state=State.UPLOADING,
            object_key=layout.beside(f"{stem}.ogg", "worker"), asked_at=now,
            note=_why(recording), **told,
        )  # fmt: skip
    unstored = recording.parts.filter(pk=part.pk).exclude(state=State.STORED)
    unstored.update(state=State.UPLOADING, **told)
    part.refresh_from_db()
    return part


def _why(recording: Recording) -> str:
    if lacking := shortcomings(recording):
        return f"Taken because egress {lacking}."
    return f"Taken because egress left no file. {recording.error}".strip()
