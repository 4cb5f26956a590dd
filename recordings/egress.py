"""The egress recorder: LiveKit records, Celery starts and watches it. Rules: what egress does when
it fails is not what it says (a file may exist after FAILED, a dead service says nothing)."""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from recordings.errors import ObjectWrong
from recordings.lifecycle import RecordingState
from recordings.models import Recording
from recordings.services import Recorder, close_recording, move_recording
from recordings.storage import Bucket
from telephony.errors import GatewayRefused

log = logging.getLogger(__name__)

State = RecordingState
CLAIM_S = 60  # a claim older than this lost its owner
GONE_S = 60  # an egress which is still active this long after its call will never end by itself
_RUNNING = {"starting", "active", "ending"}


def start_recording(*, recording_id: int, now: datetime, recorder: Recorder) -> bool:
    """Start the egress of one recording, once, however often this is called.

    The claim is a conditional UPDATE: of two tasks, one sees 1 row and goes on. If it dies after
    asking LiveKit, the sweep releases the claim and the next run finds the egress by its object.
    """
    if not move_recording(recording_id=recording_id, to=State.STARTING, claimed_at=now):
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


def egress_changed(*, egress: Mapping[str, Any], bucket: Bucket, now: datetime) -> None:
    """What a hook or a listing says of an egress. `status` is LiveKit's, in lower case."""
    recording = Recording.objects.filter(egress_id=egress["egress_id"]).first()
    if recording is None and egress["object_key"]:
        recording = Recording.objects.filter(object_key=egress["object_key"]).first()
    if recording is None or recording.state == State.STORED:
        return
    if egress["status"] in _RUNNING:
        return
    _finish(recording, egress, bucket=bucket, now=now)


def _finish(
    recording: Recording, egress: Mapping[str, Any], *, bucket: Bucket, now: datetime
) -> None:
    """COMPLETE or not: the object decides."""
    facts = {
        "size": egress["size"] or None,
        "duration_ms": egress["duration_ms"] or None,
        "egress_id": egress["egress_id"],
    }
    if not move_recording(recording_id=recording.pk, to=State.UPLOADING, **facts):
        return
    try:
        close_recording(recording_id=recording.pk, bucket=bucket, now=now)
    except ObjectWrong as wrong:
        error = egress["error"] or str(wrong)
        move_recording(recording_id=recording.pk, to=State.FAILED, error=f"Egress failed: {error}")


def watch_egress(*, now: datetime, recorder: Recorder, bucket: Bucket) -> None:
    """Ask LiveKit about egresses whose end we did not hear of, and end what egress left behind."""
    running = list(Recording.objects.egress_running().select_related("call"))
    if not running:
        return
    known = {egress.egress_id: egress for egress in recorder.list_egress()}
    for recording in running:
        egress = known.get(recording.egress_id)
        if egress and egress.status not in _RUNNING:
            facts = {name: getattr(egress, name) for name in egress.__slots__}
            egress_changed(egress=facts, bucket=bucket, now=now)
        elif _left_behind(recording, now):
            _give_up(recording, bucket=bucket, now=now)


def _left_behind(recording: Recording, now: datetime) -> bool:
    ended = recording.call.ended_at
    return ended is not None and now - ended > timedelta(seconds=GONE_S)


def _give_up(recording: Recording, *, bucket: Bucket, now: datetime) -> None:
    """The call is long over and egress never said so: it was killed. Perhaps a file is there."""
    nothing = {
        "egress_id": recording.egress_id, "size": 0, "duration_ms": 0,
        "error": "the egress service was killed while it recorded; it left no file.",
    }  # fmt: skip
    _finish(recording, nothing, bucket=bucket, now=now)
