"""Telephony's reaction to LiveKit's hooks. Each may come twice, late, or before its predecessor."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from telephony import carrier_calls, legs, overflow, services, tasks, watch
from telephony.later import after_commit
from telephony.lifecycle import CallState
from telephony.models import Call

# the participant comes back at once under another sid: nobody has hung up
_NOT_GONE = {"duplicate_identity", "migration", "state_mismatch"}


def participant_joined(*, payload: Mapping[str, Any]) -> None:
    room, who = payload["room"], payload["participant"]
    if who["kind"] == "sip" and services.is_unknown_number(room["name"]):
        _refuse(payload, reason="unknown_number")
    if who["kind"] == "sip" and services.is_without_rule(room["name"]):
        _refuse(payload, reason="no_rule")
    if who["kind"] != "sip" or not services.is_ours(room["name"]):
        return
    if not legs.is_main(who["identity"]):
        _note_side_leg(payload, legs.note)
        return
    call = _ensure(payload)
    legs.note(call_id=call.pk, **_who(payload))
    if call.state == CallState.RINGING:
        _watch_later(call.pk)


def participant_left(*, payload: Mapping[str, Any]) -> None:
    room, who = payload["room"]["name"], payload["participant"]
    if who["reason"] in _NOT_GONE or not services.is_ours(room):
        return
    at = datetime.fromisoformat(payload["at"])
    if who["kind"] == "sip" and not legs.is_main(who["identity"]):
        _note_side_leg(payload, legs.over)
        if who["identity"] == overflow.IDENTITY:
            _look_again(room)
    elif who["kind"] == "sip":
        call = _ensure(payload)
        legs.over(call_id=call.pk, **_who(payload))
        services.move_call(room=room, to=CallState.ENDED, at=at)
    if who["kind"] == "agent":
        call_id = watch.agent_left(room=room, at=at)
        if call_id:
            _watch_later(call_id)


def room_finished(*, payload: Mapping[str, Any]) -> None:
    room = payload["room"]["name"]
    if not services.is_ours(room):
        return
    call = _ensure(payload)
    at = datetime.fromisoformat(payload["at"])
    legs.close_all(call_id=call.pk, at=at)
    services.move_call(room=room, to=CallState.ENDED, at=at)


def carrier_call(*, payload: Mapping[str, Any]) -> None:
    """A carrier's hook. LiveKit's of the same call may be handled at this very moment."""
    if pk := carrier_calls.told(payload=payload):
        after_commit(
            tasks.join_carrier_call.apply_async, kwargs={"carrier_call_id": pk}, countdown=60
        )


def plan_published() -> None:
    """The rules of the project name the new plan."""
    tasks.push_now.delay()


def _ensure(payload: Mapping[str, Any]) -> Call:
    room, who = payload["room"], payload.get("participant", {})
    leg = who.get("attributes", {})
    return services.ensure_call(
        room=room["name"],
        room_sid=room["sid"],
        at=datetime.fromisoformat(room.get("created_at") or payload["at"]),
        **services.leg(leg),
    )


def _note_side_leg(payload: Mapping[str, Any], note: Callable[..., object]) -> None:
    """Somebody we dialled into a call. Without the call's row there is nothing to note him at."""
    call = Call.objects.filter(room=payload["room"]["name"]).first()
    if call:
        note(call_id=call.pk, **_who(payload))


def _look_again(room: str) -> None:
    """The caller is alone now."""
    if call := Call.objects.open().filter(room=room).first():
        after_commit(tasks.watch_call.delay, call_id=call.pk)


def _who(payload: Mapping[str, Any]) -> dict[str, Any]:
    who = payload["participant"]
    return {
        "identity": who["identity"],
        "attributes": who["attributes"],
        "at": datetime.fromisoformat(payload["at"]),
    }


def _refuse(payload: Mapping[str, Any], *, reason: str) -> None:
    """LiveKit refuses by itself when ringing has lasted; so it needs no sweep."""
    room, leg = payload["room"], services.leg(payload["participant"]["attributes"])
    call = services.note_unknown_number(
        room=room["name"],
        room_sid=room["sid"],
        at=datetime.fromisoformat(room.get("created_at") or payload["at"]),
        reason=reason,
        **leg,
    )
    after_commit(tasks.refuse_call.delay, call_id=call.pk)


def _watch_later(call_id: int) -> None:
    """Look when the watchdog may act. The task is told an id: a room's name holds a number."""
    call = Call.objects.select_related("number").get(pk=call_id)
    for seconds in (watch.REDISPATCH_S, overflow.limit(call).total_seconds()):
        after_commit(
            tasks.watch_call.apply_async, kwargs={"call_id": call_id}, countdown=seconds + 0.2
        )
