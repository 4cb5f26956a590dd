"""Calls we make: asked for, checked, begun, and called off. What becomes of them: outbound_ends.

A call is begun by making its room with our agent in it. The worker which takes the job asks for the
number (`claim`), once, and dials: it is in the room before anybody can answer.
"""

import json
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from agents.order import Order
from telephony import caps, dialling, events, services, sync, tasks
from telephony.caps import Blocked
from telephony.errors import CallNotAllowed, GatewayRefused, GatewayUnavailable
from telephony.gateway import Gateway
from telephony.later import after_commit
from telephony.lifecycle import CallState
from telephony.models import (
    ROOM_PREFIX,
    Batch,
    Call,
    OutboundCall,
)
from telephony.models_hours import hours_of
from telephony.models_outbound import UNDER_WAY, OutboundState, profile_of
from telephony.outbound_checks import Checked, check, checked_variables, not_listed

CALLEE = "callee"
NOT_SYNCED_S = 10
LOOK_S = 5  # between two looks at what is due (contactcenter.celery)


# --- asking for one ------------------------------------------------------------------------------


@transaction.atomic
def request_call(
    *,
    to: str,
    project_id: int,
    trunk_id: int | None = None,
    caller_id: str = "",
    variables: Mapping[str, str] | None = None,
    by: str,
    now: datetime,
    consent: bool = False,
) -> OutboundCall:
    """Store a call to be made at the next moment at which it may be, and queue it after commit.

    Raises CallNotAllowed, whose text is for a person: whatever can be known now is checked now.
    """
    found = check(
        to=to, project_id=project_id, trunk_id=trunk_id, caller_id=caller_id, consent=consent,
        now=now,
    )  # fmt: skip
    call = OutboundCall.objects.create(
        to=found.to, project=found.project, trunk=found.trunk, caller_id=found.caller_id,
        variables=checked_variables(variables or {}), consent=consent, next_at=found.at,
        requested_by=by[:150], requested_at=now,
    )  # fmt: skip
    if found.at <= now:
        after_commit(tasks.place_call.delay, outbound_id=call.pk)
    return call


# --- beginning it ---------------------------------------------------------------------------------


def place(*, outbound_id: int, now: datetime, gateway: Gateway) -> Blocked | None:
    """Begin a call which is due. Repeating it, or two at once, begins it once.

    Returns what keeps it from beginning now, if anything; the row says when it is looked at again.
    """
    row = _due(outbound_id, now)
    if row is None:
        return None
    try:
        found = check(
            to=row.to, project_id=row.project_id, trunk_id=row.trunk_id, caller_id=row.caller_id,
            consent=row.consent, now=now,
        )  # fmt: skip
    except CallNotAllowed as reason:
        _refuse(row, str(reason))
        return None
    room = _begin(row, found, now)
    if isinstance(room, Blocked):
        return room
    if room:
        _open(row, room, found, now, gateway)
    return None


def _due(outbound_id: int, now: datetime) -> OutboundCall | None:
    waiting = OutboundCall.objects.select_related("batch__window", "trunk")
    return waiting.filter(
        pk=outbound_id, state=OutboundState.WAITING, next_at__lte=now + timedelta(seconds=0.2)
    ).first()


def _refuse(row: OutboundCall, reason: str) -> None:
    mine = OutboundCall.objects.filter(pk=row.pk, state=OutboundState.WAITING)
    mine.update(state=OutboundState.REFUSED, outcome="not_allowed", words=reason[:300])
    finish_batch(row.batch_id)


def _begin(row: OutboundCall, found: Checked, now: datetime) -> str | Blocked:
    """Take the row and everything it needs; return the room's name, or nothing if it is taken."""
    if blocked := _obstacle(row, found, now):
        _wait(row, blocked.until)
        return blocked
    with transaction.atomic():
        mine = OutboundCall.objects.filter(pk=row.pk, state=OutboundState.WAITING)
        taken = mine.update(
            state=OutboundState.DIALLING, attempts=F("attempts") + 1, attempted_at=now,
            dialled_at=None, outcome="", sip_status=None, words="", answered_by="",
            answered_by_reason="",
        )  # fmt: skip
        if not taken:
            return ""
        blocked = _take(row, found, now)
        if blocked:
            transaction.set_rollback(True)
        else:
            return _call_row(row, found, now)
    _wait(row, blocked.until)
    return blocked


def _obstacle(row: OutboundCall, found: Checked, now: datetime) -> Blocked | None:
    """What has nothing to do with caps: the callee's night, the batch's window and pace."""
    if found.at > now:
        return Blocked(reason="It is not calling time where the callee is.", until=found.at)
    if not found.trunk.remote_id:
        until = now + timedelta(seconds=NOT_SYNCED_S)
        return Blocked(reason=f"Trunk “{found.trunk}” is not on LiveKit yet.", until=until)
    if row.batch and row.batch.window:
        opens = dialling.first_open([hours_of(row.batch.window)], now)
        if opens is None or opens > now:
            until = opens or now + timedelta(days=1)
            return Blocked(reason="The batch's hours are over for now.", until=until)
    return None


def _take(row: OutboundCall, found: Checked, now: datetime) -> Blocked | None:
    """The trunk's caps and the batch's pace, all or, by the caller's rollback, nothing."""
    minutes = found.profile.max_minutes
    blocked = caps.take(
        outbound_id=row.pk, trunk=found.trunk, price=found.price, minutes=minutes, now=now
    )
    if blocked or row.batch is None or caps.take_of_batch(batch_id=row.batch.pk, now=now):
        return blocked
    return Blocked(reason="The batch's pace.", until=now + timedelta(seconds=1))


