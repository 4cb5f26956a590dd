"""Every call which should have a recording, compared with the store: by itself each night, and on
demand. In slices, so that a killed process costs a minute of work; seeing a fault twice is noting
it once, and what is seen no more counts as fixed."""

import logging
from datetime import UTC, date, datetime, timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from recordings import slices, storeday
from recordings.errors import StoreRefused, StoreUnavailable
from recordings.models import StoreCheck, StoreFinding
from recordings.slices import Until
from recordings.storage import Bucket
from recordings.storeday import Found
from recordings.storefaults import Reading

log = logging.getLogger(__name__)

State = StoreCheck.State
NIGHTLY_DAYS = 7
LONGEST_DAYS = 400
MOST_READ = 20 * 2**30  # bytes one run reads to hash them; the next one goes on with the rest
KEPT = timedelta(days=180)


def request_check(
    *, first: date, last: date, by: str, now: datetime, thorough: bool = False
) -> StoreCheck:
    """A run which waits for a Celery process. One which waits for the same days is that run."""
    first = max(min(first, last), last - timedelta(days=LONGEST_DAYS - 1))
    waiting = StoreCheck.objects.filter(
        first=first, last=last, thorough=thorough, state=State.WAITING
    ).first()
    if waiting:
        return waiting
    return StoreCheck.objects.create(
        first=first, last=last, thorough=thorough, asked_by=by[:150], asked_at=now
    )


def request_nightly(*, now: datetime) -> StoreCheck | None:
    """The last days, unless it was asked for already: beat may fire twice."""
    since = now - timedelta(hours=12)
    if StoreCheck.objects.filter(asked_by="", asked_at__gt=since).exists():
        return None
    last = now.astimezone(UTC).date()
    return request_check(first=last - timedelta(days=NIGHTLY_DAYS - 1), last=last, by="", now=now)


def go_on(*, check_id: int, bucket: Bucket, now: datetime, until: Until) -> bool:
    """Work for a slice. True if there is more to do. A second process finds the lease taken.

    Raises StoreUnavailable: then the run waits where it is.
    """
    mine = StoreCheck.objects.filter(pk=check_id)
    if not slices.take(mine, now=now):
        return False
    try:
        is_over = _work(mine.get(), bucket, until)
    except StoreRefused as refusal:
        slices.finish(mine, state=State.FAILED, now=now, error=str(refusal))
        return False
    except StoreUnavailable as away:
        mine.update(leased_until=None, error=f"{away} It goes on when the store is back.")
        raise
    if is_over:
        slices.finish(mine, state=State.DONE, now=timezone.now())
        return False
    slices.give_back(mine)
    return mine.filter(state__in=StoreCheck.OPEN).exists()


def cancel(*, check_id: int, now: datetime) -> bool:
    return slices.finish(StoreCheck.objects.filter(pk=check_id), state=State.CANCELLED, now=now)


def _work(check: StoreCheck, bucket: Bucket, until: Until) -> bool:
    """True: all days are done."""
    folders = bucket.folders()
    day = check.day or check.first
    while day <= check.last:
        stored = storeday.list_day(day, folders=folders, bucket=bucket)
        if not _one_day(check, stored, bucket, until):
            return False
        day = day + timedelta(days=1)
        check.day, check.after = day, 0
        if not _note(check):
            return False
    return True


def _one_day(check: StoreCheck, stored: storeday.Day, bucket: Bucket, until: Until) -> bool:
    """False: the slice was over before the day was, or somebody cancelled."""
    check.day = stored.day
    while calls := list(storeday.calls_of(stored.day, after=check.after)[: storeday.CHUNK]):
        if until.over:
            return False
        now = timezone.now()
        reading = Reading(budget=max(0, MOST_READ - check.hashed_bytes), thorough=check.thorough)
        seen = storeday.check_calls(calls, stored, bucket=bucket, reading=reading, now=now)
        for found in seen:
            _write(check, stored.day, found, now)
        check.after = calls[-1].pk
        check.looked_at += len(calls)
        check.hashed_bytes += reading.hashed
        check.unhashed += reading.unhashed
        if not _note(check):
            return False
    now = timezone.now()
    told = StoreFinding.objects.filter(day=stored.day, kind=StoreFinding.Kind.NO_ROW, fixed_at=None)
    for key in told.values_list("object_key", flat=True):
        stored.objects.pop(key, None)  # a file whose call is known
    for found in storeday.orphans(stored, now=now):
        _write(check, stored.day, found, now)
    _seen_no_more(check, stored.day, now)
    return True


def _note(check: StoreCheck) -> bool:
    """How far it came, and that somebody is at it. False if it was cancelled meanwhile."""
    return bool(
        StoreCheck.objects.filter(pk=check.pk, state=State.RUNNING).update(
            day=check.day, after=check.after, looked_at=check.looked_at,
            hashed_bytes=check.hashed_bytes, unhashed=check.unhashed,
            leased_until=timezone.now() + slices.LEASE,
        )
    )  # fmt: skip


def _write(check: StoreCheck, day: date, found: Found, now: datetime) -> None:
    """Once for each fault of an object, however many runs see it."""
    same = StoreFinding.objects.filter(
        kind=found.fault.kind, object_key=found.key[:255], fixed_at=None
    )
    told = {"check_run": check, "words": found.fault.words, "measured": found.fault.measured}
    if same.update(**told) or _is_known(found):
        return
    try:
        with transaction.atomic():
            StoreFinding.objects.create(
                kind=found.fault.kind, object_key=found.key[:255], day=day, call=found.call,
                recording=found.recording, found_at=now, **told,
            )  # fmt: skip
    except IntegrityError:  # another run, at the same moment
        same.update(**told)


def _is_known(found: Found) -> bool:
    """A supervisor has said of the same words that it may stay so."""
    return StoreFinding.objects.filter(
        kind=found.fault.kind, object_key=found.key[:255], words=found.fault.words,
        fixed_at__isnull=False, fixed_by__startswith=LEFT,
    ).exists()  # fmt: skip


LEFT = "left so by "


def _seen_no_more(check: StoreCheck, day: date, now: datetime) -> None:
    """What a later look at the whole day does not find is right again.

    Not of a run which may have left objects unread: it saw less than the one before.
    """
    gone = StoreFinding.objects.filter(day=day, fixed_at=None).exclude(check_run=check)
    if not check.thorough:
        gone = gone.exclude(check_run__thorough=True, kind=StoreFinding.Kind.CHECKSUM)
    gone.filter(check_run__asked_at__lte=check.asked_at).update(
        fixed_at=now, fixed_by="seen no more"
    )


def forget(*, now: datetime) -> None:
    """Old runs, with the findings they were the last to see; not those which are still wrong."""
    old = StoreCheck.objects.filter(asked_at__lt=now - KEPT).exclude(state__in=StoreCheck.OPEN)
    StoreFinding.objects.filter(check_run__in=old, fixed_at__isnull=False).delete()
    old.filter(findings=None).delete()


def summary(check: StoreCheck) -> list[tuple[str, int]]:
    """What is still wrong in the days of a run: words and number."""
    from django.db.models import Count

    rows = (
        StoreFinding.objects.filter(day__gte=check.first, day__lte=check.last, fixed_at=None)
        .order_by()
        .values_list("kind")
        .annotate(n=Count("pk"))
    )
    return [(StoreFinding.Kind(kind).label, n) for kind, n in sorted(rows, key=lambda row: -row[1])]
