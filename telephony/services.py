"""What happens to calls. Webhooks, journal and reconciler all come through here, in any order."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from agents.models import Project, PublishedPlan
from telephony import erased, events, lifecycle
from telephony.lifecycle import CallState
from telephony.models import (
    NO_RULE_PREFIX,
    ROOM_PREFIX,
    UNKNOWN_PREFIX,
    Call,
    DispatchRule,
    Number,
    Trunk,
)


def is_ours(room: str) -> bool:
    """Whether a room was made by one of our rows' dispatch rules."""
    return room.startswith(f"{ROOM_PREFIX}_")


def is_unknown_number(room: str) -> bool:
    """Whether a room holds a caller who dialled a number nobody here has."""
    return room.startswith(f"{UNKNOWN_PREFIX}_")


def is_without_rule(room: str) -> bool:
    """Whether a room holds a caller whose trunk no rule of a row names."""
    return room.startswith(f"{NO_RULE_PREFIX}_")


@transaction.atomic
def note_unknown_number(
    *,
    room: str,
    at: datetime,
    room_sid: str,
    sip_call_id: str,
    caller: str,
    called: str,
    trunk_remote_id: str = "",
    reason: str = "unknown_number",
) -> Call:
    """A call which is over before it began, for the supervisor's list. Noting it again is fine.

    It was never open, so nobody is told to record it. That it is over makes its empty transcript.
    Raises CallErased.
    """
    erased.refuse(room)
    call, is_new = Call.objects.get_or_create(
        room=room,
        defaults={
            "room_sid": room_sid,
            "sip_call_id": sip_call_id,
            "caller": caller,
            "called": called,
            "state": CallState.FAILED,
            "end_reason": reason,
            "started_at": at,
            "ended_at": at,
            "last_seen_at": at,
        },
    )
    if is_new:
        if reason != "unknown_number":
            _place(call, trunk_remote_id=trunk_remote_id, plan_digest="")
            call.save()
        tell_over(call)
    return call


@transaction.atomic
def ensure_call(
    *,
    room: str,
    at: datetime,
    sip_call_id: str = "",
    room_sid: str = "",
    caller: str = "",
    called: str = "",
    trunk_remote_id: str = "",
    plan_digest: str = "",
) -> Call:
    """The call of `room`; created if nobody spoke of it before, completed with what is new.

    Raises CallErased for a call whose caller had everything about it erased.
    """
    call, is_new = Call.objects.filter(room=room).first(), False
    if call is None:
        erased.refuse(room)
        call, is_new = Call.objects.get_or_create(
            room=room, defaults={"started_at": at, "last_seen_at": at}
        )
    known = {
        "sip_call_id": sip_call_id,
        "room_sid": room_sid,
        "caller": caller,
        "called": called,
    }
    changed = {name for name, value in known.items() if value and not getattr(call, name)}
    for name in changed:
        setattr(call, name, known[name])
    changed |= _place(call, trunk_remote_id=trunk_remote_id, plan_digest=plan_digest)
    if at < call.started_at:
        call.started_at = at
        changed.add("started_at")
    if changed:
        call.save(update_fields=sorted(changed))
    if is_new:
        events.emit("call_opened", payload={"call": call.pk, "room": room})
    return call


def _place(call: Call, *, trunk_remote_id: str, plan_digest: str) -> set[str]:
    """Find trunk, number, project and plan of a call; return the names of the fields found."""
    before = (call.trunk_id, call.number_id, call.project_id, call.plan_digest)
    if not call.trunk_id and trunk_remote_id:
        call.trunk = Trunk.objects.filter(remote_id=trunk_remote_id).first()
    if not call.number_id and call.called:
        call.number = Number.objects.filter(e164=as_e164(call.called)).first()
    if not call.trunk_id and call.number:
        call.trunk = call.number.trunk
    if plan_digest:  # the worker knows which plan it runs; a hook can only guess
        call.plan_digest = plan_digest
        plan = PublishedPlan.objects.filter(digest=plan_digest).select_related("project").first()
        call.project = plan.project if plan else call.project
    if not call.project_id and call.trunk_id:
        call.project = project_of(call.trunk_id)
    if not call.plan_digest and call.project and call.project.published:
        call.plan_digest = call.project.published.digest
    after = (call.trunk_id, call.number_id, call.project_id, call.plan_digest)
    names = ("trunk", "number", "project", "plan_digest")
    return {name for name, was, now in zip(names, before, after, strict=True) if was != now}


