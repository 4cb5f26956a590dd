"""The recordings of one day beside what the store lists for it. Listed once; a thousand objects a
request. Only what is new or changed is asked for by itself."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone

from recordings import services, storefaults, stores
from recordings.errors import ObjectWrong
from recordings.lifecycle import OPEN_STATES, RecordingState
from recordings.models import CheckedObject, JournalEntry, Recording, StoreFinding
from recordings.storage import Bucket
from recordings.storage_bulk import Listed
from recordings.storefaults import AGAIN, Fault, Reading
from telephony.models import Call

Kind = StoreFinding.Kind
OURS = frozenset({"exports"})  # folders of the bucket which hold no recordings
CHUNK = 200  # calls
SETTLED = timedelta(hours=1)  # before that a recording may still be on its way
_OPEN = {state.value for state in OPEN_STATES}


@dataclass(slots=True)
class Day:
    """What the store has of one day: key to object."""

    day: date
    objects: dict[str, Listed]
    stems: set[str] = field(default_factory=set)  # of keys which rows know


@dataclass(frozen=True, slots=True)
class Found:
    fault: Fault
    key: str
    call: Call | None = None
    recording: Recording | None = None


def list_day(day: date, *, folders: Sequence[str], bucket: Bucket) -> Day:
    found = Day(day, {})
    for folder in folders:
        if folder not in OURS:
            for listed in bucket.list_objects(f"{folder}/{day:%Y/%m/%d}/"):
                found.objects[listed.key] = listed
    return found


def calls_of(day: date, *, after: int = 0) -> "QuerySet[Call]":
    """Which may have a recording: answered, or with a row. In the order in which they are done."""
    begin = datetime(day.year, day.month, day.day, tzinfo=UTC)  # as keys name it
    of_day = Call.objects.filter(started_at__gte=begin, started_at__lt=begin + timedelta(days=1))
    wanted = Q(answered_at__isnull=False) | Q(recording__isnull=False)
    rows = of_day.filter(wanted, pk__gt=after).order_by("pk")
    return rows.select_related("recording__store", "project")


def check_calls(
    calls: Sequence[Call], stored: Day, *, bucket: Bucket, reading: Reading, now: datetime
) -> Iterator[Found]:
    talked = _talked(calls)
    right = {
        row.recording_id: row for row in CheckedObject.objects.filter(recording__call__in=calls)
    }
    for call in calls:
        recording: Recording | None = getattr(call, "recording", None)
        if recording is None:
            yield from _unrecorded(call, stored, reading, now)
        elif recording.state == RecordingState.STORED:
            before = right.get(recording.pk)
            length = talked.get(call.pk)
            for fault in _stored(recording, stored, before, length, bucket, reading, now):
                yield Found(fault, recording.object_key, call, recording)
        else:
            for fault in _not_stored(call, recording, stored, bucket, now):
                yield Found(fault, recording.object_key, call, recording)


def _stored(
    recording: Recording, stored: Day, before: CheckedObject | None, talked_ms: int | None,
    bucket: Bucket, reading: Reading, now: datetime,
) -> list[Fault]:  # fmt: skip
    bucket = stores.bucket_of(recording, default=bucket)
    listed = _object(recording, stored, bucket)
    if listed is None:
        return [storefaults.absent(recording)]
    if before and not reading.thorough and (before.etag, before.size) == (listed.etag, listed.size):
        return []
    found = storefaults.faults(
        recording, listed, talked_ms=talked_ms, bucket=bucket, reading=reading
    )
    if reading.sha256 and not recording.sha256 and not found:  # the first who knows it
        Recording.objects.filter(pk=recording.pk, sha256="").update(sha256=reading.sha256)
    if found:
        CheckedObject.objects.filter(recording=recording).delete()
    elif listed.etag:
        _is_right(recording, listed, reading, now)
    return found


def _is_right(recording: Recording, listed: Listed, reading: Reading, now: datetime) -> None:
    values: dict[str, Any] = {
        "etag": listed.etag[:80], "size": listed.size, "at": now,
        "duration_ms": reading.duration_ms, "hashed": bool(reading.sha256),
    }  # fmt: skip
    CheckedObject.objects.update_or_create(recording=recording, defaults=values)


def _object(recording: Recording, stored: Day, bucket: Bucket) -> Listed | None:
    """From the list; by itself if its key is not of that day, came after the list, or lies in
    another store than the listed one."""
    if recording.store is None and (listed := stored.objects.get(recording.object_key)):
        return listed
    try:
        head = bucket.head(recording.object_key)
    except ObjectWrong:
        return None
    return Listed(key=recording.object_key, size=head.size, etag="", modified=timezone.now())


def _unrecorded(call: Call, stored: Day, reading: Reading, now: datetime) -> Iterator[Found]:
    if not _settled(call, now):
        return
    if call.plan_digest not in reading.wanted:
        reading.wanted[call.plan_digest] = services.is_to_be_recorded(call)
    if not reading.wanted[call.plan_digest]:
        return
    key = services.object_key(call)
    there = key in stored.objects
    words = "Its plan wanted a recording, and nobody made one: no row, "
    words += (
        "but the store has its file. “Take what the store has” makes it the call's recording."
        if there
        else "no file. See whether Celery ran at the time and look into the worker's log; a worker "
        "which has the file delivers it when it is started again. “Leave it so” notes that you "
        "know."
    )
    measured = stored.objects[key].size if there else None
    yield Found(Fault(kind=Kind.NO_ROW, words=words, measured=measured), key, call)


def _not_stored(
    call: Call, recording: Recording, stored: Day, bucket: Bucket, now: datetime
) -> list[Fault]:
    if recording.state == RecordingState.SKIPPED or not _settled(call, now):
        return []
    listed = _object(recording, stored, stores.bucket_of(recording, default=bucket))
    if listed and listed.size:
        words = (
            f"The row says {recording.state}, but the store has {listed.size} bytes of it. “Take "
            f"what the store has” compares and keeps it."
        )
        return [Fault(kind=Kind.FOUND_AGAIN, words=words, measured=listed.size)]
    if recording.state in _OPEN:
        words = (
            "The call has been over for an hour and its recording is still not in the store. See "
            "whether the worker which took it runs and reaches us and the store (manage.py doctor)."
        )
        return [Fault(kind=Kind.NOT_STORED, words=words)]
    words = (
        f"{recording.error or 'The recording failed.'} {AGAIN} “Leave it so” notes that you know."
    )
    return [Fault(kind=Kind.NOT_STORED, words=words)]


def _settled(call: Call, now: datetime) -> bool:
    return call.ended_at is not None and now - call.ended_at > SETTLED


def orphans(stored: Day, *, now: datetime) -> Iterator[Found]:
    """Objects of no call. What hangs on a recording (parts, masked copies, waveforms) is known by
    its name, which begins as the recording's does. None is deleted."""
    keys = sorted(stored.objects)
    for begin in range(0, len(keys), CHUNK):
        part = keys[begin : begin + CHUNK]
        known = _known(part)
        for key in part:
            listed = stored.objects[key]
            if now - listed.modified < SETTLED or not known.isdisjoint(_stems(key)):
                continue
            words = (
                f"{listed.size} bytes, since {listed.modified:%Y-%m-%d %H:%M} (UTC), which no call "
                f"of ours has: of a call that was deleted, of another installation, or a second "
                f"file. Look at it; delete it in the store if nobody needs it."
            )
            yield Found(Fault(kind=Kind.ORPHAN, words=words, measured=listed.size), key)


