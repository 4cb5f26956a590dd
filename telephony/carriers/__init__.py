"""What carriers tell us of a call, in our own words. Pure: no Django, no database, no network.

Each carrier is a module with two functions:

    verify(body, headers, *, url, secret, now)   raises BadSignature or Stale
    normalise(body, *, now, mapping)             events, or NotUnderstood

`verify` comes first: `normalise` believes what it reads. Both are given the bytes as they came.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

State = Literal["", "ringing", "answered", "ended"]


class Refused(Exception):
    """The text is for the supervisor: what is wrong, and what to do."""


class BadSignature(Refused):
    """Not sent by the carrier whose secret we hold, or to another address."""


class Stale(Refused):
    """Signed, but long ago: somebody sends a recorded hook again."""


class NotUnderstood(Refused):
    """Signed by the carrier, but no event which this module knows how to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierEvent:
    """One thing a carrier says of one call. What it does not say is empty or None.

    `event_id` names the event within its hook: the same one again has the same id. `at` is when the
    carrier says it happened. `price` is a charge, never negative, without tax.
    """

    event_id: str
    carrier_id: str  # the call's name at the carrier
    at: datetime
    sip_call_id: str = ""  # Call-ID of the dialogue with us
    outbound: bool | None = None  # seen from us: we called
    caller: str = ""
    called: str = ""
    state: State = ""
    status: str = ""  # the carrier's own word
    started_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    duration_s: int | None = None
    sip_status: int | None = None
    cause: int | None = None  # Q.850
    words: str = ""  # why it ended
    price: Decimal | None = None
    currency: str = ""

    def plain(self) -> dict[str, Any]:
        """As JSON keeps it; what is not known is left out."""
        told = {name: value for name, value in asdict(self).items() if value not in ("", None)}
        return {name: _plain(value) for name, value in told.items()}

    @classmethod
    def from_plain(cls, raw: Mapping[str, Any]) -> "CarrierEvent":
        known = {name: value for name, value in raw.items() if name in _NAMES}
        for name in ("at", "started_at", "answered_at", "ended_at"):
            if known.get(name):
                known[name] = datetime.fromisoformat(known[name])
        if known.get("price") is not None:
            known["price"] = Decimal(known["price"])
        return cls(**known)


_NAMES = {f.name for f in fields(CarrierEvent)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def fingerprint(body: bytes) -> str:
    """Names an event to which a carrier gives no name: the same words are the same event."""
    return hashlib.sha256(body).hexdigest()[:40]


@dataclass(frozen=True, slots=True)
class Carrier:
    """How one carrier's hooks are checked, read and set up."""

    label: str
    key_name: str  # what its secret is called in its console
    verify: Callable[..., None]
    normalise: Callable[..., list[CarrierEvent]]
    setup: tuple[str, ...] = field(default=())  # what to enter where, in order
    mapped: bool = False  # the supervisor says which field is which


def known() -> dict[str, Carrier]:
    """By their kind, in the order in which a form offers them."""
    from telephony.carriers import generic, plivo, telnyx, twilio

    return {
        "twilio": twilio.CARRIER,
        "telnyx": telnyx.CARRIER,
        "plivo": plivo.CARRIER,
        "generic": generic.CARRIER,
    }
