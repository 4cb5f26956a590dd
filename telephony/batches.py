"""Batches: a list of numbers becomes calls, which are begun at a pace until the batch is paused."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count

from telephony import dialling, erased, numberlist, outbound, outbound_checks, tasks
from telephony.dialling import Destination
from telephony.later import after_commit
from telephony.models import Batch, DestinationRule, DoNotCall, OutboundCall
from telephony.models_outbound import UNDER_WAY, OutboundState, profile_of
from telephony.numberlist import Line

SHOWN_ERRORS = 200
_CHUNK = 500
State = Batch.State


@transaction.atomic
def create(*, batch: Batch, data: bytes, by: str, now: datetime) -> Batch:
    """A draft with the calls of a file. Nobody is called before it is started.

    Raises Misshapen for a file which is none, CallNotAllowed for a trunk which is not ready.
    """
    trunk = outbound_checks.trunk_of(batch.trunk_id)
    batch.caller_id = outbound_checks.caller_id_of(trunk, batch.caller_id)
    lines = list(_allowed(numberlist.read(data), needs=profile_of(batch.project).needs_consent))
    bad = [line for line in lines if line.error]
    batch.report = {
        "good": len(lines) - len(bad),
        "bad": len(bad),
        "errors": [[line.line, line.error[:300]] for line in bad[:SHOWN_ERRORS]],
    }
    batch.created_by, batch.created_at = by[:150], now
    batch.save()
    good = [_call(batch, line, by, now) for line in lines if not line.error]
    OutboundCall.objects.bulk_create(good, batch_size=_CHUNK)
    return batch


def _call(batch: Batch, line: Line, by: str, now: datetime) -> OutboundCall:
    return OutboundCall(
        to=line.number, project=batch.project, trunk=batch.trunk, caller_id=batch.caller_id,
        variables=line.variables, consent=line.consent, batch=batch, next_at=now,
        requested_by=by[:150], requested_at=now,
    )  # fmt: skip


def _allowed(lines: Iterable[Line], *, needs: bool) -> Iterator[Line]:
    """With an error for each number which may not be called now."""
    lines = list(lines)
    rules = [
        Destination(prefix=rule.prefix, allow=rule.allow, premium=rule.premium)
        for rule in DestinationRule.objects.all()
    ]
    listed = _listed([line.number for line in lines if not line.error])
    for line in lines:
        yield line if line.error else replace(line, error=_why_not(line, rules, listed, needs))


def _why_not(line: Line, rules: list[Destination], listed: set[str], needs: bool) -> str:
    if line.number in listed:
        return f"{line.number} is on the do-not-call list."
    if needs and not line.consent:
        return f"{line.number}: no consent is noted. Write yes into the column “consent”."
    why = dialling.hindrance(line.number, rules)
    return f"{line.number}: {why}" if why else ""


def _listed(numbers: list[str]) -> set[str]:
    found: set[str] = set()
    for begin in range(0, len(numbers), _CHUNK):
        part = numbers[begin : begin + _CHUNK]
        found |= set(DoNotCall.objects.filter(number__in=part).values_list("number", flat=True))
        found |= set(erased.suppressed(part))
    return found


def start(*, batch_id: int) -> bool:
    """From a draft or a pause. False if it runs or is over."""
    mine = Batch.objects.filter(pk=batch_id, state__in=[State.DRAFT, State.PAUSED])
    if not mine.update(state=State.RUNNING):
        return False
    outbound.finish_batch(batch_id)  # of a file in which no line was good
    after_commit(tasks.sweep_outbound.delay)
    return True


def pause(*, batch_id: int) -> bool:
    """Calls under way go on; no other begins."""
    mine = Batch.objects.filter(pk=batch_id, state=State.RUNNING)
    return bool(mine.update(state=State.PAUSED))


@transaction.atomic
def cancel(*, batch_id: int, by: str, now: datetime) -> bool:
    """Nobody of it is called any more; whose telephone rings or who talks is hung up."""
    mine = Batch.objects.filter(pk=batch_id).exclude(state__in=[State.CANCELLED, State.DONE])
    if not mine.update(state=State.CANCELLED):
        return False
    calls = OutboundCall.objects.filter(batch=batch_id)
    calls.filter(state=OutboundState.WAITING).update(
        state=OutboundState.CANCELLED, outcome="cancelled", words=f"Called off by {by}."[:300]
    )
    for pk in calls.filter(state__in=UNDER_WAY).values_list("pk", flat=True):
        outbound.cancel(outbound_id=pk, by=by, now=now)
    return True


def progress(batch_id: int) -> dict[str, Any]:
    """Calls by state and outcome, in words."""
    calls = OutboundCall.objects.filter(batch=batch_id)
    by_state = dict(calls.order_by().values_list("state").annotate(Count("pk")))
    by_outcome = dict(calls.order_by().values_list("outcome").annotate(Count("pk")))
    total = sum(by_state.values())
    left = sum(by_state.get(state, 0) for state in (OutboundState.WAITING, *UNDER_WAY))
    return {
        "total": total,
        "over": total - left,
        "states": [(label, by_state[s]) for s, label in OutboundState.choices if by_state.get(s)],
        "outcomes": sorted(
            (OutboundCall(outcome=key).get_outcome_display(), n)
            for key, n in by_outcome.items()
            if key
        ),
    }
