"""Verifies LiveKit's hooks and tells them in our own words. No meaning.

Ten of them come with each call. So the signature is checked by PyJWT, as LiveKit's SDK does it, and
rooms and participants are read from the JSON as it is: the SDK's own way, by its messages, takes
several times as long. A test holds both to the same answer.

The payload handed out, with everything that is absent left out:

    id, event, at (ISO)
    room          name, sid, created_at (ISO)
    participant   sid, identity, kind (sip | agent | standard …), attributes, reason
    egress        egress_id, room, status, object_key, size (bytes), duration_ms, started_at,
                  ended_at, error
    ingress       ingress_id, room, status, error, at_ns; never its key or addresses
"""

import base64
import hashlib
import hmac
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from google.protobuf.json_format import ParseDict, ParseError
from livekit import api

from telephony import translate, translate_ingress

_LEEWAY_S = 60  # as LiveKit's SDK has it
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, OverflowError, ParseError)


class BadSignature(Exception):
    """The hook was not sent by our LiveKit."""


def verified(
    body: bytes, authorization: str, *, now: datetime, key: str, secret: str
) -> dict[str, Any]:
    """The event of a hook signed with our key over exactly this body. Raises BadSignature."""
    try:
        _check(body, authorization, key=key, secret=secret)
        return _told(json.loads(body), now)
    except (jwt.PyJWTError, *_MALFORMED) as reason:
        raise BadSignature from reason


def _check(body: bytes, authorization: str, *, key: str, secret: str) -> None:
    claims = jwt.decode(
        authorization, secret, algorithms=["HS256"], issuer=key, leeway=_LEEWAY_S,
        options={"require": ["exp", "iss"]},
    )  # fmt: skip
    signed = base64.b64decode(claims["sha256"])
    if not hmac.compare_digest(signed, hashlib.sha256(body).digest()):
        raise BadSignature


def _told(event: dict[str, Any], now: datetime) -> dict[str, Any]:
    """What is absent in LiveKit's JSON is zero."""
    if not event["id"] or not event["event"]:
        raise BadSignature
    at = _sharpened(int(event.get("createdAt", 0)), now)
    payload = {"id": str(event["id"]), "event": str(event["event"]), "at": at.isoformat()}
    return payload | _room(event) | _participant(event) | _egress(event) | _ingress(event)


def _sharpened(seconds: int, now: datetime) -> datetime:
    """LiveKit tells whole seconds; of a hook which has just come, the clock tells more."""
    told = datetime.fromtimestamp(seconds, UTC)
    return now if timedelta(0) <= now - told < timedelta(seconds=2) else told


def _room(event: dict[str, Any]) -> dict[str, Any]:
    if "room" not in event:
        return {}
    raw = _object(event["room"])
    room = {"name": raw.get("name", ""), "sid": raw.get("sid", "")}
    if int(raw.get("creationTime", 0)):
        ms = int(raw.get("creationTimeMs", 0)) or int(raw["creationTime"]) * 1000
        room["created_at"] = datetime.fromtimestamp(ms / 1000, UTC).isoformat()
    return {"room": room}


def _participant(event: dict[str, Any]) -> dict[str, Any]:
    if "participant" not in event:
        return {}
    who = _object(event["participant"])
    return {
        "participant": {
            "sid": who.get("sid", ""),
            "identity": who.get("identity", ""),
            # a name, or the number of one which is newer than LiveKit's own list
            "kind": str(who.get("kind", "STANDARD")).lower(),
            "attributes": dict(who.get("attributes", {})),
            "reason": str(who.get("disconnectReason", "UNKNOWN_REASON")).lower(),
        }
    }


def _egress(event: dict[str, Any]) -> dict[str, Any]:
    if "egressInfo" not in event:
        return {}
    info = ParseDict(_object(event["egressInfo"]), api.EgressInfo(), ignore_unknown_fields=True)
    egress = asdict(translate.live_egress(info))
    for name in ("started_at", "ended_at"):
        egress[name] = egress[name].isoformat() if egress[name] else None
    return {"egress": egress}


def _ingress(event: dict[str, Any]) -> dict[str, Any]:
    if "ingressInfo" not in event:
        return {}
    info = ParseDict(_object(event["ingressInfo"]), api.IngressInfo(), ignore_unknown_fields=True)
    live = translate_ingress.live_ingress(info)
    return {
        "ingress": {
            "ingress_id": live.remote_id,
            "room": live.room,
            "status": live.status,
            "error": live.error,
            "at_ns": live.at_ns or int(event.get("createdAt", 0)) * 1_000_000_000,
        }
    }


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("no object")
    return value
