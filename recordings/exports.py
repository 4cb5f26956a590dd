"""Exports a selection of calls into one object of the store, in parts, by slices.

A part ends with a call; after each the row says which calls are in the store. So a killed process
costs one part, and memory holds one part however many calls there are.
"""

import logging
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.utils import timezone

from recordings import access_log, exportrows, slices, zipparts
from recordings.errors import ObjectWrong, StoreRefused, StoreUnavailable
from recordings.models import Export, Recording
from recordings.slices import Until
from recordings.storage import Bucket
from recordings.storage_bulk import PART
from telephony.models import Call

log = logging.getLogger(__name__)

State = Export.State
Format = Export.Format
KEPT = timedelta(days=7)
MOST = 100_000  # calls
MOST_PARTS = 10_000  # of one object, S3's limit
CHUNK = 100  # calls fetched at once
TYPES = {
    Format.CSV: ("text/csv; charset=utf-8", "csv"),
    Format.JSON: ("application/json", "json"),
    Format.AUDIO: ("application/zip", "zip"),
}


def request_export(
    *, ids: Iterable[int], format: str, words: str, user: Any, now: datetime
) -> Export:
    """A row which waits for a Celery process. Its calls are those of this moment."""
    chosen = sorted(ids)[:MOST]
    end = TYPES[Format(format)][1]
    return Export.objects.create(
        format=format, words=words[:300], asker=user.pk, asked_by=user.get_username()[:150],
        asked_at=now, chosen=chosen, total=len(chosen),
        object_key=f"exports/{now:%Y/%m/%d}/{secrets.token_urlsafe(24)}.{end}",
    )  # fmt: skip


def go_on(*, export_id: int, bucket: Bucket, now: datetime, until: Until) -> bool:
    """Work for a slice. True if there is more to do. Raises StoreUnavailable: it waits then."""
    mine = Export.objects.filter(pk=export_id)
    if not slices.take(mine, now=now):
        return False
    export = mine.get()
    writer = _Writer(export, bucket)
    try:
        is_over = writer.work(until)
    except ObjectWrong:  # the store forgot the upload: from the beginning
        mine.update(upload="", parts={}, index=[], done=0, left_out=0, size=0, leased_until=None)
        return True
    except StoreRefused as refusal:
        slices.finish(mine, state=State.FAILED, now=now, error=str(refusal))
        return False
    except StoreUnavailable as away:
        mine.update(leased_until=None, error=f"{away} It goes on when the store is back.")
        raise
    finally:
        if writer.zip:
            writer.zip.abandon()
    if not is_over:
        slices.give_back(mine)
        return mine.filter(state__in=Export.OPEN).exists()
    now = timezone.now()
    if slices.finish(mine, state=State.DONE, now=now):
        mine.update(expires_at=now + KEPT, chosen=[], index=[], parts={})
    return False


