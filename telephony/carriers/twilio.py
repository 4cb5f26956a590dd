"""Twilio. Pure.

Signature (https://www.twilio.com/docs/usage/webhooks/webhooks-security): `X-Twilio-Signature` is
base64 of HMAC-SHA1, keyed with the account's auth token, over the URL Twilio calls, followed by the
form's parameters, sorted by name, each name followed by its value. A body which is JSON is named by
its SHA-256 in the URL's `bodySHA256` instead. Twilio's own libraries try the URL with and without
its port, and so do we. Nothing signed tells the time: a replay is known by its event.

Two kinds of hooks (https://www.twilio.com/docs/voice/api/call-resource#statuscallback and
https://www.twilio.com/docs/voice/voice-insights/event-streams/call-insights-events):

- a *status callback*, a form, for numbers and calls of Programmable Voice;
- *Event Streams*, JSON: the only hooks for calls of **Elastic SIP Trunking**, which sends no status
  callbacks. A call summary comes within 10 minutes of its end, complete after half an hour.

Neither tells a price: Twilio's Call resource does, later. So none is shown rather than a guess.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

from telephony.carriers import (
    BadSignature,
    Carrier,
    CarrierEvent,
    NotUnderstood,
    State,
    fingerprint,
    reading,
    words,
)

_STATES: dict[str, State] = {
    "queued": "ringing", "initiated": "ringing", "ringing": "ringing",
    "in-progress": "answered", "answered": "answered",
    "completed": "ended", "busy": "ended", "no-answer": "ended", "failed": "ended",
    "canceled": "ended", "fail": "ended", "noanswer": "ended", "undialed": "ended",
}  # fmt: skip
_WORDS = {
    "busy": "The line was busy.",
    "no-answer": "Nobody answered.",
    "noanswer": "Nobody answered.",
    "failed": "The call could not be connected.",
    "fail": "The call could not be connected.",
    "canceled": "The call was called off before it was answered.",
    "undialed": "The call was never dialled.",
}
_SIP = {"busy": 486, "no-answer": 480, "noanswer": 480, "canceled": 487}  # what such a word means
_SUMMARY = "com.twilio.voice.insights.call-summary."
_MOST_EVENTS = 100


def verify(
    body: bytes, headers: Mapping[str, str], *, url: str, secret: str, now: datetime
) -> None:
    given = headers.get("X-Twilio-Signature", "")
    if not given:
        raise BadSignature("The hook carries no X-Twilio-Signature: Twilio did not send it.")
    digest = parse_qs(urlsplit(url).query).get("bodySHA256", [""])[0]
    if digest:
        whole = hmac.compare_digest(digest.lower(), hashlib.sha256(body).hexdigest())
        signed = ""
    else:
        whole, signed = True, _signed(body)
    texts = [address + signed for address in _addresses(url)]
    right = [hmac.compare_digest(_signature(text, secret), given.encode()) for text in texts]
    if not (whole and any(right)):
        raise BadSignature(
            "The signature is wrong. Is the auth token that of the account which sends, and is "
            f"{url.rpartition('/')[0]}/… exactly what Twilio calls (PUBLIC_URL)?"
        )


def _signature(text: str, secret: str) -> bytes:
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest())


def _signed(body: bytes) -> str:
    """Names and values, sorted; of one given twice, each value once."""
    try:
        pairs = sorted(set(reading.pairs(body)))
    except NotUnderstood as reason:
        raise BadSignature(str(reason)) from reason
    return "".join(name + value for name, value in pairs)


def _addresses(url: str) -> list[str]:
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else (parts.hostname or "")
    usual = 443 if parts.scheme == "https" else 80
    bare = parts._replace(netloc=host).geturl()
    return [url, bare, parts._replace(netloc=f"{host}:{parts.port or usual}").geturl()]


def normalise(
    body: bytes, *, now: datetime, mapping: Mapping[str, str] | None = None
) -> list[CarrierEvent]:
    if body.lstrip()[:1] in (b"[", b"{"):
        told = reading.parsed(body)
        events = told if isinstance(told, list) else [told]
        found = [_summary(event, now) for event in events[:_MOST_EVENTS]]
        return [event for event in found if event]
    return [_status(reading.form(body), body, now)]


def _status(told: Mapping[str, str], body: bytes, now: datetime) -> CarrierEvent:
    status = reading.text(told.get("CallStatus"), 32).lower()
    state = _STATES.get(status)
    carrier_id = reading.text(told.get("CallSid"), 64)
    if not carrier_id or state is None:
        raise NotUnderstood("A form of Twilio without CallSid or with an unknown CallStatus.")
    at = reading.moment(told.get("Timestamp")) or now
    duration = reading.seconds(told.get("CallDuration"))
    sip = reading.sip_status(told.get("SipResponseCode"))
    ended = at if state == "ended" else None
    answered = ended - timedelta(seconds=duration) if ended and duration else None
    return CarrierEvent(
        event_id=fingerprint(_signed(body).encode()),
        carrier_id=carrier_id,
        at=at,
        outbound=_outbound(told.get("Direction")),
        caller=reading.number(told.get("From")),
        called=reading.number(told.get("To")),
        state=state,
        status=status,
        started_at=at if state == "ringing" else None,
        answered_at=at if state == "answered" else answered,
        ended_at=ended,
        duration_s=duration,
        sip_status=sip or _SIP.get(status),
        words=_WORDS.get(status, "") or (words.of(sip=sip, cause=None) if ended else ""),
    )


def _summary(event: Any, now: datetime) -> CarrierEvent | None:
    """None for events of other kinds: a sink may be subscribed to many."""
    kind = reading.text(reading.inner(event, "type"))
    if not kind.startswith(_SUMMARY):
        return None
    told = _data(event)
    carrier_id = reading.text(told.get("call_sid"), 64)
    status = reading.text(told.get("call_state"), 32).lower().replace("_", "-")
    if not carrier_id:
        raise NotUnderstood("A call summary of Twilio without a call_sid.")
    more = told.get("properties")
    sip = reading.sip_status(reading.inner(more, "last_sip_response_num"))
    cause = reading.q850(reading.inner(more, "q850_cause"))
    started = reading.moment(told.get("start_time")) or reading.moment(told.get("created_time"))
    ended = reading.moment(told.get("end_time"))
    talked = reading.seconds(told.get("connect_duration"))
    return CarrierEvent(
        event_id=reading.text(event.get("id"), 64) or fingerprint(repr(told).encode()),
        carrier_id=carrier_id,
        at=reading.moment(event.get("time")) or ended or now,
        sip_call_id=_sip_call_id(told),
        outbound=_outbound(reading.inner(more, "direction")),
        caller=reading.number(reading.inner(told, "from", "caller")),
        called=reading.number(reading.inner(told, "to", "callee")),
        state=_STATES.get(status, ""),
        status=status,
        started_at=started,
        answered_at=ended - timedelta(seconds=talked) if ended and talked else None,
        ended_at=ended,
        duration_s=talked,
        sip_status=sip or _SIP.get(status),
        cause=cause,
        words=_WORDS.get(status) or words.of(sip=sip, cause=cause),
    )


def _data(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Documented as text which holds JSON; newer schemas send the object itself."""
    told = event.get("data")
    if isinstance(told, str):
        told = reading.parsed(told.encode())
    if not isinstance(told, Mapping):
        raise NotUnderstood("A call summary of Twilio without data.")
    return told


