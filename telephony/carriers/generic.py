"""Any other carrier or switch which can sign what it posts. Pure.

Our own scheme, for whoever sets it up at the other end:

    X-Webhook-Timestamp: <Unix seconds>
    X-Webhook-Signature: <hex of HMAC-SHA256(secret, "<timestamp>." + body)>

over the bytes of the body; a prefix `sha256=` or `v1=` is taken too. More than five minutes of
difference is refused. The body is JSON or a form; which of its fields is what, the supervisor says
(`mapping`): our name of a field → the path of theirs, as `carrier_id` → `call.uuid`.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from telephony.carriers import (
    BadSignature,
    Carrier,
    CarrierEvent,
    NotUnderstood,
    Stale,
    State,
    fingerprint,
    reading,
    words,
)

TOLERANCE = timedelta(minutes=5)
FIELDS = (
    "event_id", "carrier_id", "sip_call_id", "direction", "caller", "called", "state", "at",
    "started_at", "answered_at", "ended_at", "duration_s", "sip_status", "cause", "words", "price",
    "currency",
)  # fmt: skip
_STATES: dict[State, set[str]] = {
    "ringing": {"ringing", "ring", "early", "trying", "initiated", "progress", "start", "started"},
    "answered": {"answered", "answer", "in-progress", "in_progress", "up", "connected", "active"},
    "ended": {
        "ended", "end", "completed", "hangup", "terminated", "busy", "failed", "no-answer",
        "no_answer", "cancelled", "canceled", "rejected", "declined", "missed",
    },
}  # fmt: skip
_OUTBOUND = {"outbound": True, "outgoing": True, "out": True,
             "inbound": False, "incoming": False, "in": False}  # fmt: skip


def verify(
    body: bytes, headers: Mapping[str, str], *, url: str, secret: str, now: datetime
) -> None:
    stamp = headers.get("X-Webhook-Timestamp", "")
    given = headers.get("X-Webhook-Signature", "").lower()
    given = given.removeprefix("sha256=").removeprefix("v1=")
    if not given or not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise BadSignature("The hook carries no X-Webhook-Signature with X-Webhook-Timestamp.")
    if not hmac.compare_digest(signature(body, stamp, secret).encode(), given.encode()):
        raise BadSignature(
            "The signature is wrong. It is hex of HMAC-SHA256 over timestamp, a dot and the body "
            "as sent; is the secret the same on both sides?"
        )
    if abs(now - datetime.fromtimestamp(int(stamp), UTC)) > TOLERANCE:
        raise Stale(
            "The hook was signed more than five minutes ago or ahead: it is an old one sent again, "
            "or one of the two clocks is wrong."
        )


def signature(body: bytes, timestamp: str, secret: str) -> str:
    return hmac.new(secret.encode(), f"{timestamp}.".encode() + body, hashlib.sha256).hexdigest()


def normalise(
    body: bytes, *, now: datetime, mapping: Mapping[str, str] | None = None
) -> list[CarrierEvent]:
    is_json = body.lstrip()[:1] in (b"{", b"[")
    told = reading.parsed(body) if is_json else reading.form(body)
    paths = {name: name for name in FIELDS} | dict(mapping or {})

    def of(name: str) -> Any:
        path = paths[name]
        whole = told.get(path) if isinstance(told, Mapping) else None
        return whole if whole is not None else reading.inner(told, *path.split("."))

    carrier_id = reading.text(of("carrier_id"), 128)
    if not carrier_id:
        raise NotUnderstood(
            f"The hook has no field “{paths['carrier_id']}”: without the call's own name nothing "
            "can be joined. Say under “fields” where it stands."
        )
    return [_event(of, event_id=_name(of, body), carrier_id=carrier_id, now=now)]


def _name(of: Any, body: bytes) -> str:
    return reading.text(of("event_id"), 64) or fingerprint(body)


def _event(of: Any, *, event_id: str, carrier_id: str, now: datetime) -> CarrierEvent:
    status = reading.text(of("state"), 32).lower()
    state: State = next((ours for ours, theirs in _STATES.items() if status in theirs), "")
    at = reading.moment(of("at")) or now
    sip, cause = reading.sip_status(of("sip_status")), reading.q850(of("cause"))
    price = reading.money(of("price"))
    ended = reading.moment(of("ended_at")) or (at if state == "ended" else None)
    return CarrierEvent(
        event_id=event_id,
        carrier_id=carrier_id,
        at=at,
        sip_call_id=reading.text(of("sip_call_id"), 255),
        outbound=_OUTBOUND.get(reading.text(of("direction"), 16).lower()),
        caller=reading.number(of("caller")),
        called=reading.number(of("called")),
        state=state,
        status=status,
        started_at=reading.moment(of("started_at")) or (at if state == "ringing" else None),
        answered_at=reading.moment(of("answered_at")) or (at if state == "answered" else None),
        ended_at=ended,
        duration_s=reading.seconds(of("duration_s")),
        sip_status=sip,
        cause=cause,
        words=reading.text(of("words"), 200) or words.of(sip=sip, cause=cause),
        price=price,
        currency=reading.currency(of("currency")) if price is not None else "",
    )


CARRIER = Carrier(
    label="Another, or a switch of your own",
    key_name="Shared secret",
    verify=verify,
    normalise=normalise,
    setup=(
        "Make up a long secret, and enter it on both sides.",
        "Let the other side POST JSON or a form to this address for each change of a call.",
        "Headers: X-Webhook-Timestamp (Unix seconds), and X-Webhook-Signature: hex of "
        "HMAC-SHA256(secret, timestamp + “.” + body).",
        "Say under “fields” where it puts what, one a line, as “carrier_id = call.uuid”.",
    ),
    mapped=True,
)
