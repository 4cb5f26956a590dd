"""A caller for whom no worker comes is put through to another number.

A leg which still rings cannot be referred (LiveKit: “can't transfer non established call”). So the
other number is dialled into the caller's room: LiveKit answers him as soon as that leg is there,
plays him ringing, and lets the two hear each other. No worker is needed for it.
"""

import logging
from datetime import datetime, timedelta

from django.conf import settings

from telephony import entrance, legs, services
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.gateway import Gateway
from telephony.lifecycle import CallState, LegState
from telephony.live import LiveParticipant
from telephony.models import Call, Leg
from telephony.models_legs import SIDE_PREFIX

log = logging.getLogger(__name__)

IDENTITY = f"{SIDE_PREFIX}overflow"
RING_S = 30  # so long the other telephone may ring


def limit(call: Call) -> timedelta:
    """How long a caller may be without a worker."""
    policy = entrance.of_call(call.number)
    return timedelta(seconds=(policy and policy.ring_limit_s) or settings.NO_AGENT_SECONDS)


def send_elsewhere(*, call: Call, now: datetime, gateway: Gateway) -> bool:
    """Dial the number's other telephone, once in a call; whether that was done now."""
    policy = entrance.of_call(call.number)
    trunk = policy.overflow_trunk if policy else None
    if policy is None or not policy.overflow_number or trunk is None or not trunk.remote_id:
        return False
    leg, is_mine = Leg.objects.get_or_create(
        call=call, identity=IDENTITY,
        defaults={
            "role": Leg.Role.TARGET, "outbound": True, "trunk": trunk, "started_at": now,
            "remote": policy.overflow_number,
        },
    )  # fmt: skip
    if not is_mine:
        return False
    services.settle_reason(room=call.room, reason="overflow", at=now)
    try:
        gateway.dial(
            room=call.room, identity=IDENTITY, trunk_id=trunk.remote_id,
            number=policy.overflow_number, ring_s=RING_S,
        )  # fmt: skip
    except (GatewayRefused, GatewayUnavailable) as refusal:
        # not tried again: the caller has rung for long enough, and livekit-sip says unavailable
        # for “cpu exhausted” too
        log.warning("An overflow was refused", extra={"call": call.pk, "reason": str(refusal)})
        legs.move(leg_id=leg.pk, to=LegState.FAILED, at=now)
        return False
    return True


def is_with_somebody(people: list[LiveParticipant]) -> bool:
    return any(who.identity == IDENTITY for who in people)


def finish(*, call: Call, people: list[LiveParticipant], now: datetime, gateway: Gateway) -> bool:
    """End a call whose other telephone answered and has hung up; whether it was such a call."""
    mine = Leg.objects.filter(call=call, identity=IDENTITY, answered_at__isnull=False)
    if is_with_somebody(people) or not mine.exists():
        return False
    services.move_call(room=call.room, to=CallState.ENDED, at=now, reason="overflow")
    gateway.delete_room(room=call.room)
    return True


def forget_reason(call: Call) -> None:
    """The other telephone was tried and nobody answered there either."""
    Call.objects.open().filter(pk=call.pk, end_reason="overflow").update(end_reason="")
