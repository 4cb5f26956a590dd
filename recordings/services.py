"""Recordings: wanted, started, offered a place in the store, verified, played."""

import logging
from datetime import datetime, timedelta
from typing import Any, Protocol

from django.db import IntegrityError, transaction
from django.db.models import Q

from agents.services import published_plan
from recordings import backups, consents, layout, masking, stores
from recordings.choices import CONTENT_TYPES, EXTENSIONS, Format
from recordings.errors import ObjectWrong, SecondRecording, UploadUnderWay
from recordings.lifecycle import RecordingState, sources
from recordings.models import Forgotten, JournalEntry, Recording
from recordings.storage import UPLOAD_LINK_S, Bucket, UploadLink
from recordings.transcripts import ANYWAY_S
from telephony import events
from telephony.live import EgressWish, LiveEgress, LiveParticipant
from telephony.models import Call

log = logging.getLogger(__name__)

State = RecordingState


class Recorder(Protocol):
    """What we need of LiveKit's egress; `telephony.gateway` has it."""

    def start_egress(self, wish: EgressWish) -> str: ...
    def stop_egress(self, *, egress_id: str) -> None: ...
    def list_egress(self, *, room: str = "") -> list[LiveEgress]: ...
    def list_participants(self, *, room: str) -> list[LiveParticipant]: ...
    def is_present(self, *, room: str, identity: str) -> bool: ...


def want_recording(*, call_id: int, now: datetime) -> Recording | None:
    """The row which says that a call is to be recorded, if its plan says so. May be repeated."""
    call = Call.objects.select_related("project").get(pk=call_id)
    recorder = _recorder_of(call)
    if not recorder or Forgotten.objects.filter(call=call, audio_claimed_at__isnull=False).exists():
        return None
    plan = published_plan(digest=call.plan_digest)
    if plan and consents.holds_back(call, plan):
        row = {"recorder": recorder, "object_key": object_key(call), "created_at": now}
        return consents.say_refused(call=call, row=row)
    try:
        with transaction.atomic():
            recording, _ = Recording.objects.get_or_create(
                call=call, defaults=_new(call, recorder, now=now)
            )
    except IntegrityError:  # the same call, from hook and journal at once
        recording = Recording.objects.get(call=call)
    if call.ended_at:
        skip_unanswered(call_id=call.pk, now=now)
        say_unrecorded(call_id=call.pk)
        recording.refresh_from_db()
    return recording


def is_to_be_recorded(call: Call) -> bool:
    return bool(_recorder_of(call))


def _recorder_of(call: Call) -> str:
    """worker, egress, or nothing when the call is not to be recorded."""
    plan = published_plan(digest=call.plan_digest)
    return plan.recorder if plan and plan.record else ""


def _new(call: Call, recorder: str, *, now: datetime) -> dict[str, Any]:
    """A row as the project's profile has it. The worker's recorder has one format, its own."""
    profile = stores.profile_of(call)
    store = profile.store if profile else None
    is_egress = recorder == Recording.Recorder.EGRESS
    fmt = Format(profile.format) if profile and is_egress else Format.OGG
    return {
        "recorder": recorder,
        "object_key": object_key(
            call, template=store.layout if store else layout.DEFAULT, extension=EXTENSIONS[fmt]
        ),
        "content_type": CONTENT_TYPES[fmt],
        "profile": profile if is_egress else None,
        "store": store,
        "created_at": now,
    }


def object_key(call: Call, *, template: str = layout.DEFAULT, extension: str = "ogg") -> str:
    project = call.project.slug if call.project else "unknown"
    return layout.key(
        template, project=project, at=call.started_at, call=call.room, extension=extension
    )


def move_recording(*, recording_id: int, to: RecordingState, **changes: Any) -> bool:
    """Move a recording to a state; False if that is not possible (any more)."""
    moved = Recording.objects.filter(pk=recording_id, state__in=sources(to)).update(
        state=to, **changes
    )
    return moved == 1


_UNANSWERED = {"abandoned", "refused", "no_agent", "unknown_number"}


def skip_unanswered(*, call_id: int, now: datetime) -> None:
    """A call that is over and was never answered has nothing to be recorded.

    Hooks tell the end, only the journal tells the answer, and it may come much later: without it
    nothing is said for a while.
    """
    call = Call.objects.get(pk=call_id)
    if call.ended_at is None or call.answered_at is not None:
        return
    told = call.end_reason in _UNANSWERED or JournalEntry.objects.is_complete(call_id)
    if told or now - call.ended_at > timedelta(seconds=ANYWAY_S):
        Recording.objects.filter(
            call_id=call_id, state__in=[State.WANTED, State.STARTING], egress_id=""
        ).update(state=State.SKIPPED, error="")


def say_unrecorded(*, call_id: int) -> None:
    """If the whole journal is here and tells of no recording, none will come: say so, and why."""
    entries = JournalEntry.objects.filter(call=call_id)
    if entries.filter(kind="recording").exists() or not entries.is_complete(call_id):
        return
    error = entries.filter(kind="error").order_by("at", "pk").first()
    reason = (error and error.data.get("detail")) or "Look into the worker's log."
    Recording.objects.filter(
        call=call_id, recorder=Recording.Recorder.WORKER, state=State.WANTED
    ).update(state=State.FAILED, error=f"The worker recorded nothing. {reason}")


def give_up_waiting(*, ended_before: datetime) -> int:
    """Say so on the row when a worker's file has not come for a day. It is taken when it comes."""
    return Recording.objects.filter(
        recorder=Recording.Recorder.WORKER,
        state__in=[State.WANTED, State.UPLOADING],
        call__ended_at__lt=ended_before,
    ).update(
        state=State.FAILED,
        error="The worker's file has not come. If its disk is there, start that worker again: "
        "it delivers what it kept.",
    )


