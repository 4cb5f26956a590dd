"""The egress recorder: LiveKit records, Celery starts and watches it.

What egress says is not the last word: a file may exist after FAILED, and a killed service says
nothing at all. So the object in the store decides, and the watchdog asks.
"""

import logging
from datetime import datetime, timedelta

from django.db.models import F, Value
from django.db.models.functions import Concat

from recordings.errors import ObjectWrong, StoreRefused
from recordings.lifecycle import RecordingState, sources
from recordings.models import JournalEntry, Recording
from recordings.services import Recorder, close_recording, move_recording
from recordings.storage import Bucket
from telephony.errors import GatewayRefused
from telephony.live import LiveEgress

log = logging.getLogger(__name__)

State = RecordingState
CLAIM_S = 60  # a claim older than this lost its owner
GONE_S = 60  # an egress which is still active this long after its call will never end by itself
RUNNING = {"starting", "active", "ending"}


def start_recording(*, recording_id: int, now: datetime, recorder: Recorder) -> bool:
    """Start the egress of one recording, once, however often this is called.

    The claim is a conditional UPDATE: of two tasks, one sees 1 row and goes on. If it dies after
    asking LiveKit, the sweep releases the claim and the next run finds the egress by its object.
    """
    tried = F("attempts") + 1
    if not move_recording(
        recording_id=recording_id, to=State.STARTING, claimed_at=now, attempts=tried
    ):
        return False
    recording = Recording.objects.select_related("call").get(pk=recording_id)
    key, room = recording.object_key, recording.call.room
    try:
        egress_id = recorder.find_egress(object_key=key, room=room) or recorder.start_egress(
            room=room, object_key=key
        )
    except GatewayRefused as refusal:
        move_recording(recording_id=recording_id, to=State.FAILED, error=str(refusal))
        return False
    return move_recording(
        recording_id=recording_id, to=State.RUNNING, egress_id=egress_id, error=""
    )


def release_claim(*, recording_id: int, error: str = "") -> None:
    """Give a claim back, so that the next run may try."""
    Recording.objects.filter(pk=recording_id, state=State.STARTING, egress_id="").update(
        state=State.WANTED, claimed_at=None, error=error
    )


def stop_recording(*, recording_id: int, recorder: Recorder) -> None:
    """Stop explicitly at hang-up: otherwise silence is recorded until the room closes."""
    recording = Recording.objects.filter(pk=recording_id, state=State.RUNNING).first()
    if recording:
        recorder.stop_egress(egress_id=recording.egress_id)


def watch_egress(
    *, now: datetime, recorder: Recorder, bucket: Bucket, recording_id: int | None = None
) -> None:
    """Ask LiveKit what became of egresses, and end what egress left behind. May be repeated.

    Of one recording after a hook, of all which run in the sweep: hooks get lost and are repeated,
    so they only say where to look.
    """
    if recording_id is None:
        looked_at = Recording.objects.egress_running()
    else:
        looked_at = Recording.objects.egress_unfinished().filter(pk=recording_id)
    recordings = list(looked_at.select_related("call"))
    if not recordings:
        return
    room = recordings[0].call.room if len(recordings) == 1 else ""
    live = recorder.list_egress(room=room)
    for recording in recordings:
        egress = _egress_of(recording, live)
        if egress and egress.status not in RUNNING:
            _finish(recording, egress, bucket=bucket, now=now)
        elif _left_behind(recording, now):
            _finish(recording, _killed(recording), bucket=bucket, now=now)


def _egress_of(recording: Recording, live: list[LiveEgress]) -> LiveEgress | None:
    """By its id; by its object if it ended before we had noted its id."""
    if recording.egress_id:
        found = [egress for egress in live if egress.egress_id == recording.egress_id]
    else:
        found = [egress for egress in live if egress.object_key == recording.object_key]
    return found[0] if found else None


def _left_behind(recording: Recording, now: datetime) -> bool:
    ended = recording.call.ended_at
    return ended is not None and now - ended > timedelta(seconds=GONE_S)


def _killed(recording: Recording) -> LiveEgress:
    """The call is long over and its egress never said so. Perhaps a file is there."""
    return LiveEgress(
        egress_id=recording.egress_id,
        room=recording.call.room,
        status="failed",
        object_key=recording.object_key,
        error="the egress service was killed while it recorded; it left no file.",
    )


def _finish(recording: Recording, egress: LiveEgress, *, bucket: Bucket, now: datetime) -> None:
    """Complete or failed: the object decides. May be repeated until the store has answered."""
    facts = {
        "size": egress.size or None,
        "duration_ms": egress.duration_ms or None,
        "starts_ms": _starts_ms(recording.call_id, egress.started_at),
        "egress_id": egress.egress_id,
    }
    moved = Recording.objects.filter(
        pk=recording.pk, state__in=[*sources(State.UPLOADING), State.UPLOADING]
    ).update(state=State.UPLOADING, **facts)
    if not moved:
        return
    try:
        close_recording(recording_id=recording.pk, bucket=bucket, now=now)
    except ObjectWrong as wrong:
        error = egress.error or str(wrong)
        move_recording(recording_id=recording.pk, to=State.FAILED, error=f"Egress failed: {error}")
    except StoreRefused as refusal:  # a person must look; the watchdog goes on asking
        Recording.objects.filter(pk=recording.pk).update(error=str(refusal))


def _starts_ms(call_id: int, began: datetime | None) -> int:
    """Where sample 0 lies on the journal's clock, as exact as two machines' clocks agree."""
    opened = JournalEntry.objects.filter(call=call_id).order_by("at", "n").first()
    if began is None or opened is None:
        return 0
    zero = opened.at - timedelta(milliseconds=opened.ms)
    return round((began - zero).total_seconds() * 1000)


def give_up_unstarted(*, now: datetime) -> int:
    """Calls which are over, and no egress ever began. A worker's file is still welcome."""
    late = Recording.objects.egress_unstarted(ended_before=now - timedelta(seconds=GONE_S))
    return late.update(
        state=State.FAILED,
        error=Concat(
            Value("Egress was never started. Check that an egress service runs. "), F("error")
        ),
    )
