"""What became of the calls we made: told by the worker's journal or by hooks, or swept up."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F

from telephony import caps, dialling, legs, outbound, services
from telephony.errors import GatewayRefused
from telephony.gateway import Gateway
from telephony.lifecycle import CallState
from telephony.models import Batch, Call, Leg, OutboundCall
from telephony.models_outbound import (
    OUTCOMES,
    UNDER_WAY,
    OutboundState,
    profile_of,
)

JOURNAL_S = 20  # so long the journal may come after the end; it knows the carrier's answer
NO_AGENT_AGAIN_S = 20
A_ROUND = 200
_MACHINES = {"voicemail", "ivr"}
_OURS_FAILED = {"error", "providers", "shutdown"}


def heard(*, room: str, kind: str, data: Mapping[str, Any], at: datetime) -> None:
    """An entry of the worker's journal which is about a call we made; others are passed over."""
    row = OutboundCall.objects.under_way().filter(call__room=room).select_related("call").first()
    if row is None or row.call is None:
        return
    mine = OutboundCall.objects.filter(pk=row.pk, state__in=UNDER_WAY)
    if kind == "answered":
        mine.filter(state=OutboundState.DIALLING).update(state=OutboundState.TALKING)
    elif kind == "dialled":
        _note_status(row, row.call, data, at)
    elif kind == "answered_by":
        verdict = str(data.get("verdict", ""))[:9]
        mine.update(answered_by=verdict, answered_by_reason=str(data.get("reason", ""))[:200])
    elif kind == "closed":
        settle(call_id=row.call.pk, now=at)


def _note_status(row: OutboundCall, call: Call, data: Mapping[str, Any], at: datetime) -> None:
    status = data.get("status")
    status = status if isinstance(status, int) and 0 < status < 700 else 0
    words = dialling.words_for(status) or str(data.get("detail", ""))
    OutboundCall.objects.filter(pk=row.pk).update(sip_status=status or None, words=words[:300])
    if data.get("rang") is False:  # as if no worker had come
        OutboundCall.objects.filter(pk=row.pk, state=OutboundState.DIALLING).update(dialled_at=None)
        return
    leg = legs.note(call_id=call.pk, identity=outbound.identity_of(row.pk), attributes={}, at=at)
    if status:
        Leg.objects.filter(pk=leg.pk, sip_status=None).update(sip_status=status)


def call_over(*, payload: Mapping[str, Any]) -> None:
    """telephony.events' call_over. Without the journal's last word the sweep settles it later."""
    settle(call_id=payload["call"], now=Call.objects.get(pk=payload["call"]).ended_at)


@transaction.atomic
def settle(*, call_id: int, now: datetime | None, anyway: bool = False) -> bool:
    """Close an attempt whose call is over, once: free its slot, call again or be done."""
    row = (
        OutboundCall.objects.under_way()
        .select_related("call", "project", "batch")
        .filter(call=call_id, call__ended_at__isnull=False)
        .first()
    )
    if row is None or row.call is None or now is None:
        return False
    if not (row.call.end_reason or row.outcome or anyway):
        return False
    outcome = outcome_of(row, row.call)
    state, next_at = _next(row, row.call, outcome, now)
    changes: dict[str, object] = {"state": state, "outcome": outcome, "next_at": next_at}
    if not row.words:
        changes["words"] = OUTCOMES.get(outcome, "")
    if outcome == "no_agent" and row.dialled_at is None:
        changes["attempts"] = F("attempts") - 1  # nobody's telephone rang
    mine = OutboundCall.objects.filter(pk=row.pk, state__in=UNDER_WAY)
    if not mine.update(**changes):
        return False
    caps.give_back(outbound_id=row.pk, talked_s=_talked_s(row.call))
    if row.batch_id:
        outbound.finish_batch(row.batch_id)
    return True


def outcome_of(row: OutboundCall, call: Call) -> str:
    if row.outcome == "cancelled":
        return "cancelled"
    if call.answered_at:
        if call.end_reason in _OURS_FAILED:
            return "error"
        return "machine" if row.answered_by in _MACHINES else "talked"
    if row.sip_status and row.sip_status >= 300:
        return dialling.outcome_of(row.sip_status)
    if row.dialled_at is None:
        return "no_agent"
    return call.end_reason if call.end_reason and call.end_reason in OUTCOMES else "unknown"


def _next(
    row: OutboundCall, call: Call, outcome: str, now: datetime
) -> tuple[OutboundState, datetime]:
    if outcome == "cancelled":
        return OutboundState.CANCELLED, row.next_at
    if outcome == "no_agent" and row.dialled_at is None:
        return OutboundState.WAITING, now + timedelta(seconds=NO_AGENT_AGAIN_S)
    talked = call.answered_at is not None and outcome != "machine"
    plan = profile_of(row.project).retry_plan()
    again = dialling.next_attempt(plan, outcome=outcome, attempts=row.attempts, now=now)
    called_off = row.batch is not None and row.batch.state == Batch.State.CANCELLED
    if (
        again and not talked and not called_off
    ):  # whoever has heard us is not called again by a machine
        return OutboundState.WAITING, again
    is_done = outcome in {"talked", "machine"}
    return (OutboundState.DONE if is_done else OutboundState.FAILED), row.next_at


def _talked_s(call: Call) -> float:
    if call.answered_at is None or call.ended_at is None:
        return 0.0
    return max(1.0, (call.ended_at - call.answered_at).total_seconds())


def sweep(*, now: datetime, gateway: Gateway) -> None:
    """What nobody told us: workers which never came, journals which do not come. May repeat."""
    under_way = OutboundCall.objects.under_way()
    ended = under_way.filter(call__ended_at__lt=now - timedelta(seconds=JOURNAL_S))
    for call_id in list(ended.values_list("call_id", flat=True)[:A_ROUND]):
        settle(call_id=call_id or 0, now=now, anyway=True)
    late = now - timedelta(seconds=settings.NO_AGENT_SECONDS + 2)
    alone = under_way.filter(
        dialled_at=None, attempted_at__lt=late, call__ended_at=None, call__isnull=False
    )
    for room in list(alone.values_list("call__room", flat=True)[:A_ROUND]):
        _give_up(str(room), now, gateway)


def _give_up(room: str, now: datetime, gateway: Gateway) -> None:
    """No worker took it. First the state, so that a late one is told no."""
    services.move_call(room=room, to=CallState.FAILED, at=now, reason="no_agent")
    try:
        gateway.delete_room(room=room)
    except GatewayRefused:
        return