class _Writer:
    """The part which is being filled, and what was told of those before it."""

    def __init__(self, export: Export, bucket: Bucket) -> None:
        self.export, self.bucket = export, bucket
        self.part = bytearray()
        self.left_out = 0
        self.parts: dict[str, str] = dict(export.parts)
        self.zip = (
            zipparts.Resumable(self.write, begin=export.size, told=export.index)
            if export.format == Format.AUDIO
            else None
        )

    def work(self, until: Until) -> bool:
        export = self.export
        if not export.upload:
            self._begin()
        has_moved = False
        while export.done < export.total:
            if has_moved and until.over:  # else what is not yet a part would be made again
                return False
            before = export.done
            if not self._fill():
                return False
            has_moved = has_moved or export.done > before
        return self._finish()

    def _begin(self) -> None:
        export = self.export
        kind = TYPES[Format(export.format)][0]
        export.upload = self.bucket.begin_parts(export.object_key, content_type=kind)
        Export.objects.filter(pk=export.pk).update(upload=export.upload)

    def _fill(self) -> bool:
        """Calls until a part is full or none is left. False if it was cancelled."""
        export = self.export
        place = export.done
        if place == 0:
            self.write(_HEADS.get(Format(export.format), b""))
        while place < export.total:
            ids = export.chosen[place : place + CHUNK]
            written = []
            for call, write in self._entries(ids):
                write()
                written.append(call.pk)
            self._note(written)
            self.left_out += len(ids) - len(written)
            place += len(ids)
            if len(self.part) >= PART:
                break
        if len(self.part) >= PART and place < export.total:
            self._send()
            return self._remember(place)
        export.done = place  # the last part is sent by _finish
        return True

    def _entries(self, ids: list[int]) -> Iterator[tuple[Call, Callable[[], None]]]:
        calls = exportrows.calls_of(ids)
        figures = exportrows.figures_of(calls)
        texts = exportrows.transcripts_of(calls) if self.export.format == Format.JSON else {}
        for call in calls:
            mine = figures.get(call.pk, [])
            if self.export.format == Format.AUDIO:
                recording: Recording | None = getattr(call, "recording", None)
                if recording is None or recording.state != "stored":
                    continue
                yield call, lambda c=call, r=recording: self._sound(c, r)  # type: ignore[misc]
                continue
            if self.export.format == Format.CSV:
                line = exportrows.csv_line(exportrows.row(call, mine).values())
            else:
                line = exportrows.json_object(call, mine, texts.get(call.pk))
                line = (b",\n" if self._has_rows() else b"") + line
            yield call, lambda line=line: self.write(line)  # type: ignore[misc]

    def _has_rows(self) -> bool:
        return self.export.size + len(self.part) > len(_HEADS[Format.JSON])

    def _sound(self, call: Call, recording: Recording) -> None:
        assert self.zip
        try:
            pieces = self.bucket.chunks(recording.object_key)
            first = next(pieces, b"")
        except ObjectWrong:  # the nightly check tells of it
            self.left_out += 1
            return
        name = exportrows.file_name(call, recording)
        self.zip.add(name, call.started_at, _chain(first, pieces))

    def _note(self, calls: list[int]) -> None:
        user = self._user()
        if user:
            how = f"export {self.export.pk}, {self.export.format}"
            access_log.note_all(user=user, what="export", calls=calls, how=how)

    def _user(self) -> Any:
        if not hasattr(self, "_asker"):
            self._asker = get_user_model().objects.filter(pk=self.export.asker).first()
        return self._asker

    def write(self, data: bytes) -> None:
        """A call larger than a part is sent in several; they count once all of it is there."""
        self.part += data
        while len(self.part) >= 2 * PART:
            self._send(PART)

    def _send(self, length: int | None = None) -> None:
        number = len(self.parts) + 1
        if number > MOST_PARTS:
            raise StoreRefused("The export is too large for one file. Choose fewer calls.")
        body = bytes(self.part[:length])
        del self.part[:length]
        told = self.bucket.put_part(self.export.object_key, self.export.upload, number, body)
        self.parts[str(number)] = told
        self.export.size += len(body)

    def _remember(self, place: int) -> bool:
        export = self.export
        export.done = place
        export.left_out += self.left_out
        self.left_out = 0
        return bool(
            Export.objects.filter(pk=export.pk, state=State.RUNNING).update(
                done=place, left_out=export.left_out, size=export.size, parts=self.parts,
                index=self.zip.told if self.zip else [],
                leased_until=timezone.now() + slices.LEASE, error="",
            )
        )  # fmt: skip

    def _finish(self) -> bool:
        if self.zip:
            self.zip.close()
        self.write(_TAILS.get(Format(self.export.format), b""))
        while self.part or not self.parts:
            self._send(PART if len(self.part) > 2 * PART else None)
        if not self._remember(self.export.total):
            return False
        told = {int(n): etag for n, etag in self.parts.items()}
        self.bucket.finish_parts(self.export.object_key, self.export.upload, told)
        return True


_HEADS = {Format.CSV: exportrows.csv_line(exportrows.COLUMNS), Format.JSON: b'{"calls": [\n'}
_TAILS = {Format.JSON: b"\n]}\n"}


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def cancel(*, export_id: int, bucket: Bucket, now: datetime) -> bool:
    mine = Export.objects.filter(pk=export_id)
    if not slices.finish(mine, state=State.CANCELLED, now=now):
        return False
    _drop(mine.get(), bucket)
    return True


def _drop(export: Export, bucket: Bucket) -> None:
    if not export.upload:
        return
    try:
        bucket.drop_parts(export.object_key, export.upload)
    except (ObjectWrong, StoreUnavailable, StoreRefused):
        log.info("An upload in parts was not there to be dropped", extra={"export": export.pk})


def link(*, export: Export, user: Any, bucket: Bucket) -> str:
    """An address for five minutes, noted before it is given. Raises ObjectWrong if it is gone."""
    if not export.is_there:
        raise ObjectWrong("The file is not there (any more). Export again.")
    bucket.head(export.object_key)
    kind, end = TYPES[Format(export.format)]
    name = f"calls-{export.asked_at:%Y%m%d-%H%M%S}.{end}"
    log.info("export downloaded", extra={"user_id": user.pk, "export": export.pk})
    return bucket.download_link(export.object_key, name=name, content_type=kind)


def withdraw(*, calls: Collection[int], bucket: Bucket, now: datetime) -> int:
    """Files in which one of these calls is, or would be: the caller has himself erased. May be
    repeated; the object goes first. Returns how many there were."""
    gone = set(calls)
    kept = Export.objects.filter(deleted_at=None).only("pk", "chosen", "object_key")
    affected = [export for export in kept.iterator() if not gone.isdisjoint(export.chosen)]
    for export in affected:
        cancel(export_id=export.pk, bucket=bucket, now=now)
        if export.object_key:
            bucket.delete(export.object_key)
        Export.objects.filter(pk=export.pk).update(deleted_at=now)
    return len(affected)


def expire(*, bucket: Bucket, now: datetime) -> int:
    """The object first, the row's word after: so nothing is forgotten in the store."""
    due = Export.objects.filter(expires_at__lt=now, deleted_at=None)[:100]
    for export in due:
        bucket.delete(export.object_key)
        Export.objects.filter(pk=export.pk).update(deleted_at=now)
    return len(due)
