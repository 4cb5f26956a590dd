"""What a recording is after its parts: on its way, the best of them, or failed with the reason."""

from datetime import datetime

from django.db import transaction

from recordings.lifecycle import RecordingState, sources
from recordings.models import Recording, RecordingPart
from telephony import events

State, Part = RecordingState, RecordingPart.State


def uploading(recording_id: int) -> None:
    """The last file is on its way; a recording which pauses goes on, so it does not show it."""
    recording = Recording.objects.get(pk=recording_id)
    if recording.state != State.PAUSED or recording.call.ended_at:
        Recording.objects.filter(pk=recording_id, state__in=sources(State.UPLOADING)).update(
            state=State.UPLOADING
        )


def settle(recording: Recording, *, now: datetime, claimed: bool = False) -> None:
    """Say what came of it once no part is going on any more. May be repeated.

    `claimed`: by whoever holds the claim of a start. For others it may still come to a part.
    """
    recording.refresh_from_db()
    made = list(recording.parts.of_egress().exclude(object_key="").order_by("n"))
    if not claimed and _is_being_started(recording, made):
        return
    if recording.state == State.PAUSED and recording.call.ended_at and not made:
        _unbegun(recording)
    if not made or any(part.state in RecordingPart.GOING_ON for part in made):
        return
    if recording.call.ended_at is None and recording.state == State.PAUSED:
        return
    if recording.state == State.WANTED and recording.call.ended_at is None:
        return  # it is tried again
    held = [part for part in made if part.state == Part.STORED]
    if held:
        _store(recording, max(held, key=lambda part: part.duration_ms or 0), now=now)
    else:
        _fail(recording, made[-1])


def _is_being_started(recording: Recording, made: list[RecordingPart]) -> bool:
    """Claimed, and the part of that claim is not there yet: these are of earlier tries."""
    claim = recording.claimed_at
    if recording.state != State.STARTING or recording.egress_id or claim is None:
        return False
    return all(part.asked_at < claim for part in made)


def _store(recording: Recording, best: RecordingPart, *, now: datetime) -> None:
    """Parts were measured when they were closed, so the store need not be asked again."""
    may = [*sources(State.UPLOADING), State.UPLOADING]
    facts = {
        "object_key": best.object_key, "content_type": best.content_type, "size": best.size,
        "duration_ms": best.duration_ms, "starts_ms": best.starts_ms,
        "egress_id": best.egress_id, "sha256": "", "error": "",
    }  # fmt: skip
    mine = Recording.objects.filter(
        pk=recording.pk, state__in=may, recorder=Recording.Recorder.EGRESS
    )
    with transaction.atomic():
        if mine.update(state=State.STORED, stored_at=now, **facts):
            events.emit("recording_stored", payload={"call": recording.call_id})


def _fail(recording: Recording, last: RecordingPart) -> None:
    error = last.note if last.egress_id == "" else f"Egress failed: {last.note}"
    Recording.objects.filter(
        pk=recording.pk, state__in=sources(State.FAILED), recorder=Recording.Recorder.EGRESS
    ).update(state=State.FAILED, error=error)


def _unbegun(recording: Recording) -> None:
    Recording.objects.filter(pk=recording.pk, state=State.PAUSED).update(
        state=State.FAILED, error="The recording paused until the call was over."
    )