def _known(keys: list[str]) -> set[str]:
    """Stems of those which belong to a recording."""
    wanted = {stem for key in keys for stem in _stems(key)}
    names = wanted | {f"{stem}.{end}" for stem in wanted for end in ("ogg", "mp3", "mp4", "m3u8")}
    rows = Recording.objects.filter(object_key__in=names).values_list("object_key", flat=True)
    return {stem for key in rows for stem in _stems(key)} & wanted


def _stems(key: str) -> set[str]:
    """`shop/2026/11/25/call_1_a.masked.ogg` is known by `…/call_1_a`, and by itself."""
    folder, name = re.match(r"((?:[^/]*/){0,4})(.*)", key, re.DOTALL).groups()  # type: ignore[union-attr]
    ends = [m.start() for m in re.finditer(r"[./]", name)]
    return {folder + name} | {folder + name[:end] for end in ends}


def _talked(calls: Sequence[Call]) -> dict[int, int]:
    """By the journal, which is exact, else by the hooks; of answered and finished calls. In ms."""
    found = {
        call.pk: round((call.ended_at - call.answered_at).total_seconds() * 1000)
        for call in calls
        if call.answered_at and call.ended_at
    }
    told: dict[int, list[int]] = {}
    entries = JournalEntry.objects.filter(call__in=calls, kind="closed")
    for call_id, data in entries.values_list("call", "data"):
        if data.get("answered") and isinstance(ms := data.get("talked_ms"), int):
            told.setdefault(call_id, []).append(ms)
    # of a call with two workers each journal knows a part only
    return found | {call_id: ms[0] for call_id, ms in told.items() if len(ms) == 1}
