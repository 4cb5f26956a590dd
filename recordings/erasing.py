"""Erases everything about a caller's number, piece by piece, and proves what was done.

    nothing holds it → his calls which are over → what else names the number → once more, until
    no call of his is on and no upload can still arrive → the number itself is forgotten

What comes late (a worker's journal, a carrier's hook, an upload) meets a stub: `telephony.erased`.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from agents import seal
from recordings import exports, forgetting, logfiles, objects, spoken_index, stores, subject, traces
from recordings.lifecycle import RecordingState
from recordings.models import CallerRequest, DeleteAgain, Recording, Store
from recordings.models_keeping import Kind
from recordings.storage import Bucket
from telephony import anonymous, erased, holds
from telephony.models import Call, Delivery, OutboundCall
from telephony.models_outbound import UNDER_WAY
from telephony.written import Written

BATCH = 100  # calls erased by one step
LATE = timedelta(minutes=15)  # longer than an upload's link is good and its upload may take
AGAIN = timedelta(minutes=1)
State = CallerRequest.State


def step(request: CallerRequest, written: Written, *, bucket: Bucket, now: datetime) -> None:
    """Do a piece. Raises StoreUnavailable; may be repeated, also by somebody else."""
    if words := holds.hindrance(written, now=now):
        _close(request, State.REFUSED, words, now)
        return
    mine = subject.calls_of(written)
    over = list(mine.exclude(ended_at=None).order_by("pk").values_list("pk", flat=True)[:BATCH])
    if over:
        _erase(request, over, written, bucket=bucket, now=now)
        return
    _delete_again(request, bucket=bucket, now=now)
    if waits := _waits(request, written):
        CallerRequest.objects.filter(pk=request.pk).update(words=waits, next_at=now + AGAIN)
        return
    _count(request, traces.take_away(written, now=now))
    _count(request, {"lines of log files": logfiles.scrub(written)})
    _settle_file()
    words = "Everything is erased. What still comes from workers or carriers is thrown away."
    _close(request, State.DONE, words, now)


def _settle_file() -> None:
    """SQLite keeps deleted words in its index, and former pages in its write-ahead log."""
    spoken_index.tidy()
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _erase(
    request: CallerRequest, calls: list[int], written: Written, *, bucket: Bucket, now: datetime
) -> None:
    """First the stubs, so that nothing comes back while it goes."""
    erased.note(anonymous.names_of(calls), now=now)
    _note_told(request, calls)
    rows = [
        DeleteAgain(
            request=request, sealed_key=seal.seal(key, keys=settings.SEAL_KEYS), store=store,
            due_at=now + LATE,
        )
        for store, key in _late(calls, now)
    ]  # fmt: skip
    DeleteAgain.objects.bulk_create(rows)
    _count(request, {"exported files": exports.withdraw(calls=calls, bucket=bucket, now=now)})
    for kind in Kind:
        tally = forgetting.forget(kind, calls, bucket=bucket, now=now, by=forgetting.By.ERASURE)
        told = {f"calls: {kind.label.lower()}": tally.calls}
        if kind is Kind.AUDIO:
            told |= {"objects in the store": tally.objects, "bytes in the store": tally.bytes}
        _count(request, told)
    # a call may carry the number on our side of it, as one he was put through to
    Call.objects.filter(pk__in=calls, caller__in=written.exact).update(caller="")
    Call.objects.filter(pk__in=calls, called__in=written.exact).update(called="")
    done = request.done + len(calls)
    CallerRequest.objects.filter(pk=request.pk).update(done=done, words="", next_at=now)


def _note_told(request: CallerRequest, calls: list[int]) -> None:
    """Who outside has been told of these calls: he has to be told of the erasure as well."""
    sent = Delivery.objects.filter(event__call__in=calls, delivered_at__isnull=False)
    names = set(sent.values_list("subscription__name", flat=True)) | set(request.told)
    CallerRequest.objects.filter(pk=request.pk).update(told=sorted(names))
    request.told = sorted(names)


def _late(calls: list[int], now: datetime) -> Iterable[tuple[Store | None, str]]:
    """Keys under which an upload may still arrive, and where: its link is good for a while."""
    rows = Recording.objects.filter(call__in=calls).exclude(
        state=RecordingState.STORED, stored_at__lt=now - LATE
    )
    for recording in rows.select_related("store"):
        for key in sorted(objects.keys_of([recording.call_id]).get(recording.call_id, ())):
            yield recording.store, key


def _delete_again(request: CallerRequest, *, bucket: Bucket, now: datetime) -> None:
    for row in request.delete_again.filter(due_at__lte=now).select_related("store"):
        key = seal.unseal(row.sealed_key, keys=settings.SEAL_KEYS)
        where = stores.bucket_at(row.store) if row.store else bucket
        count, size = objects.delete([key], bucket=where)
        _count(request, {"objects which came late": count, "bytes in the store": size})
        row.delete()


def _waits(request: CallerRequest, written: Written) -> str:
    """What is still to come. Empty: nothing."""
    if subject.calls_of(written).exists() or _wishes_under_way(written):
        return "A call of this number is on. It goes on when that is over."
    soonest = request.delete_again.order_by("due_at").first()
    if soonest:
        return (
            f"Uploads may still arrive until {soonest.due_at:%H:%M} UTC; then the store is "
            f"looked at once more."
        )
    return ""


def _wishes_under_way(written: Written) -> bool:
    return OutboundCall.objects.filter(to__in=written.exact, state__in=UNDER_WAY).exists()


def _count(request: CallerRequest, told: dict[str, int]) -> None:
    for words, number in told.items():
        if number:
            request.counts[words] = request.counts.get(words, 0) + number
    CallerRequest.objects.filter(pk=request.pk).update(counts=request.counts)


def _close(request: CallerRequest, state: "CallerRequest.State", words: str, now: datetime) -> None:
    CallerRequest.objects.filter(pk=request.pk).update(
        state=state, words=words[:400], sealed_number="", finished_at=now, leased_until=None
    )
