"""Telnyx, API version 2. Pure.

Signature (https://developers.telnyx.com/development/api-fundamentals/webhooks/receiving-webhooks):
`telnyx-signature-ed25519` is base64 of an Ed25519 signature over `<telnyx-timestamp>|<body>`, the
timestamp in Unix seconds; the public key (base64) is the account's. Telnyx' own libraries take five
minutes of difference, and so do we.

Events (https://developers.telnyx.com/api-reference/callbacks/call-hangup and its neighbours):
call.initiated, call.answered, call.hangup with the SIP status in `sip_hangup_cause`, and call.cost
with the price, a moment later and only where `call_cost_in_webhooks` is on. Its `call_leg_id` is
what LiveKit knows as `sip.telnyx.callLegID`.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

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

_STATES: dict[str, State] = {
    "call.initiated": "ringing",
    "call.ringing": "ringing",
    "call.answered": "answered",
    "call.hangup": "ended",
    "call.cost": "",
}
_WORDS = {
    "normal_clearing": "Somebody hung up.",
    "originator_cancel": "The caller gave up before anybody answered.",
    "timeout": "The other side did not answer in time.",
    "time_limit": "The call reached the carrier's maximum length.",
    "user_busy": "The line was busy.",
    "call_rejected": "The call was declined.",
    "not_found": "There is no such number.",
    "no_answer": "Nobody answered.",
}
_CAUSES = {"normal_clearing": 16, "user_busy": 17, "no_answer": 19, "call_rejected": 21}
_SIP = {"originator_cancel": 487, "timeout": 408, "not_found": 404}


def verify(
    body: bytes, headers: Mapping[str, str], *, url: str, secret: str, now: datetime
) -> None:
    given = headers.get("Telnyx-Signature-Ed25519", "")
    stamp = headers.get("Telnyx-Timestamp", "")
    if not given or not stamp.isascii() or not stamp.isdigit() or len(stamp) > 12:
        raise BadSignature("The hook carries no signature and timestamp of Telnyx (API v2).")
    try:
        _key(secret).verify(base64.b64decode(given, validate=True), f"{stamp}|".encode() + body)
    except (InvalidSignature, binascii.Error, ValueError) as reason:
        raise BadSignature(
            "The signature is wrong. Is the public key that of the account which sends "
            "(Mission Control → Keys & Credentials → Public Key)?"
        ) from reason
    if abs(now - datetime.fromtimestamp(int(stamp), UTC)) > TOLERANCE:
        raise Stale(
            "The hook was signed more than five minutes ago or ahead: it is an old one sent again, "
            "or our clock is wrong."
        )


def is_key(public: str) -> bool:
    """Whether a text is such a public key."""
    try:
        _key(public)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=32)
def _key(public: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(base64.b64decode(public.strip(), validate=True))


def normalise(
    body: bytes, *, now: datetime, mapping: Mapping[str, str] | None = None
) -> list[CarrierEvent]:
    data = reading.inner(reading.parsed(body), "data")
    kind = reading.text(reading.inner(data, "event_type"), 64)
    if not kind:
        raise NotUnderstood("The hook of Telnyx has no data.event_type: choose API version 2.")
    if kind not in _STATES:
        return []
    told = reading.inner(data, "payload")
    carrier_id = reading.text(reading.inner(told, "call_leg_id"), 128)
    if not isinstance(told, Mapping) or not carrier_id:
        raise NotUnderstood(f"An event {kind} of Telnyx without a call_leg_id.")
    event_id = reading.text(data.get("id"), 64) or fingerprint(body)
    at = reading.moment(data.get("occurred_at")) or now
    if kind == "call.cost":
        return _cost(told, event_id=event_id, carrier_id=carrier_id, at=at)
    return [_change(told, kind, event_id=event_id, carrier_id=carrier_id, at=at)]


def _change(
    told: Mapping[str, Any], kind: str, *, event_id: str, carrier_id: str, at: datetime
) -> CarrierEvent:
    state = _STATES[kind]
    why = reading.text(told.get("hangup_cause"), 32).lower()
    sip = reading.sip_status(told.get("sip_hangup_cause")) or _SIP.get(why)
    cause = _CAUSES.get(why)
    return CarrierEvent(
        event_id=event_id,
        carrier_id=carrier_id,
        at=at,
        outbound=_outbound(told.get("direction")),
        caller=reading.number(told.get("from")),
        called=reading.number(told.get("to")),
        state=state,
        status=why or kind.removeprefix("call."),
        started_at=reading.moment(told.get("start_time"))
        or (at if kind == "call.initiated" else None),
        answered_at=at if state == "answered" else None,
        ended_at=(reading.moment(told.get("end_time")) or at) if state == "ended" else None,
        sip_status=sip,
        cause=cause,
        words=_WORDS.get(why) or words.of(sip=sip, cause=cause),
    )


def _cost(
    told: Mapping[str, Any], *, event_id: str, carrier_id: str, at: datetime
) -> list[CarrierEvent]:
    """Nothing, if Telnyx could not reckon it: no price is not a price of nought."""
    price = reading.money(told.get("total_cost"))
    if price is None or reading.text(told.get("status"), 16) == "error":
        return []
    parts = told.get("cost_parts")
    first = parts[0] if isinstance(parts, list) and parts else {}
    # the total's currency is told with its parts only; Telnyx' accounts are kept in dollars
    currency = reading.currency(reading.inner(first, "currency")) or "USD"
    return [
        CarrierEvent(
            event_id=event_id,
            carrier_id=carrier_id,
            at=at,
            duration_s=reading.seconds(told.get("billed_duration_secs")),
            price=price,
            currency=currency,
        )
    ]


def _outbound(direction: Any) -> bool | None:
    """“Incoming” is what comes from the telephone network to us."""
    told = reading.text(direction, 16).lower()
    return {"incoming": False, "inbound": False, "outgoing": True, "outbound": True}.get(told)


CARRIER = Carrier(
    label="Telnyx",
    key_name="Public key",
    verify=verify,
    normalise=normalise,
    setup=(
        "Mission Control → Account → Keys & Credentials → Public Key: copy it into “secret” here.",
        "Voice → SIP Trunking → the connection → Webhooks: this address, API version 2.",
        "Prices: switch on “call cost in webhooks” (call_cost_in_webhooks) of the same connection. "
        "Without it Telnyx sends none.",
    ),
)
