"""The pieces of a recording: begun one after another by egress, each believed as far as it is in
the store."""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max

from recordings import layout
from recordings.choices import CONTENT_TYPES, Format
from recordings.errors import ObjectWrong
from recordings.models import JournalEntry, Recording, RecordingPart
from recordings.storage import Bucket
from telephony.live import LiveEgress

Source, State = RecordingPart.Source, RecordingPart.State
TS = "video/mp2t"  # the pieces of HLS
HLS = CONTENT_TYPES[Format.HLS]
MOST_LIST = 2_000_000  # bytes of a list of pieces: a call of a day


def begin(recording: Recording, *, now: datetime) -> RecordingPart:
    """The part which is to be started: the one nobody heard back of, or a new one."""
    unheard = recording.parts.filter(
        source=Source.EGRESS, state=State.STARTING, egress_id="", object_key__gt=""
    ).first()
    if unheard:
        unheard.asked_at = now
        unheard.save(update_fields=["asked_at"])
        return unheard
    n = next_number(recording)
    key = recording.object_key
    if recording.parts.filter(object_key=key).exists():
        key = layout.beside(key, str(n))
    return recording.parts.create(
        n=n, source=Source.EGRESS, object_key=key, content_type=recording.content_type,
        asked_at=now,
    )  # fmt: skip


def begin_live(recording: Recording, *, now: datetime, **values: Any) -> RecordingPart:
    """Something which is only sent: it has no object."""
    return recording.parts.create(
        n=next_number(recording), source=Source.EGRESS, asked_at=now, **values
    )


def adopt(recording: Recording, *, now: datetime) -> None:
    """A recording which an older release began has no parts yet."""
    if recording.egress_id and not recording.parts.exists():
        recording.parts.get_or_create(
            n=1,
            defaults={
                "source": Source.EGRESS, "state": State.RUNNING, "asked_at": now,
                "object_key": recording.object_key, "egress_id": recording.egress_id,
                "content_type": recording.content_type,
            },
        )  # fmt: skip


def next_number(recording: Recording) -> int:
    return int(recording.parts.aggregate(last=Max("n"))["last"] or 0) + 1


def close(part: RecordingPart, egress: LiveEgress, *, bucket: Bucket, now: datetime) -> None:
    """Complete or failed: the object decides. May be repeated until the store has answered.

    Raises StoreUnavailable and StoreRefused; the part is on its way until it is answered.
    """
    part.egress_id = egress.egress_id
    part.duration_ms = egress.duration_ms or None
    part.size = egress.size or None
    part.started_at = egress.started_at or part.started_at
    part.ended_at = egress.ended_at or part.ended_at or now
    part.starts_ms = starts_ms(part.recording.call_id, part.started_at)
    part.state, part.note = State.UPLOADING, egress.error
    part.save()
    if not part.object_key:
        _settle(part, State.FAILED if egress.error else State.SENT, egress.error)
        return
    try:
        part.size = measured(part, bucket)
    except ObjectWrong as wrong:
        _settle(part, State.FAILED, _why(part, egress, wrong))
    else:
        _settle(part, State.STORED, egress.error)


def fail(part: RecordingPart, note: str, *, now: datetime) -> None:
    part.ended_at = part.ended_at or now
    _settle(part, State.FAILED, note)


def recover(part: RecordingPart, *, bucket: Bucket) -> bool:
    """Egress had given it up; whether a file has come all the same. Raises StoreUnavailable."""
    try:
        part.size = measured(part, bucket)
    except ObjectWrong:
        return False
    _settle(part, State.STORED, f"Found in the store afterwards. {part.note}".strip())
    return True


def starts_ms(call_id: int, began: datetime | None) -> int:
    """Where sample 0 lies on the journal's clock, as exact as two machines' clocks agree."""
    opened = JournalEntry.objects.filter(call=call_id).order_by("at", "n").first()
    if began is None or opened is None:
        return 0
    zero = opened.at - timedelta(milliseconds=opened.ms)
    return round((began - zero).total_seconds() * 1000)


def pieces(key: str, playlist: str) -> list[str]:
    """The keys of an HLS recording's pieces, which lie beside their list."""
    folder = key.rpartition("/")[0]
    names = [line.strip() for line in playlist.splitlines()]
    own = [name.rpartition("/")[2] for name in names if name and not name.startswith("#")]
    return [f"{folder}/{name}" if folder else name for name in own]


def measured(part: RecordingPart, bucket: Bucket) -> int:
    """Bytes in the store; of HLS those of its list and pieces together.

    Raises ObjectWrong if something is not there, empty, or not what was told.
    """
    keys = [part.object_key]
    if part.content_type == HLS:
        playlist = bucket.read(part.object_key, 0, MOST_LIST).decode(errors="replace")
        keys += pieces(part.object_key, playlist)
    size = sum(bucket.head(key).size for key in keys)
    if size == 0:
        raise ObjectWrong(f"{part.object_key} is empty in the store.")
    if part.content_type != HLS and part.size is not None and size != part.size:
        raise ObjectWrong(
            f"{part.object_key} has {size} bytes in the store, {part.size} were recorded."
        )
    for key in keys:
        bucket.protect(key, content_type=part.content_type if key == part.object_key else TS)
    return size


def _why(part: RecordingPart, egress: LiveEgress, wrong: ObjectWrong) -> str:
    if egress.backup:
        return (
            f"The store did not take it; egress kept it in its backup storage. Copy it from there "
            f"into the store as {part.object_key}: it is found within five minutes."
        )
    return egress.error or str(wrong)


def _settle(part: RecordingPart, state: "RecordingPart.State", note: str) -> None:
    part.state, part.note = state, note
    part.save()
