"""Deletes one kind of what is kept about calls. Objects first, rows after. May be repeated.

    claim the call's row → delete its objects → delete its rows and write down when

Whoever dies in between leaves a claim; the next one deletes what is left and finishes the row.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from recordings import objects, personal
from recordings.models import Forgotten
from recordings.models_keeping import Kind
from recordings.storage import Bucket
from telephony import anonymous, erased
from telephony.models import Call

By = Forgotten.By
CLAIM = timedelta(minutes=10)  # of which nobody was heard again


@dataclass(slots=True)
class Tally:
    calls: int = 0
    objects: int = 0
    bytes: int = 0

    def add(self, other: "Tally") -> None:
        self.calls += other.calls
        self.objects += other.objects
        self.bytes += other.bytes


def forget(
    kind: Kind, calls: list[int], *, bucket: Bucket, now: datetime, by: "Forgotten.By"
) -> Tally:
    """`calls`: ids of calls which are over. Raises StoreUnavailable, StoreRefused."""
    rows = [Forgotten(call_id=pk, by=by) for pk in calls]
    Forgotten.objects.bulk_create(rows, ignore_conflicts=True)
    mine = Forgotten.objects.filter(call__in=calls)
    tally = Tally()
    if kind is Kind.AUDIO:
        mine.filter(audio_at=None).update(audio_claimed_at=now)
        for call, keys in sorted(objects.keys_of(calls).items()):
            where = objects.bucket_of(call, default=bucket)
            count, size = objects.delete(sorted(keys), bucket=where)
            tally.objects, tally.bytes = tally.objects + count, tally.bytes + size
    with transaction.atomic():
        tally.calls = _delete(kind, calls, mine, by=by, now=now)
    return tally


def _delete(
    kind: Kind, calls: list[int], mine: "QuerySet[Forgotten]", *, by: "Forgotten.By", now: datetime
) -> int:
    """How many calls had any of it: a date which is there already stays."""
    had: set[int] = set()
    for part in personal.of_kind(kind):
        rows = part.rows(calls)
        had |= set(rows.order_by().values_list(part.path, flat=True).distinct())
        if part.how is personal.How.EMPTIED:
            rows.update(**_emptied(part.model))
        else:
            rows.delete()
    if kind is Kind.NUMBERS:
        had |= set(calls)
        anonymous.anonymise(calls, now=now)
    had &= set(calls)
    fresh = mine.filter(**{f"{kind.value}_at": None})
    count = fresh.filter(call__in=had).count()
    fresh.update(**{f"{kind.value}_at": now, "by": by})
    return count


def _emptied(model: personal.Model) -> dict[str, Any]:
    columns = personal.words_of(model)
    return {one.name: one.get_default() if one.has_default() else "" for one in columns}


def finish_claims(*, bucket: Bucket, now: datetime) -> int:
    """Calls whose deletion somebody began and did not end."""
    half = Forgotten.objects.filter(audio_at=None, audio_claimed_at__lt=now - CLAIM)
    by_whom: dict[str, list[int]] = {}
    for call, by in half.order_by("pk").values_list("call", "by")[:500]:
        by_whom.setdefault(by, []).append(call)
    for by, calls in by_whom.items():
        forget(Kind.AUDIO, calls, bucket=bucket, now=now, by=By(by))
    return sum(map(len, by_whom.values()))


def is_forgotten(call: Call, kind: Kind) -> bool:
    """Whether what comes now for this call is too late."""
    return Forgotten.objects.filter(call=call).exclude(**{f"{kind.value}_at": None}).exists()


def is_gone(call: Call | None, kind: Kind, *, room: str) -> bool:
    """As `is_forgotten`; of an erased call only the hash of its room is left."""
    return is_forgotten(call, kind) if call else erased.is_erased(room)


def words(call: Call) -> str:
    """What the call's page says of it. Empty: all is kept. Whether there was any, nobody knows."""
    row: Forgotten | None = getattr(call, "forgotten", None)
    if row is None:
        return ""
    by_day: dict[str, list[str]] = {}
    for kind in Kind:
        if at := getattr(row, f"{kind.value}_at"):
            by_day.setdefault(f"{at:%Y-%m-%d}", []).append(kind.label.lower())
    whose = row.get_by_display()
    told = [f"Deleted on {day} {whose}: {', '.join(kinds)}." for day, kinds in by_day.items()]
    return " ".join(told)