def _wait(row: OutboundCall, until: datetime) -> None:
    OutboundCall.objects.filter(pk=row.pk, state=OutboundState.WAITING).update(next_at=until)


def _call_row(row: OutboundCall, found: Checked, now: datetime) -> str:
    """The attempt as a Call, known before anybody can tell us of it."""
    room = f"{ROOM_PREFIX}_out_{uuid.uuid4().hex}"
    plan = found.project.published
    call = Call.objects.create(
        room=room, direction=Call.Direction.OUTBOUND, trunk=found.trunk, project=found.project,
        plan_digest=plan.digest if plan else "", caller=found.caller_id, called=found.to,
        started_at=now, last_seen_at=now,
    )  # fmt: skip
    OutboundCall.objects.filter(pk=row.pk).update(call=call)
    events.emit("call_opened", payload={"call": call.pk, "room": room})
    return room


def _open(
    row: OutboundCall, room: str, found: Checked, now: datetime, gateway: Gateway
) -> None:  # fmt: skip
    """Make the room; our agent comes into it and asks for the number."""
    digest = found.project.published.digest if found.project.published else ""
    try:
        gateway.create_room(room=room, metadata=metadata(digest, row.pk))
    except (GatewayUnavailable, GatewayRefused):
        services.move_call(room=room, to=CallState.FAILED, at=now, reason="no_agent")
        raise


def metadata(digest: str, outbound_id: int) -> str:
    """What the job is told. No number: anybody in the room may read it."""
    return json.dumps({**json.loads(sync.plan_metadata(digest)), "outbound": outbound_id})


# --- dialling it ----------------------------------------------------------------------------------


def claim(*, outbound_id: int, room: str, now: datetime) -> Order:
    """Tell a worker whom to dial; each attempt is told once, so nobody is called twice.

    Raises CallNotAllowed.
    """
    wanted = OutboundCall.objects.filter(pk=outbound_id)
    not_listed(wanted.values_list("to", flat=True).first() or "")
    mine = OutboundCall.objects.filter(
        pk=outbound_id, state=OutboundState.DIALLING, dialled_at=None, outcome="",
        call__in=Call.objects.open().filter(room=room),
    )  # fmt: skip
    if not mine.update(dialled_at=now):
        raise CallNotAllowed("This call was dialled before, or called off.")
    row = OutboundCall.objects.select_related("project", "trunk").get(pk=outbound_id)
    return order_of(row)


def order_of(row: OutboundCall) -> Order:
    profile = profile_of(row.project)
    values: dict[str, Any] = {
        name: getattr(profile, name)
        for name in (
            "ring_s", "greeting", "message", "who_calls", "detect", "on_voicemail", "on_ivr",
            "on_screening",
        )
    }  # fmt: skip
    return Order(
        id=row.pk, to=row.to, trunk=row.trunk.remote_id, caller_id=row.caller_id,
        identity=identity_of(row.pk), max_call_s=profile.max_minutes * 60,
        variables=row.variables, **values,
    )  # fmt: skip


def identity_of(outbound_id: int) -> str:
    """The callee's name in the room. His end is the call's end (legs.is_main)."""
    return f"{CALLEE}_{outbound_id}"


# --- calling it off -------------------------------------------------------------------------------


@transaction.atomic
def cancel(*, outbound_id: int, by: str, now: datetime) -> bool:
    """Call it off: waiting, ringing or talking. False if it is over already."""
    mine = OutboundCall.objects.filter(pk=outbound_id)
    words = f"Called off by {by}."[:300]
    if mine.filter(state=OutboundState.WAITING).update(
        state=OutboundState.CANCELLED, outcome="cancelled", words=words
    ):
        finish_batch(mine.values_list("batch", flat=True).first())
        return True
    if not mine.filter(state__in=UNDER_WAY).update(outcome="cancelled", words=words):
        return False
    after_commit(tasks.hang_up_call.delay, outbound_id=outbound_id)
    return True


def hang_up(*, outbound_id: int, now: datetime, gateway: Gateway) -> None:
    """End what was called off. The callee's telephone stops ringing."""
    row = OutboundCall.objects.select_related("call").get(pk=outbound_id)
    if row.call and row.outcome == "cancelled":
        services.move_call(room=row.call.room, to=CallState.ENDED, at=now, reason="cancelled")
        gateway.delete_room(room=row.call.room)


def due(*, now: datetime, limit: int = 50) -> list[int]:
    """Calls which may begin, the longest waiting first: single ones, and of each running batch as
    many as its pace may let through until the next look."""
    waiting = OutboundCall.objects.filter(state=OutboundState.WAITING, next_at__lte=now)
    single = waiting.filter(batch=None).order_by("next_at")
    found = list(single.values_list("pk", flat=True)[:limit])
    for batch in Batch.objects.filter(state=Batch.State.RUNNING).only("pk", "per_minute"):
        paced = 1 + batch.per_minute * LOOK_S // 60
        mine = waiting.filter(batch=batch.pk).order_by("next_at")
        found += mine.values_list("pk", flat=True)[:paced]
    return found


def finish_batch(batch_id: int | None) -> None:
    """A running batch in which nothing is left to do is done."""
    left = OutboundCall.objects.filter(
        batch=batch_id, state__in=[OutboundState.WAITING, *UNDER_WAY]
    )
    if batch_id and not left.exists():
        running = Batch.objects.filter(pk=batch_id, state=Batch.State.RUNNING)
        running.update(state=Batch.State.DONE)
