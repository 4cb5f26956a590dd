"""Requests of callers: asked for on a page or by a command, worked off by Celery in pieces."""

import logging
from datetime import datetime, timedelta

from django.conf import settings

from agents import seal
from recordings import erasing, subject, takeout
from recordings.errors import RequestRefused, StoreRefused, StoreUnavailable
from recordings.models import CallerRequest, DeleteAgain
from recordings.storage import Bucket
from telephony import erased, holds
from telephony.models import ErasedName, InboundEvent
from telephony.written import Written

log = logging.getLogger(__name__)

WATCHED = timedelta(days=2)  # after an erasure: hooks of its calls may still come
LOOKED_AT = 5000  # hooks by one sweep
What, State = CallerRequest.What, CallerRequest.State
# an export is one piece, and its task may take an hour
LEASE = {What.ERASE.value: timedelta(minutes=5), What.EXPORT.value: timedelta(minutes=65)}


def ask(*, what: str, typed: str, by: str, now: datetime) -> CallerRequest:
    """Raises RequestRefused: no number, one of ours, held, or nothing is here about it."""
    written = subject.read(typed)
    if what == What.ERASE and (words := holds.hindrance(written, now=now)):
        raise RequestRefused(words)
    digest = erased.digest(f"number:{written.text}")
    if CallerRequest.objects.filter(what=what, digest=digest, state__in=CallerRequest.OPEN):
        raise RequestRefused("This is being done already. See the list of requests.")
    return CallerRequest.objects.create(
        what=what, sealed_number=seal.seal(written.text, keys=settings.SEAL_KEYS), digest=digest,
        asked_by=by, asked_at=now, next_at=now, total=subject.calls_of(written).count(),
        hooks_after=_newest_hook(),
    )  # fmt: skip


def _newest_hook() -> int:
    return InboundEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def work(*, request_id: int, bucket: Bucket, now: datetime) -> bool:
    """One piece of a request, if nobody else is at it; whether there is more to do at once."""
    request = CallerRequest.objects.get(pk=request_id)
    mine = CallerRequest.objects.due(now).filter(pk=request_id)
    if not mine.update(state=State.RUNNING, leased_until=now + LEASE[request.what]):
        return False
    request.refresh_from_db()
    written = Written(seal.unseal(request.sealed_number, keys=settings.SEAL_KEYS))
    doing = erasing.step if request.what == What.ERASE else takeout.export
    try:
        doing(request, written, bucket=bucket, now=now)
    except (StoreUnavailable, StoreRefused) as trouble:
        waiting = CallerRequest.objects.filter(pk=request_id)
        waiting.update(words=str(trouble)[:400], next_at=now + erasing.AGAIN)
    CallerRequest.objects.filter(pk=request_id).update(leased_until=None)
    log.info("a caller's request went on", extra={"request_id": request_id, "done": request.done})
    return CallerRequest.objects.due(now).filter(pk=request_id).exists()


def sweep(*, bucket: Bucket, now: datetime) -> list[int]:
    """What is left behind by time; returns the requests which are due."""
    _files_out_of_date(bucket, now)
    _late_objects(bucket, now)
    _late_hooks(now)
    return list(CallerRequest.objects.due(now).order_by("pk").values_list("pk", flat=True)[:50])


def _files_out_of_date(bucket: Bucket, now: datetime) -> None:
    """Exports are kept for some days. The object first."""
    for row in CallerRequest.objects.exclude(object_key="").filter(file_until__lt=now)[:100]:
        bucket.delete(row.object_key)
        CallerRequest.objects.filter(pk=row.pk).update(object_key="")


def _late_objects(bucket: Bucket, now: datetime) -> None:
    """Of no request any more: somebody has deleted its row."""
    for row in DeleteAgain.objects.filter(request=None, due_at__lt=now)[:100]:
        bucket.delete(seal.unseal(row.sealed_key, keys=settings.SEAL_KEYS))
        row.delete()


def _late_hooks(now: datetime) -> None:
    """Hooks which nobody handles (of tracks and the like) are stored as they come."""
    watched = CallerRequest.objects.filter(
        what=What.ERASE, state=State.DONE, finished_at__gt=now - WATCHED
    )
    after = watched.order_by("hooks_after").values_list("hooks_after", flat=True).first()
    if after is None or not ErasedName.objects.exists():
        return
    rows = InboundEvent.objects.filter(pk__gt=after).order_by("pk")[:LOOKED_AT]
    last = after
    for pk, payload in rows.values_list("pk", "payload"):
        last = pk
        if erased.is_of_erased(payload):
            InboundEvent.objects.filter(pk=pk).update(payload={})
    watched.filter(hooks_after__lt=last).update(hooks_after=last)


def forget_request(*, request: CallerRequest, bucket: Bucket) -> None:
    """Take an export's file away before its time."""
    if request.object_key:
        bucket.delete(request.object_key)
        CallerRequest.objects.filter(pk=request.pk).update(object_key="", file_until=None)


def progress(request: CallerRequest) -> int:
    """Per cent, for people."""
    return min(100, 100 * request.done // request.total) if request.total else 0
