"""Retention: what is older than its project's rule says is deleted at night, kind by kind.

Each project and kind has a mark up to which its calls were gone through, so that a night costs what
became due, and not what is there. What may not go yet (a legal hold, a call which is on, an upload)
is written down and looked at again; calls which were entered late are found by their ids.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from agents.models import Project
from recordings import forgetting
from recordings.forgetting import Tally
from recordings.lifecycle import OPEN_STATES
from recordings.models import KeepProgress, KeepRule, PutOff, Recording
from recordings.models_keeping import Kind
from recordings.storage import Bucket
from telephony import holds
from telephony.holds import Holds
from telephony.models import Call

log = logging.getLogger(__name__)

BATCH = 200
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Duty:
    """One kind of one project, and before when its calls are due."""

    project: Project | None
    kind: Kind
    days: int
    before: datetime

    @property
    def calls(self) -> "QuerySet[Call]":
        return Call.objects.filter(project=self.project)

    def __str__(self) -> str:
        return f"{self.project or 'no project'}: {self.kind.label.lower()}, {self.days} days"


def duties(now: datetime) -> Iterator[Duty]:
    """Numbers come last: names of recordings are made of them."""
    rules = {rule.project_id: rule for rule in KeepRule.objects.all()}
    for project in [None, *Project.objects.order_by("pk")]:
        rule = rules.get(project.pk if project else None) or rules.get(None)
        for kind in Kind:
            days = rule.days(kind) if rule else None
            if days is not None:
                yield Duty(project, kind, days, now - timedelta(days=days))


def run(*, bucket: Bucket, now: datetime, until: datetime) -> bool:
    """Delete what is due until the clock says `until`. Returns whether there is more: run it
    again. Raises StoreUnavailable, StoreRefused: nothing is lost, the next night goes on."""
    from django.utils import timezone

    forgetting.finish_claims(bucket=bucket, now=now)
    held = holds.in_force(now)
    for duty in duties(now):
        _put_off_ones(duty, held, bucket, now)
        while _some(duty, held, bucket, now):
            if timezone.now() >= until:
                return True
    return False


def _some(duty: Duty, held: Holds, bucket: Bucket, now: datetime) -> bool:
    """The next calls after the mark. Returns whether there may be more."""
    newest = _newest()  # before the look: what is entered meanwhile is found the next time
    mark = _mark(duty)
    late = _late(duty, mark)
    if late:
        tally = _forget(duty, late, held, bucket, now)
        _note(mark, tally, now, newest=late[-1].pk)
        return True
    fresh = list(_after(duty, mark).order_by("started_at", "pk")[:BATCH])
    if not fresh:
        KeepProgress.objects.filter(pk=mark.pk).update(ran_at=now, newest=newest)
        return False
    tally = _forget(duty, fresh, held, bucket, now)
    last = fresh[-1]
    _note(mark, tally, now, until=last.started_at, after=last.pk)
    return True


def _mark(duty: Duty) -> KeepProgress:
    found, _ = KeepProgress.objects.get_or_create(
        project=duty.project, kind=duty.kind, defaults={"until": BEGINNING, "newest": _newest()}
    )
    return found


def _newest() -> int:
    return Call.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def _late(duty: Duty, mark: KeepProgress) -> list[Call]:
    """Entered since the last run, although they began before the mark."""
    entered = Call.objects.filter(pk__gt=mark.newest, started_at__lte=mark.until)
    mine = entered.filter(project=duty.project).filter(~_beyond(mark))
    return list(mine.order_by("pk")[:BATCH])


def _after(duty: Duty, mark: KeepProgress) -> "QuerySet[Call]":
    """The first condition is what the index can begin at."""
    begun = duty.calls.filter(started_at__gte=mark.until, started_at__lt=duty.before)
    return begun.filter(_beyond(mark))


def _beyond(mark: KeepProgress) -> Q:
    return Q(started_at__gt=mark.until) | Q(started_at=mark.until, pk__gt=mark.after)


def _forget(duty: Duty, calls: list[Call], held: Holds, bucket: Bucket, now: datetime) -> Tally:
    reasons = {call.pk: why for call in calls if (why := _not_yet(call, held))}
    if duty.kind is Kind.AUDIO:
        reasons |= _uploading([call.pk for call in calls])
    rows = [PutOff(call_id=pk, kind=duty.kind, why=why) for pk, why in reasons.items()]
    PutOff.objects.bulk_create(rows, ignore_conflicts=True)
    free = [call.pk for call in calls if call.pk not in reasons]
    tally = forgetting.forget(
        duty.kind, free, bucket=bucket, now=now, by=forgetting.By.RETENTION
    )  # fmt: skip
    PutOff.objects.filter(call__in=free, kind=duty.kind).delete()
    return tally


def _not_yet(call: Call, held: Holds) -> str:
    if held.cover(call):
        return "A legal hold keeps it."
    return "The call is on." if call.ended_at is None else ""


def _uploading(calls: list[int]) -> dict[int, str]:
    open_ones = Recording.objects.filter(call__in=calls, state__in=sorted(OPEN_STATES))
    return dict.fromkeys(open_ones.values_list("call", flat=True), "It is still on its way.")


def _put_off_ones(duty: Duty, held: Holds, bucket: Bucket, now: datetime) -> None:
    rows = PutOff.objects.filter(kind=duty.kind, call__project=duty.project)
    waiting = list(rows.filter(call__started_at__lt=duty.before).values_list("call", flat=True))
    for begin in range(0, len(waiting), BATCH):
        calls = list(Call.objects.filter(pk__in=waiting[begin : begin + BATCH]))
        tally = _forget(duty, calls, held, bucket, now)
        _note(_mark(duty), tally, now)


def _note(mark: KeepProgress, tally: Tally, now: datetime, **moved: object) -> None:
    """Two runs at once do the same work; the mark moves, and counts, for one of them."""
    mine = KeepProgress.objects.filter(pk=mark.pk, until=mark.until, after=mark.after)
    mine.update(
        deleted=mark.deleted + tally.calls, deleted_bytes=mark.deleted_bytes + tally.bytes,
        ran_at=now, **moved,
    )  # fmt: skip
    log.info(
        "retention went on",
        extra={"kind": mark.kind, "project_id": mark.project_id, "deleted": tally.calls,
               "bytes": tally.bytes},
    )  # fmt: skip


# --- what it would do -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Due:
    duty: Duty
    calls: int
    held: int
    bytes: int  # of recordings


def what_if(*, now: datetime) -> list[Due]:
    """What the next run would delete. Changes nothing."""
    held = holds.in_force(now)
    # once: a comparison with all numbers of all holds is dear
    kept_calls = Call.objects.filter(held.of_calls()).values_list("pk", flat=True) if held else []
    kept_ids = frozenset(kept_calls)
    found = []
    for duty in duties(now):
        mark = KeepProgress.objects.filter(project=duty.project, kind=duty.kind).first()
        mark = mark or KeepProgress(until=BEGINNING, newest=_newest())
        whole = _after(duty, mark)
        due = whole.exclude(pk__in=kept_ids) if kept_ids else whole
        kept = whole.filter(pk__in=kept_ids).count() if kept_ids else 0
        size = 0
        if duty.kind is Kind.AUDIO:
            size = due.aggregate(size=Coalesce(Sum("recording__size"), 0))["size"]
        found.append(Due(duty, due.count(), kept, size))
    return found
