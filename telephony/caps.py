"""What a trunk may carry at once, a second and a day. One conditional UPDATE takes all of it, so
that of two workers who want the last slot one gets it, on PostgreSQL and SQLite alike.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from django.db.models import Case, F, FloatField, Value, When
from django.db.models.functions import Greatest

from telephony.models import Batch, OutboundCall, Trunk, TrunkUse

MILLION = 1_000_000
AHEAD_S = 0.0  # a trunk makes up for nothing: carriers count each second
BATCH_AHEAD_S = 6.0  # … and a batch, which is looked at every few seconds
FULL_WAIT_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """Why a call cannot begin now, and when to look again."""

    reason: str
    until: datetime


def millionths(money: Decimal) -> int:
    return int(money * MILLION)


def take(
    *, outbound_id: int, trunk: Trunk, price: int, minutes: int, now: datetime
) -> Blocked | None:
    """A slot, a place in this second and the money of the longest possible call, or none of them.

    `price`: millionths a minute. Call inside a transaction: the slot and who holds it are one.
    """
    cost, day, at = price * minutes, _day(now), now.timestamp()
    use = _use(trunk.pk, day)
    every_s = 1 / max(1, trunk.max_calls_per_s)
    got = use.filter(
        calls__lt=trunk.max_calls,
        free_at__lte=at,
        spent__lte=millionths(trunk.daily_spend_cap) - cost,
    ).update(
        calls=F("calls") + 1, free_at=_later(at, AHEAD_S, every_s), spent=F("spent") + cost
    )  # fmt: skip
    if not got:
        return _why(use.get(), trunk, cost, now)
    OutboundCall.objects.filter(pk=outbound_id).update(
        slot_held=True, reserved=cost, reserved_day=day, price=price
    )
    return None


@transaction.atomic
def give_back(*, outbound_id: int, talked_s: float) -> bool:
    """Free what an attempt held, once; what it did not spend is given back."""
    row = OutboundCall.objects.filter(pk=outbound_id, slot_held=True)
    held = row.values_list("trunk_id", "reserved", "reserved_day", "price").first()
    if held is None or not row.update(slot_held=False, reserved=0):
        return False
    trunk_id, reserved, day, price = held
    minutes = -(-int(talked_s + 0.999) // 60)  # carriers count begun minutes
    unspent = max(0, reserved - price * minutes)
    TrunkUse.objects.filter(trunk_id=trunk_id, calls__gt=0).update(calls=F("calls") - 1)
    TrunkUse.objects.filter(trunk_id=trunk_id, day=day).update(
        spent=Greatest(F("spent") - unspent, Value(0))
    )
    return True


def take_of_batch(*, batch_id: int, now: datetime) -> bool:
    """Whether a batch's pace lets one more call begin."""
    at = now.timestamp()
    batch = Batch.objects.filter(pk=batch_id, state=Batch.State.RUNNING)
    pace = batch.values_list("per_minute", flat=True).first()
    if not pace:
        return False
    free = batch.filter(free_at__lte=at, per_minute=pace)
    return bool(free.update(free_at=_later(at, BATCH_AHEAD_S, 60 / pace)))


def _later(at: float, ahead_s: float, every_s: float) -> Case:
    """Generic cell rate: idle time counts, up to `ahead_s` of it."""
    oldest = at - ahead_s
    return Case(
        When(free_at__lt=oldest, then=Value(oldest + every_s)),
        default=F("free_at") + Value(every_s),
        output_field=FloatField(),
    )


def _day(now: datetime) -> str:
    return now.astimezone(UTC).date().isoformat()


def _use(trunk_id: int, day: str):  # type: ignore[no-untyped-def]
    """The trunk's row, of today."""
    TrunkUse.objects.get_or_create(trunk_id=trunk_id)
    mine = TrunkUse.objects.filter(trunk_id=trunk_id)
    mine.filter(day__lt=day).update(day=day, spent=0)
    return mine


def _why(use: TrunkUse, trunk: Trunk, cost: int, now: datetime) -> Blocked:
    if use.spent + cost > millionths(trunk.daily_spend_cap):
        tomorrow = (now.astimezone(UTC) + timedelta(days=1)).replace(
            hour=0, minute=0, second=1, microsecond=0
        )
        return Blocked(
            reason=f"Trunk “{trunk}” has reached its spend cap of {trunk.daily_spend_cap} for "
            f"today. Raise it on the trunk, or wait until tomorrow (UTC).",
            until=tomorrow,
        )
    if use.calls >= trunk.max_calls:
        return Blocked(
            reason=f"All {trunk.max_calls} lines of trunk “{trunk}” are taken.",
            until=now + timedelta(seconds=FULL_WAIT_S),
        )
    free = datetime.fromtimestamp(max(use.free_at, now.timestamp() + 0.05), UTC)
    return Blocked(reason=f"Trunk “{trunk}” begins a call a moment later.", until=free)