def _sip_call_id(told: Mapping[str, Any]) -> str:
    for edge in ("sip_edge", "properties"):
        inner = told.get(edge)
        at = reading.inner(inner, "properties", "sip_call_id") or reading.inner(
            inner, "sip_call_id"
        )
        if found := reading.text(at, 255):
            return found
    return ""


def _outbound(direction: Any) -> bool | None:
    """“Originating” trunking is Twilio's word for calls from the telephone network to us."""
    told = reading.text(direction, 32).lower().replace("_", "-")
    if told in {"inbound", "trunking-originating"}:
        return False
    return True if told.startswith("outbound") or told == "trunking-terminating" else None


CARRIER = Carrier(
    label="Twilio",
    key_name="Auth token",
    verify=verify,
    normalise=normalise,
    setup=(
        "Console → Account → API keys & tokens: copy the Auth Token of the account (or subaccount) "
        "into “secret” here.",
        "Elastic SIP Trunking sends no status callbacks. Create an Event Streams sink of type "
        "“webhook” (method POST) with this address, and subscribe it to the types "
        "com.twilio.voice.insights.call-summary.partial and .complete (Voice Insights Advanced "
        "Features must be on). Facts come up to ten minutes after a call.",
        "Numbers of Programmable Voice: Phone Numbers → the number → “Call status changes”: this "
        "address, HTTP POST. Calls made by the API: StatusCallback with all four events.",
        "Prices: Twilio sends none in its hooks.",
    ),
)