def project_of(trunk_id: int) -> Project | None:
    """Who answers the calls of a trunk."""
    rule = (
        DispatchRule.objects.filter(trunks=trunk_id, enabled=True)
        .select_related("project__published")
        .order_by("pk")
        .first()
    )
    return rule.project if rule else None


def as_e164(number: str) -> str:
    """`+` and digits; providers write the same number with and without the plus."""
    digits = "".join(c for c in number if c.isdigit())
    return f"+{digits}" if digits else ""


@transaction.atomic
def move_call(*, room: str, to: CallState, at: datetime, reason: str = "") -> bool:
    """Move a call to state `to`; return False if that is not possible (any more).

    Events arrive twice and out of order. The guard lives in the WHERE clause, so a late
    “talking” can never reopen a call which has ended. When it was answered is noted even then.
    """
    over = to not in lifecycle.OPEN_STATES
    changes: dict[str, object] = {"state": to, "last_seen_at": at}
    if over:
        changes["ended_at"] = at
    unanswered = Call.objects.filter(room=room, answered_at=None)
    is_answer = to == CallState.TALKING and bool(unanswered.update(answered_at=at))
    moved = Call.objects.filter(room=room, state__in=lifecycle.sources(to)).update(**changes)
    if is_answer:
        _tell("call_answered", room)
    if moved and over:
        settle_reason(room=room, reason=reason, at=at)
        tell_over(Call.objects.get(room=room))
    return moved == 1


def tell_over(call: Call) -> None:
    """For those who wait for the end of a call, as recordings. Once a call, in its transaction."""
    events.emit(
        "call_over",
        payload={
            "call": call.pk, "room": call.room, "state": call.state, "reason": call.end_reason,
        },
    )  # fmt: skip


# of one worker's end; another may have gone on with the call, and then knows better
_PROVISIONAL = {"unknown", "error", "shutdown"}
EXPLAIN_AFTER = timedelta(seconds=10)  # so long a journal may take


def settle_reason(*, room: str, reason: str, at: datetime) -> bool:
    """Say why a call ends or ended, unless that is known. Never ends a call by itself.

    The journal's last entry knows the reason, hooks do not; either may come first.
    """
    if not reason:
        return False
    touch_call(room=room, at=at)
    known_worse = {"", "unknown"} if reason in _PROVISIONAL else {"", "abandoned", *_PROVISIONAL}
    unknown = Q(end_reason__in=known_worse)
    still_open = Q(state__in=list(lifecycle.OPEN_STATES))  # a second bot may have taken over
    settled = Call.objects.filter(unknown | still_open, room=room).update(end_reason=reason)
    if settled and reason == "refused":  # a hook saw the caller go before we knew that we sent him
        Call.objects.filter(room=room, state=CallState.ENDED).update(state=CallState.FAILED)
    return bool(settled)


def explain_ends(*, now: datetime) -> None:
    """Calls which are over and of which no journal told why: no worker had taken them yet. A
    journal which comes after all knows better."""
    silent = Call.objects.filter(end_reason="", ended_at__lt=now - EXPLAIN_AFTER)
    silent.filter(answered_at=None).update(end_reason="abandoned")
    silent.update(end_reason="unknown")


def leg(attributes: Mapping[str, str]) -> dict[str, str]:
    """What a caller's leg says of itself, as arguments of `ensure_call`."""
    return {
        "sip_call_id": attributes.get("sip.callID", ""),
        "caller": attributes.get("sip.phoneNumber", ""),
        "called": attributes.get("sip.trunkPhoneNumber", ""),
        "trunk_remote_id": attributes.get("sip.trunkID", ""),
    }


@transaction.atomic
def request_handover(*, room: str) -> bool:
    """The caller asked for a person. Returns whether that was news."""
    silent = Call.objects.filter(room=room, handover_requested=False)
    is_news = bool(silent.update(handover_requested=True))
    if is_news:
        _tell("call_handover_requested", room)
    return is_news


def _tell(event: str, room: str) -> None:
    for pk in Call.objects.filter(room=room).values_list("pk", flat=True):
        events.emit(event, payload={"call": pk, "room": room})


def touch_call(*, room: str, at: datetime) -> None:
    """Note a sign of life of an open call."""
    Call.objects.open().filter(room=room, last_seen_at__lt=at).update(last_seen_at=at)
