"""What becomes of the telephones in a call. Told by hooks and the reconciler, in any order."""

from collections.abc import Mapping
from datetime import datetime

from telephony import carrier_calls
from telephony.lifecycle import OPEN_LEG_STATES, LegState
from telephony.models import Leg, Trunk
from telephony.models_legs import SIDE_PREFIX

_STATES = {
    "dialing": LegState.DIALING,
    "ringing": LegState.RINGING,
    "automation": LegState.ACTIVE,  # digits are sent to somebody who has answered
    "active": LegState.ACTIVE,
}
_ORDER = list(LegState)
# a foreign text must not break the row
_LONGEST = {"remote": 64, "sip_call_id": 64, "sip_full_id": 255, "carrier_id": 128}
# where carriers put their own name of a call
_CARRIER_IDS = ("sip.twilio.callSid", "sip.telnyx.callLegID", "sip.h.x-plivo-calluuid")


def is_main(identity: str) -> bool:
    """Whether a participant is the call's own telephone: when it goes, the call is over."""
    return not identity.startswith(SIDE_PREFIX)


def note(*, call_id: int, identity: str, attributes: Mapping[str, str], at: datetime) -> Leg:
    """The leg of a participant, with whatever is new. Nothing known is overwritten; noting an
    older state changes nothing."""
    leg, _ = Leg.objects.get_or_create(
        call_id=call_id,
        identity=identity,
        defaults={
            "started_at": at,
            "role": Leg.Role.MAIN if is_main(identity) else Leg.Role.TARGET,
            "outbound": "sip.ruleID" not in attributes,
        },
    )
    told = {
        "remote": attributes.get("sip.phoneNumber", ""),
        "sip_call_id": attributes.get("sip.callID", ""),
        "sip_full_id": attributes.get("sip.callIDFull", ""),
        "carrier_id": next((attributes[key] for key in _CARRIER_IDS if attributes.get(key)), ""),
    }
    changes: dict[str, object] = {
        name: value[: _LONGEST[name]]
        for name, value in told.items()
        if value and not getattr(leg, name)
    }
    if not leg.trunk_id and (trunk := _trunk(attributes)):
        changes["trunk"] = trunk
    if changes:
        Leg.objects.filter(pk=leg.pk).update(**changes)
        leg.refresh_from_db()
        carrier_calls.adopt(leg)
    move(leg_id=leg.pk, to=_STATES.get(attributes.get("sip.callStatus", "")), at=at)
    leg.refresh_from_db()
    return leg


def move(*, leg_id: int, to: LegState | None, at: datetime) -> bool:
    """Move a leg on, never back; return whether it moved."""
    if to is None:
        return False
    earlier = [state for state in OPEN_LEG_STATES if _ORDER.index(state) < _ORDER.index(to)]
    if to is LegState.ACTIVE:
        Leg.objects.filter(pk=leg_id, answered_at=None).update(answered_at=at)
    changes = {"ended_at": at} if to not in OPEN_LEG_STATES else {}
    mine = Leg.objects.filter(pk=leg_id, state__in=earlier)
    return bool(mine.update(state=to, **changes))


def over(*, call_id: int, identity: str, attributes: Mapping[str, str], at: datetime) -> Leg:
    """A participant has left. A leg nobody ever answered has failed."""
    leg = note(call_id=call_id, identity=identity, attributes=attributes, at=at)
    move(leg_id=leg.pk, to=LegState.ENDED if leg.answered_at else LegState.FAILED, at=at)
    return leg


def close_all(*, call_id: int, at: datetime) -> None:
    """The room is gone, and so is everybody in it."""
    for leg in Leg.objects.filter(call_id=call_id, state__in=OPEN_LEG_STATES):
        move(leg_id=leg.pk, to=LegState.ENDED if leg.answered_at else LegState.FAILED, at=at)


def _trunk(attributes: Mapping[str, str]) -> Trunk | None:
    remote_id = attributes.get("sip.trunkID", "")
    return Trunk.objects.filter(remote_id=remote_id).first() if remote_id else None
