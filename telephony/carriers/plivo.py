"""Plivo. Pure.

Signature V3 (https://www.plivo.com/docs/voice/concepts/signature-validation; where its prose and
Plivo's libraries differ, the libraries are right, says Plivo): base64 of HMAC-SHA256, keyed with
the auth token, over

    <address>?<query, sorted>[.]<parameters: names and values, sorted>.<nonce>

with the dot before the parameters only if there is a query. `X-Plivo-Signature-V3` is made with
the token of the account which owns the call, `X-Plivo-Signature-Ma-V3` with the main account's;
either may hold several, comma separated, while there are several tokens. Nothing signed tells the
time: a replay is known by its event. The older V2 signs no parameters, so it is not taken.

Hooks (https://www.plivo.com/docs/voice/api/application,
https://www.plivo.com/docs/voice/troubleshooting/hangup-causes): answer_url and hangup_url of a
voice application; the latter brings Plivo's own cause, and the price in US dollars. StartTime,
AnswerTime and EndTime are in the account's own time zone, which nobody tells; `SessionStart` is
UTC, so it says how far off the others are. **Zentrunk**, Plivo's SIP trunking, sends no hooks; its
calls can only be asked for.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
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
    "ringing": "ringing", "initiated": "ringing", "in-progress": "answered",
    "completed": "ended", "busy": "ended", "failed": "ended", "timeout": "ended",
    "no-answer": "ended", "cancel": "ended", "cancelled": "ended", "canceled": "ended",
    "rejected": "ended",
}  # fmt: skip
# HangupCause is the telephone network's own name of a Q.850 cause
_CAUSES = {
    "UNALLOCATED_NUMBER": 1, "NO_ROUTE_DESTINATION": 3, "NORMAL_CLEARING": 16, "USER_BUSY": 17,
    "NO_USER_RESPONSE": 18, "NO_ANSWER": 19, "SUBSCRIBER_ABSENT": 20, "CALL_REJECTED": 21,
    "NUMBER_CHANGED": 22, "DESTINATION_OUT_OF_ORDER": 27, "INVALID_NUMBER_FORMAT": 28,
    "NORMAL_UNSPECIFIED": 31, "NORMAL_CIRCUIT_CONGESTION": 34, "NETWORK_OUT_OF_ORDER": 38,
    "NORMAL_TEMPORARY_FAILURE": 41, "SWITCH_CONGESTION": 42, "RECOVERY_ON_TIMER_EXPIRE": 102,
    "INTERWORKING": 127,
}  # fmt: skip
_CALLED_OFF = {"ORIGINATOR_CANCEL"}


def verify(
    body: bytes, headers: Mapping[str, str], *, url: str, secret: str, now: datetime
) -> None:
    nonce = headers.get("X-Plivo-Signature-V3-Nonce", "")
    names = ("X-Plivo-Signature-V3", "X-Plivo-Signature-Ma-V3")
    given = [one.strip() for name in names for one in headers.get(name, "").split(",")]
    given = [one for one in given if one][:8]
    if not given or not nonce:
        raise BadSignature("The hook carries no X-Plivo-Signature-V3 with its nonce.")
    wanted = _signature(_signed(url, body), nonce, secret)
    right = [hmac.compare_digest(wanted, one.encode()) for one in given]
    if not any(right):
        raise BadSignature(
            "The signature is wrong. Is the auth token that of the account which sends, and is "
            f"{url.rpartition('/')[0]}/… exactly what Plivo calls (PUBLIC_URL)?"
        )


def _signature(text: str, nonce: str, secret: str) -> bytes:
    mac = hmac.new(secret.encode(), f"{text}.{nonce}".encode(), hashlib.sha256)
    return base64.b64encode(mac.digest())


def _signed(url: str, body: bytes) -> str:
    parts = urlsplit(url)
    address = parts._replace(query="", fragment="").geturl()
    query = parse_qs(parts.query, keep_blank_values=True)
    asked = "&".join(f"{name}={one}" for name in sorted(query) for one in sorted(query[name]))
    try:
        told = "".join(name + value for name, value in sorted(reading.pairs(body)))
    except NotUnderstood as reason:
        raise BadSignature(str(reason)) from reason
    if not told:
        return f"{address}?{asked}" if asked else address
    return f"{address}?{asked}{'.' if asked else ''}{told}"


def normalise(
    body: bytes, *, now: datetime, mapping: Mapping[str, str] | None = None
) -> list[CarrierEvent]:
    told = reading.form(body)
    status = reading.text(told.get("CallStatus"), 32).lower()
    carrier_id = reading.text(told.get("CallUUID"), 128)
    over = told.get("Event", "").lower() == "hangup"
    state = "ended" if over else _STATES.get(status)
    if not carrier_id or state is None:
        raise NotUnderstood("A form of Plivo without CallUUID or with an unknown CallStatus.")
    why = reading.text(told.get("HangupCause"), 48).upper()
    cause, sip = _CAUSES.get(why), 487 if why in _CALLED_OFF else None
    started, answered, ended = _times(told)
    price = reading.money(told.get("TotalCost"))
    return [
        CarrierEvent(
            event_id=fingerprint(body),
            carrier_id=carrier_id,
            at=ended or now,
            outbound=_outbound(told.get("Direction")),
            caller=reading.number(told.get("From")),
            called=reading.number(told.get("To")),
            state=state,
            status=status,
            started_at=started or (now if state == "ringing" else None),
            answered_at=answered or (now if state == "answered" else None),
            ended_at=(ended or now) if state == "ended" else None,
            duration_s=reading.seconds(told.get("Duration")),
            sip_status=sip,
            cause=cause,
            words=_words(told, sip, cause) if state == "ended" else "",
            price=price,
            currency="USD" if price is not None else "",
        )
    ]


def _times(told: Mapping[str, str]) -> tuple[datetime | None, datetime | None, datetime | None]:
    """Start, answer and end in UTC; of what nobody can tell, None."""
    utc, start = (
        reading.naive(told.get("SessionStart")),
        reading.naive(told.get("StartTime")),
    )
    if utc is None:
        return None, None, None
    started = utc.replace(tzinfo=UTC)
    if start is None:
        return started, None, None
    # zones differ by quarters of an hour; the rest is the time until the call had its first name
    quarters = round((utc - start) / timedelta(minutes=15))
    offset = quarters * timedelta(minutes=15)
    answer, end = reading.naive(told.get("AnswerTime")), reading.naive(told.get("EndTime"))
    return (
        started,
        (answer + offset).replace(tzinfo=UTC) if answer else None,
        (end + offset).replace(tzinfo=UTC) if end else None,
    )


def _words(told: Mapping[str, str], sip: int | None, cause: int | None) -> str:
    """Plivo's own name of the cause, where it says more than that somebody hung up."""
    code, name = reading.whole(told.get("HangupCauseCode"), highest=99_999), ""
    if code is not None and not 4000 <= code < 5000:
        name = reading.text(told.get("HangupCauseName"), 80)
    return f"{name} (Plivo {code})." if name else words.of(sip=sip, cause=cause)


def _outbound(direction: Any) -> bool | None:
    return {"inbound": False, "outbound": True}.get(reading.text(direction, 16).lower())


CARRIER = Carrier(
    label="Plivo",
    key_name="Auth token",
    verify=verify,
    normalise=normalise,
    setup=(
        "Console → Overview: copy the Auth Token of the account which owns the number into "
        "“secret” here. (The main account's token is good for its subaccounts too.)",
        "Voice → Applications → the application → Hangup URL: this address, method POST. For calls "
        "made by the API: hangup_url and ring_url.",
        "Prices come with the hang-up, in US dollars.",
        "Zentrunk (SIP trunking) sends no hooks: its calls have no facts here.",
    ),
)
