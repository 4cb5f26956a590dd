"""Asks LiveKit what became of our calls: what hooks lost, and callers whom nobody answers.

LiveKit neither queues nor restarts a job: without a free worker, or after a worker has died, the
caller would ring or hear silence until he gives up.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models.functions import Coalesce

from telephony import erased, legs, lifecycle, overflow, services, sync
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.gateway import Gateway
from telephony.lifecycle import CallState
from telephony.live import LiveJob, LiveParticipant, LiveRoom
from telephony.models import Call

log = logging.getLogger(__name__)

REDISPATCH_S = 2  # without an agent for so long: ask for one again
JOINING_S = 4  # a job accepted less than this ago may still be on its way into the room
GONE_S = 10  # a call whose room has been missing for so long is over
_ENDED_BY_US = {"no_agent", "supervisor"}  # first by their state, then by their room
GONE_A_ROUND = 10  # asking after a missing room takes 3 s


def reconcile_calls(*, now: datetime, gateway: Gateway) -> None:
    """Repair our calls from LiveKit's rooms. Repeats harmlessly."""
    rooms = {room.name: room for room in gateway.list_rooms() if services.is_ours(room.name)}
    known = {call.room: call for call in Call.objects.filter(room__in=rooms)}
    for name, room in rooms.items():
        try:
            _reconcile(room, known.get(name), now, gateway)
        except GatewayRefused as refusal:  # one room must not keep us from the others
            log.warning("room not reconciled", extra={"room": room.sid, "reason": str(refusal)})
    _close_gone(rooms, now, gateway)
    services.explain_ends(now=now)


def _reconcile(room: LiveRoom, call: Call | None, now: datetime, gateway: Gateway) -> None:
    call = call or _adopt(room, now, gateway)
    if call and call.state in lifecycle.OPEN_STATES:
        watch_call(call_id=call.pk, now=now, gateway=gateway)
    elif call and call.end_reason in _ENDED_BY_US:
        gateway.delete_room(room=room.name)  # this did not get through the first time
    elif call and _is_left_over(gateway.list_participants(room=room.name)):
        gateway.delete_room(room=room.name)


def _adopt(room: LiveRoom, now: datetime, gateway: Gateway) -> Call | None:
    """A call of which no hook has told."""
    if erased.is_erased(room.name):
        gateway.delete_room(room=room.name)
        return None
    callers = _callers(gateway.list_participants(room=room.name))
    if not callers:
        return None
    leg = services.leg(callers[0].attributes)
    return services.ensure_call(room=room.name, room_sid=room.sid, at=room.created_at, **leg)


def _close_gone(rooms: Iterable[str], now: datetime, gateway: Gateway) -> None:
    """End calls whose room no server holds. Rooms are listed from Redis, so we ask the server."""
    silent = Call.objects.silent_since(now - timedelta(seconds=GONE_S)).exclude(room__in=rooms)
    for room in silent.order_by("last_seen_at").values_list("room", flat=True)[:GONE_A_ROUND]:
        if gateway.list_jobs(room=room) is None:
            services.move_call(room=room, to=CallState.ENDED, at=now, reason="unknown")
        else:
            services.touch_call(room=room, at=now)


def watch_call(*, call_id: int, now: datetime, gateway: Gateway) -> None:
    """See to it that a caller is answered: ask for an agent again, or refuse the call.

    1. An agent is there: all is well.
    2. Nobody for 2 s and no job on its way: dispatch once more.
    3. Nobody for NO_AGENT_SECONDS, or the number's own limit: another telephone if the number
       names one, else the call has failed and the caller hears busy.
    """
    call = Call.objects.open().filter(pk=call_id).first()
    if call is None:
        return
    room = call.room
    people = gateway.list_participants(room=room)
    for who in _of_kind("sip", people):
        legs.note(call_id=call_id, identity=who.identity, attributes=who.attributes, at=now)
    callers = _callers(people)
    if not callers:
        return  # hooks or the reconciler see to that
    services.touch_call(room=room, at=now)
    if any(who.attributes.get("sip.callStatus") == "active" for who in callers):
        services.move_call(room=room, to=CallState.TALKING, at=now)
    if _of_kind("agent", people) or overflow.is_with_somebody(people):
        _attended(room)
        return
    if overflow.finish(call=call, people=people, now=now, gateway=gateway):
        return
    since = _unattended_since(call, now)
    if now - since < timedelta(seconds=REDISPATCH_S):
        return
    jobs = gateway.list_jobs(room=room) or []
    if any(gateway.is_present(room=room, identity=job.identity) for job in jobs[-2:]):
        _attended(room)  # Redis has forgotten the agent, the server has not
    elif _has_company(people):
        _dispatch_again(call, now, gateway)  # they talk; the worker only listens
    elif now - since >= overflow.limit(call):
        _refuse(call, now, gateway)
    elif not _on_its_way(jobs, since, now):
        _dispatch_again(call, now, gateway)


