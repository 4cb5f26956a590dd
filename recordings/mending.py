"""What a supervisor can do about a finding in the store. Each may be repeated."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from recordings import services, storefaults
from recordings.errors import ObjectWrong
from recordings.lifecycle import OPEN_STATES, RecordingState, sources
from recordings.models import CheckedObject, Recording, StoreFinding
from recordings.storage import Bucket
from recordings.storage_bulk import Listed
from recordings.storecheck import LEFT

Kind = StoreFinding.Kind
State = RecordingState


@dataclass(frozen=True, slots=True)
class Mend:
    verb: str
    label: str
    what: str  # asked before it is done
    kinds: frozenset[str]
    do: Callable[[StoreFinding, Bucket, str, datetime], str]


def mends_of(finding: StoreFinding) -> list[Mend]:
    if finding.fixed_at:
        return []
    return [mend for mend in MENDS.values() if finding.kind in mend.kinds]


def mend(*, finding_id: int, verb: str, by: str, bucket: Bucket, now: datetime) -> str:
    """Do it, and say what was done. Raises ObjectWrong with the reason if it cannot be done."""
    finding = StoreFinding.objects.select_related("recording", "call__project").get(pk=finding_id)
    chosen = {one.verb: one for one in mends_of(finding)}.get(verb)
    if chosen is None:
        raise ObjectWrong("That is no longer to be done: the finding was fixed meanwhile.")
    words = chosen.do(finding, bucket, by, now)
    how = f"{LEFT}{by}" if verb == "leave" else by
    StoreFinding.objects.filter(pk=finding_id, fixed_at=None).update(
        fixed_at=now, fixed_by=how[:150]
    )
    return words


def _ask_again(finding: StoreFinding, bucket: Bucket, by: str, now: datetime) -> str:
    """FAILED is the state from which a late file is taken. The one way out of STORED, guarded by
    what we believed: a file delivered meanwhile stays."""
    recording = _recording(finding)
    error = f"A check of the store found: {finding.get_kind_display().lower()}. Asked for again."
    with transaction.atomic():
        moved = Recording.objects.filter(
            pk=recording.pk, state=recording.state, stored_at=recording.stored_at
        ).update(state=State.FAILED, error=error, stored_at=None)
        CheckedObject.objects.filter(recording=recording).delete()
    if not moved:
        raise ObjectWrong("The recording has changed meanwhile. Check again.")
    return (
        "The row says so now. A worker which has the file delivers it within seconds after it is "
        "started; a file restored in the store is found by the next check."
    )


def _give_up(finding: StoreFinding, bucket: Bucket, by: str, now: datetime) -> str:
    recording = _recording(finding)
    open_or_failed = [*(s.value for s in OPEN_STATES), State.FAILED.value]
    Recording.objects.filter(pk=recording.pk, state__in=open_or_failed).update(
        state=State.FAILED, error=f"Given up by {by}: it never arrived in the store."
    )
    return "The recording is marked as failed. A file which comes nevertheless is still taken."


def _take(finding: StoreFinding, bucket: Bucket, by: str, now: datetime) -> str:
    """Make the row say what the store has, once the store has it and it is sound."""
    if finding.kind == Kind.CONTENT_TYPE:
        recording = _recording(finding)
        told = bucket.content_type(recording.object_key)[:64]
        if told.partition("/")[0] not in {"audio", "video"}:
            raise ObjectWrong(f"The store calls it {told or 'nothing'}, which is no sound.")
        Recording.objects.filter(pk=recording.pk).update(content_type=told)
        return "The row says what the store says."
    head = bucket.head(finding.object_key)
    listed = Listed(key=finding.object_key, size=head.size, etag="", modified=now)
    sound = storefaults.length_of(listed, bucket) if head.size else None
    if sound is None:
        raise ObjectWrong("What the store has cannot be read as sound. Restore it from a backup.")
    if finding.kind == Kind.DURATION:
        Recording.objects.filter(pk=_recording(finding).pk).update(duration_ms=sound.duration_ms)
        return f"The row says {sound.duration_ms} ms."
    _recover(finding, head.size, sound.duration_ms, bucket, now)
    return "The recording is stored: the object is there and can be read."


def _recover(
    finding: StoreFinding, size: int, duration_ms: int, bucket: Bucket, now: datetime
) -> None:
    """Offered and closed as a worker's file is, so that size and checksum are compared."""
    recording = finding.recording or _new_row(finding, now)
    facts: dict[str, object] = {"error": ""}
    if recording.size is None or not recording.sha256:
        facts |= {"size": size, "duration_ms": duration_ms}
    Recording.objects.filter(
        pk=recording.pk, state__in=[*sources(State.UPLOADING), State.UPLOADING]
    ).update(state=State.UPLOADING, **facts)
    try:
        services.close_recording(recording_id=recording.pk, bucket=bucket, now=now)
    except ObjectWrong as wrong:
        services.move_recording(recording_id=recording.pk, to=State.FAILED, error=str(wrong))
        raise


def _new_row(finding: StoreFinding, now: datetime) -> Recording:
    if finding.call is None:
        raise ObjectWrong("No call belongs to it.")
    recording, _ = Recording.objects.get_or_create(
        call=finding.call,
        defaults={
            "recorder": Recording.Recorder.WORKER, "object_key": finding.object_key,
            "created_at": now,
        },
    )  # fmt: skip
    return recording


def _leave(finding: StoreFinding, bucket: Bucket, by: str, now: datetime) -> str:
    return "Noted. It is told again only if something about it changes."


def _recording(finding: StoreFinding) -> Recording:
    if finding.recording is None:
        raise ObjectWrong("It has no recording's row.")
    return finding.recording


_DAMAGED = frozenset(
    {Kind.MISSING, Kind.EMPTY, Kind.SIZE, Kind.CHECKSUM, Kind.UNREADABLE, Kind.CUT}
)
MENDS = {
    one.verb: one
    for one in (
        Mend(
            "take", "Take what the store has",
            "The row is made to say what the store has. Listen to it first.",
            frozenset({
                Kind.DURATION, Kind.CONTENT_TYPE, Kind.FOUND_AGAIN, Kind.NO_ROW,
            }), _take,
        ),
        Mend(
            "again", "Ask for it again",
            "The row becomes “failed”, so that nobody is offered a damaged recording, and a worker "
            "which has the file may deliver it.",
            _DAMAGED, _ask_again,
        ),
        Mend(
            "failed", "Mark as failed", "Nobody waits for this recording any more.",
            frozenset({Kind.NOT_STORED, Kind.FOUND_AGAIN}), _give_up,
        ),
        Mend(
            "leave", "Leave it so",
            "Nothing is changed; the finding is closed with your name.",
            frozenset(Kind.values), _leave,
        ),
    )
}  # fmt: skip
