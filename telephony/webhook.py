"""Verifies LiveKit's hooks and tells them in our own words. No meaning.

The payload handed out, with everything that is absent left out:

    id, event, at (ISO)
    room          name, sid, created_at (ISO)
    participant   sid, identity, kind (sip | agent | standard …), attributes, reason
    egress        egress_id, room, status, object_key, size (bytes), duration_ms, started_at,
                  ended_at, error
    ingress       ingress_id, room, status, error, at_ns; never its key or addresses
"""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from livekit import api
from livekit.protocol.models import DisconnectReason

from telephony import translate, translate_ingress


class BadSignature(Exception):
    """The hook was not sent by our LiveKit."""


def verified(
    body: bytes, authorization: str, *, now: datetime, key: str, secret: str
) -> dict[str, Any]:
    """The event of a hook signed with our key over exactly this body. Raises BadSignature."""
    receiver = api.WebhookReceiver(api.TokenVerifier(key, secret))
    try:
        event = receiver.receive(body.decode(), authorization)
    except Exception as reason:  # the SDK raises plain Exception, JWT and JSON errors alike
        raise BadSignature from reason
    if not event.id or not event.event:
        raise BadSignature
    payload = {
        "id": event.id,
        "event": event.event,
        "at": _sharpened(event.created_at, now).isoformat(),
    }
    return payload | _room(event) | _participant(event) | _egress(event) | _ingress(event)


def _sharpened(seconds: int, now: datetime) -> datetime:
    """LiveKit tells whole seconds; of a hook which has just come, the clock tells more."""
    told = datetime.fromtimestamp(seconds, UTC)
    return now if timedelta(0) <= now - told < timedelta(seconds=2) else told


def _room(event: api.WebhookEvent) -> dict[str, Any]:
    if not event.HasField("room"):
        return {}
    room = {"name": event.room.name, "sid": event.room.sid}
    if event.room.creation_time:
        room["created_at"] = translate.room_created_at(event.room).isoformat()
    return {"room": room}


def _participant(event: api.WebhookEvent) -> dict[str, Any]:
    if not event.HasField("participant"):
        return {}
    who = event.participant
    return {
        "participant": {
            "sid": who.sid,
            "identity": who.identity,
            "kind": translate.kind_name(who),
            "attributes": dict(who.attributes),
            "reason": DisconnectReason.Name(who.disconnect_reason).lower(),
        }
    }


def _egress(event: api.WebhookEvent) -> dict[str, Any]:
    if not event.HasField("egress_info"):
        return {}
    egress = asdict(translate.live_egress(event.egress_info))
    for name in ("started_at", "ended_at"):
        egress[name] = egress[name].isoformat() if egress[name] else None
    return {"egress": egress}


def _ingress(event: api.WebhookEvent) -> dict[str, Any]:
    if not event.HasField("ingress_info"):
        return {}
    live = translate_ingress.live_ingress(event.ingress_info)
    return {
        "ingress": {
            "ingress_id": live.remote_id,
            "room": live.room,
            "status": live.status,
            "error": live.error,
            "at_ns": live.at_ns or event.created_at * 1_000_000_000,
        }
    }