def refuse_unknown(*, call_id: int, now: datetime, gateway: Gateway) -> None:
    """End the ringing of somebody whose number or trunk nobody answers. The call is noted over."""
    reasons = ("unknown_number", "no_rule")
    call = Call.objects.filter(pk=call_id, end_reason__in=reasons).first()
    if call:
        gateway.delete_room(room=call.room)


def close_room(*, call_id: int, gateway: Gateway) -> None:
    """Everybody in a call which has been ended here gets a BYE."""
    call = Call.objects.filter(pk=call_id, ended_at__isnull=False).first()
    if call:
        gateway.delete_room(room=call.room)


def agent_left(*, room: str, at: datetime) -> int | None:
    """Note since when a caller may be alone; return the call which `watch_call` should look at."""
    call = Call.objects.open().filter(room=room)
    call.filter(no_agent_since=None).update(no_agent_since=at)
    return call.values_list("pk", flat=True).first()


def _of_kind(kind: str, people: list[LiveParticipant]) -> list[LiveParticipant]:
    return [who for who in people if who.kind == kind]


def _callers(people: list[LiveParticipant]) -> list[LiveParticipant]:
    """Without those we dialled into the call."""
    return [who for who in _of_kind("sip", people) if legs.is_main(who.identity)]


def _is_left_over(people: list[LiveParticipant]) -> bool:
    """Somebody was dialled for a caller who is gone: he would talk with nobody."""
    return bool(_of_kind("sip", people)) and not _callers(people)


def _has_company(people: list[LiveParticipant]) -> bool:
    """The caller talks with somebody we dialled for him: he is not waiting for us."""
    sides = [who for who in _of_kind("sip", people) if not legs.is_main(who.identity)]
    return any(who.attributes.get("sip.callStatus") == "active" for who in sides)


def _attended(room: str) -> None:
    """The next loss is a new one."""
    Call.objects.filter(room=room, no_agent_since__isnull=False).update(
        no_agent_since=None, redispatched_at=None
    )


def _unattended_since(call: Call, now: datetime) -> datetime:
    """A ringing call has been waiting from its start, any other since somebody looked."""
    start = call.started_at if call.state == CallState.RINGING else now
    mine = Call.objects.filter(pk=call.pk)
    mine.update(no_agent_since=Coalesce("no_agent_since", start))
    return mine.values_list("no_agent_since", flat=True)[0] or start


def _on_its_way(jobs: list[LiveJob], since: datetime, now: datetime) -> bool:
    return any(
        job.started_at >= since and now - job.started_at < timedelta(seconds=JOINING_S)
        for job in jobs
    )


def _dispatch_again(call: Call, now: datetime, gateway: Gateway) -> None:
    mine = Call.objects.filter(pk=call.pk)
    if not mine.filter(redispatched_at=None).update(redispatched_at=now):
        return
    try:
        call.refresh_from_db(fields=["state"])
        again = call.state == CallState.TALKING  # no worker sends him away for a burst of others
        metadata = sync.plan_metadata(call.plan_digest, again=again)
        gateway.create_dispatch(room=call.room, metadata=metadata)
    except GatewayUnavailable:
        mine.update(redispatched_at=None)
        raise


def _refuse(call: Call, now: datetime, gateway: Gateway) -> None:
    """First the state, then the room: the hooks of its end must not be heard as a hang-up."""
    if overflow.send_elsewhere(call=call, now=now, gateway=gateway):
        return
    overflow.forget_reason(call)
    services.move_call(room=call.room, to=CallState.FAILED, at=now, reason="no_agent")
    gateway.delete_room(room=call.room)