# --- the worker's recorder ----------------------------------------------------------------------


def offer_upload(
    *, call_id: int, facts: dict[str, Any], bucket: Bucket, now: datetime
) -> tuple[Recording, UploadLink | None]:
    """A place in the store for a worker's file; no link when it is stored already.

    `facts`: sha256 (hex), size (bytes), duration_ms, starts_ms, content_type. A file which comes
    although egress was to record is taken as well, unless egress has delivered: it is the backup.
    While one worker's link is good, another worker gets none for another file: who comes last would
    overwrite what was verified. Raises SecondRecording, BackupTooEarly, UploadUnderWay.
    """
    call = Call.objects.select_related("project").get(pk=call_id)
    recording, _ = Recording.objects.select_related("call", "store").get_or_create(
        call=call, defaults=_new(call, Recording.Recorder.WORKER, now=now)
    )
    if recording.recorder == Recording.Recorder.EGRESS:
        return backups.offer(recording=recording, facts=facts, bucket=bucket, now=now)
    moved = (
        Recording.objects.filter(
            pk=recording.pk, state__in=[*sources(State.UPLOADING), State.UPLOADING]
        )
        .exclude(_another_under_way(facts["sha256"], now))
        .update(state=State.UPLOADING, error="", claimed_at=now, **facts)
    )
    recording.refresh_from_db()
    if not moved:
        if recording.state == State.UPLOADING:
            raise UploadUnderWay("Another worker is uploading a recording of this call.")
        _require_same(recording, facts["sha256"])
        return recording, None
    link = stores.bucket_of(recording, default=bucket).upload_link(
        recording.object_key,
        size=facts["size"],
        sha256=facts["sha256"],
        content_type=facts["content_type"],
    )
    return recording, link


def _another_under_way(sha256: str, now: datetime) -> Q:
    since = now - timedelta(seconds=UPLOAD_LINK_S)
    under_way = Q(state=State.UPLOADING, recorder=Recording.Recorder.WORKER, claimed_at__gt=since)
    return under_way & ~Q(sha256__in=["", sha256])


def _require_same(recording: Recording, sha256: str) -> None:
    """A worker throws away what we have. Of a call with two workers we have one file only."""
    if recording.recorder != Recording.Recorder.WORKER or masking.is_original(recording, sha256):
        return
    if recording.sha256 != sha256:
        raise SecondRecording(
            "Another worker's recording of this call is stored already. This one stays on the "
            "disk of its worker, beside the others with the ending .rejected."
        )


def close_recording(
    *, recording_id: int, bucket: Bucket, now: datetime, sha256: str = ""
) -> Recording:
    """STORED, if the store really holds the promised bytes. Raises ObjectWrong otherwise.

    `sha256`: of the file its worker believes to have delivered, which it deletes when it hears yes.
    """
    recording = Recording.objects.select_related("store").get(pk=recording_id)
    is_egress = recording.recorder == Recording.Recorder.EGRESS
    if is_egress and (backup := backups.waiting(recording)):
        return backups.close(recording=recording, part=backup, bucket=bucket, now=now)
    if sha256 and recording.sha256 not in ("", sha256):
        if masking.is_original(recording, sha256):
            return recording
        raise ObjectWrong("Another file was offered meanwhile. Offer this one again.")
    if recording.state == State.STORED:
        return recording
    if recording.state != State.UPLOADING:  # whoever hears “yes” throws his file away
        raise ObjectWrong(f"No upload is going on: the recording is {recording.state}. Offer it.")
    try:
        found = stores.bucket_of(recording, default=bucket).head(recording.object_key)
        _compare(recording, found.size, found.sha256)
    except ObjectWrong as wrong:
        Recording.objects.filter(pk=recording_id, state=State.UPLOADING).update(error=str(wrong))
        raise
    # the facts of the row may have changed while we asked: then this was not its object
    mine = Recording.objects.filter(pk=recording_id, state=State.UPLOADING, sha256=recording.sha256)
    with transaction.atomic():
        if mine.update(state=State.STORED, size=found.size, stored_at=now, error=""):
            events.emit("recording_stored", payload={"call": recording.call_id})
    recording.refresh_from_db()
    if recording.state != State.STORED:
        raise ObjectWrong("Another file was offered meanwhile. Offer this one again.")
    return recording


def _compare(recording: Recording, size: int, sha256: str) -> None:
    if size == 0:
        raise ObjectWrong(f"{recording.object_key} is empty in the store.")
    if recording.size is not None and size != recording.size:
        raise ObjectWrong(
            f"{recording.object_key} has {size} bytes in the store, {recording.size} were "
            f"recorded. It has to be uploaded again."
        )
    if recording.sha256 and sha256 and sha256 != recording.sha256:
        raise ObjectWrong(
            f"{recording.object_key} has another checksum in the store than was recorded. "
            f"It has to be uploaded again."
        )


def playable_url(*, recording: Recording, bucket: Bucket) -> str:
    """An address which plays the recording for five minutes. Raises ObjectWrong if not stored."""
    if recording.state != State.STORED:
        raise ObjectWrong(f"The recording is {recording.state}; there is nothing to play yet.")
    if reason := masking.held_back(recording):
        raise ObjectWrong(reason)
    bucket = stores.bucket_of(recording, default=bucket)
    return bucket.play_link(recording.object_key, content_type=recording.content_type)
