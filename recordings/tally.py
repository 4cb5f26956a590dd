"""Counts a finished call: its cost, a row of figures for each turn, the counters. Repeatable."""

from collections import Counter as Tally
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone

from recordings import counters, rollup
from recordings.costs import ZERO, Spent, spent_on
from recordings.models import Analysis, CallCost, JournalEntry, TurnFigure
from recordings.turns import Turn, turns_of
from telephony.models import Call


@transaction.atomic
def tally(*, call_id: int, now: datetime) -> CallCost:
    """Write what a call cost and how fast it was, in place of what was written before."""
    call = Call.objects.select_for_update().get(pk=call_id)
    turns = turns_of(call)
    day = timezone.localdate(call.started_at)
    costs = [spent_on(turn.usage, on=day) for turn in turns]
    whole = Spent()
    for spent in costs:
        whole.add(spent)
    for usage in Analysis.objects.filter(call=call).values_list("usage", flat=True):
        whole.add(spent_on(usage, on=day))  # after the call: of no turn, but of the call
    figures = [
        _figure(call, n, turn, spent.amount)
        for n, (turn, spent) in enumerate(zip(turns, costs, strict=True), start=1)
        if turn.start_ms is not None
    ]
    TurnFigure.objects.filter(call=call).delete()
    TurnFigure.objects.bulk_create(figures)
    counted = _counts(call, turns, whole.amount)
    before = CallCost.objects.filter(call=call).values_list("counted", flat=True).first()
    counters.add(before or {}, counted)
    rollup.roll_up(call_id=call_id)
    return _write(call, whole, counted, now)


def _write(call: Call, whole: Spent, counted: dict[str, Any], now: datetime) -> CallCost:
    cost, _ = CallCost.objects.update_or_create(
        call=call,
        defaults={
            "project": call.project,
            "at": call.started_at,
            "seconds": _seconds(call),
            "amount": whole.amount,
            "by_role": {role: str(amount) for role, amount in sorted(whole.by_role.items())},
            "unpriced": bool(whole.missing),
            "missing": sorted(whole.missing),
            "counted": counted,
            "computed_at": now,
        },
    )
    return cost


def _figure(call: Call, n: int, turn: Turn, cost: Decimal) -> TurnFigure:
    return TurnFigure(
        call=call,
        n=n,
        project=call.project,
        at=call.started_at + timedelta(milliseconds=turn.start_ms or 0),
        **{role: turn.providers.get(role, "") for role in ("stt", "llm", "tts")},
        **{f"{stage}_ms": ms for stage, ms in turn.ms.items()},
        cost=cost,
        switched=bool(turn.switches),
    )


def _seconds(call: Call) -> int:
    if call.answered_at is None or call.ended_at is None:
        return 0
    return max(0, round((call.ended_at - call.answered_at).total_seconds()))


def _counts(call: Call, turns: list[Turn], amount: Decimal) -> dict[str, Any]:
    """What this call adds to the counters of /metrics."""
    project = call.project.slug if call.project else ""
    counts: Tally[str] = Tally()
    counts[counters.key("sessions", project, call.end_reason or "unknown")] += 1
    for turn in turns:
        for stage, ms in turn.ms.items():
            counters.observe(counts, stage, ms)
        for switch in turn.switches:
            labels = (str(switch.get(name, "")) for name in ("role", "provider", "reason"))
            counts[counters.key("switches", *labels)] += 1
    for data in JournalEntry.objects.filter(call=call, kind="error").values_list("data", flat=True):
        counts[counters.key("errors", str(data.get("what", "")))] += 1
    cost = {counters.key("cost", project): str(amount)} if amount != ZERO else {}
    return dict(counts) | cost
