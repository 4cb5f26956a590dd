"""Joins what carriers tell to our calls. Events come twice, in any order, and often before or long
after LiveKit's own.

A carrier's call belongs to the leg which carries its id, or its SIP Call-ID, or, if neither is
known, to the one leg which began with the same numbers within half a minute. A call which is over
and belongs to none never reached LiveKit: it gets a row of its own, failed, for the supervisor's
list. Should LiveKit tell of it after all, that row goes.
"""

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from telephony import services
from telephony.carriers import CarrierEvent, fingerprint, words
from telephony.lifecycle import CallState
from telephony.models import Call, CarrierCall, CarrierHook, Leg, Number, Trunk
from telephony.models_carriers import ROOM_PREFIX
from telephony.sync import written_forms

log = logging.getLogger(__name__)

WINDOW = timedelta(seconds=30)
OLDEST_CALL = timedelta(hours=4)  # into which somebody is dialled

_ORDER = ["", "ringing", "answered", "ended"]
_LEARNED = (
    "sip_call_id", "outbound", "caller", "called", "status", "started_at", "answered_at",
    "ended_at", "duration_s", "sip_status", "cause", "words",
)  # fmt: skip


def told(*, payload: Mapping[str, Any]) -> int | None:
    """Learn from a stored event. Returns the carrier call if it was listed as one of which LiveKit
    has not told: that may be happening at this moment, so look again."""
    hook = CarrierHook.objects.filter(pk=payload["hook"]).first()
    if hook is None:
        return None  # deleted meanwhile
    event = CarrierEvent.from_plain(payload["event"])
    row, _ = CarrierCall.objects.get_or_create(
        hook=hook,
        carrier_id=event.carrier_id,
        defaults={"kind": hook.kind, "heard_at": event.at},
    )
    facts = CarrierCall.objects.select_for_update().get(pk=row.pk)
    _learn(facts, event)
    return facts.pk if _join(facts) else None


def look_again(*, carrier_call_id: int) -> None:
    """Join a call of which LiveKit has told in the same moment."""
    with transaction.atomic():
        facts = CarrierCall.objects.select_for_update().filter(pk=carrier_call_id).first()
        if facts:
            _join(facts)


@transaction.atomic
def adopt(leg: Leg) -> None:
    """A leg has become known: what a carrier has told of it already is its own."""
    alone = CarrierCall.objects.filter(leg=None)
    named = Q(pk=None)
    if leg.carrier_id:
        named |= Q(carrier_id=leg.carrier_id)
    if leg.sip_full_id:
        named |= Q(sip_call_id=leg.sip_full_id)
    found = list(alone.filter(named)[:4]) or _alike(alone, leg)
    if not found:
        return
    for facts in alone.select_for_update().filter(pk__in=[facts.pk for facts in found]):
        _attach(facts, leg)


# --- what is known of it --------------------------------------------------------------------------


def _learn(facts: CarrierCall, event: CarrierEvent) -> None:
    """Of each value the one told furthest into the call counts, of two the newer, so that the
    order in which events come does not. (Some events carry no time: they are as old as they are
    late.)"""
    rank = _ORDER.index(event.state)
    values = {name: getattr(event, name) for name in _LEARNED}
    values |= {"price": event.price, "currency": event.currency if event.price is not None else ""}
    for name, value in values.items():
        if value in ("", None):
            continue
        stamp = [rank, event.at.isoformat(), str(value)]
        if stamp > facts.told.get(name, []):
            facts.told[name] = stamp
            setattr(facts, name, value)
    if rank > _ORDER.index(facts.state):
        facts.state = event.state
    facts.heard_at = max(facts.heard_at, event.at)
    facts.save()


def _began(facts: CarrierCall) -> datetime | None:
    if facts.started_at:
        return facts.started_at
    if facts.answered_at:
        return facts.answered_at
    if facts.ended_at:
        return facts.ended_at - timedelta(seconds=facts.duration_s or 0)
    return None


# --- whose it is ----------------------------------------------------------------------------------


def _join(facts: CarrierCall) -> bool:
    """Whether it is now listed without a leg."""
    if facts.leg_id or (leg := _leg_of(facts)) is None:
        leg = facts.leg
    if leg:
        _attach(facts, leg)
        return False
    return facts.state == CarrierCall.State.ENDED and _list(facts)


def _leg_of(facts: CarrierCall) -> Leg | None:
    legs = _legs_of(facts.hook)
    by_name = legs.filter(carrier_id=facts.carrier_id).order_by("pk").first()
    if by_name is None and facts.sip_call_id:
        by_name = legs.filter(sip_full_id=facts.sip_call_id).order_by("pk").first()
    if by_name:
        return by_name
    began = _began(facts)
    if began is None:
        return None
    nameless = legs.filter(carrier_id="", carrier_calls=None)
    found = list(nameless.filter(_numbers(facts), _about(began)).select_related("call")[:2])
    return found[0] if len(found) == 1 else None


def _legs_of(hook: CarrierHook | None) -> QuerySet[Leg]:
    """Those which may be a hook's: of its trunks, or of a trunk nobody knows."""
    trunks = list(hook.trunks.values_list("pk", flat=True)) if hook else []
    return Leg.objects.filter(Q(trunk=None) | Q(trunk__in=trunks)) if trunks else Leg.objects.all()


def _numbers(facts: CarrierCall) -> Q:
    if not facts.caller or not facts.called:
        return Q(pk=None)
    called = _forms(facts.called)
    inbound = Q(outbound=False, call__caller__in=_forms(facts.caller), call__called__in=called)
    outbound = Q(outbound=True, remote__in=called)
    if facts.outbound is None:
        return inbound | outbound
    return outbound if facts.outbound else inbound


def _about(began: datetime) -> Q:
    """Calls are indexed by their start, legs are not."""
    first, last = began - WINDOW, began + WINDOW
    return Q(started_at__range=(first, last), call__started_at__range=(first - OLDEST_CALL, last))


def _forms(number: str) -> list[str]:
    e164 = services.as_e164(number)
    return [number, *written_forms(e164)] if e164 else [number]


def _alike(alone: QuerySet[CarrierCall], leg: Leg) -> list[CarrierCall]:
    """The one carrier's call with a leg's numbers and time; none if there are several."""
    if leg.carrier_id:
        return []
    at = (leg.started_at - WINDOW, leg.started_at + WINDOW)
    dialled = [*_forms(leg.call.called), *_forms(leg.remote)]
    near = alone.filter(started_at__range=at, called__in=[one for one in dialled if one])
    near = near.select_related("hook")[:20]
    found = [facts for facts in near if (theirs := _leg_of(facts)) and theirs.pk == leg.pk]
    return found if len(found) == 1 else []


def _attach(facts: CarrierCall, leg: Leg) -> None:
    ghost = facts.call_id if facts.call_id != leg.call_id else None
    CarrierCall.objects.filter(pk=facts.pk).update(leg=leg, call=leg.call_id)
    Leg.objects.filter(pk=leg.pk, carrier_id="").update(carrier_id=facts.carrier_id)
    if facts.sip_status and facts.sip_status >= 400:
        Leg.objects.filter(pk=leg.pk, sip_status=None).update(sip_status=facts.sip_status)
    if ghost:
        Call.objects.filter(
            pk=ghost, room__startswith=f"{ROOM_PREFIX}_", carrier_calls=None
        ).delete()


# --- calls which never reached us -----------------------------------------------------------------


def _list(facts: CarrierCall) -> bool:
    trunk, number = _line(facts)
    began = _began(facts) or facts.heard_at
    listed = facts.hook is not None and (trunk is not None or facts.hook.all_numbers)
    if facts.call_id is None and (not listed or _may_be_ours(facts, began)):
        return False
    outbound = bool(facts.outbound)
    reason = words.reason(outbound=outbound, sip=facts.sip_status, cause=facts.cause)
    if trunk is None and not outbound:
        reason = "unknown_number"
    call, is_new = Call.objects.update_or_create(
        room=f"{ROOM_PREFIX}_{facts.kind}_{_room_part(facts)}",
        defaults={"end_reason": reason, "started_at": began,
                  "ended_at": max(facts.ended_at or facts.heard_at, began)},
        create_defaults={
            "direction": Call.Direction.OUTBOUND if outbound else Call.Direction.INBOUND,
            "trunk": trunk, "number": number, "caller": facts.caller, "called": facts.called,
            "project": services.project_of(trunk.pk) if trunk and not outbound else None,
            "state": CallState.FAILED, "end_reason": reason, "started_at": began,
            "ended_at": max(facts.ended_at or facts.heard_at, began),
            "last_seen_at": facts.heard_at,
        },
    )  # fmt: skip
    if is_new:
        CarrierCall.objects.filter(pk=facts.pk).update(call=call)
        services.tell_over(call)
    return is_new


def _line(facts: CarrierCall) -> tuple[Trunk | None, Number | None]:
    """The trunk and number a call was for, if they are ours."""
    if not facts.outbound:
        number = Number.objects.filter(e164=services.as_e164(facts.called)).first()
        return (number.trunk, number) if number else (None, None)
    shown = services.as_e164(facts.caller)
    for trunk in Trunk.objects.filter(direction=Trunk.Direction.OUTBOUND).order_by("pk"):
        if shown and shown in trunk.caller_ids:
            return trunk, None
    return None, None


def _may_be_ours(facts: CarrierCall, began: datetime) -> bool:
    """Whether a call we know may be this one: then it is not listed twice, nor joined by guess."""
    near = Call.objects.filter(started_at__range=(began - WINDOW, began + WINDOW))
    mine = near.filter(carrier_calls=None).exclude(room__startswith=f"{ROOM_PREFIX}_")
    if facts.outbound:
        return mine.filter(legs__remote__in=_forms(facts.called)).exists()
    return mine.filter(called__in=_forms(facts.called), direction=Call.Direction.INBOUND).exists()


def _room_part(facts: CarrierCall) -> str:
    name = facts.carrier_id
    plain = name.isascii() and name.replace("-", "").isalnum() and len(name) <= 64
    return name if plain else fingerprint(name.encode())
