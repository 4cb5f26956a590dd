"""The telephones of a call as its page shows them: LiveKit's word, and the carrier's."""

from dataclasses import dataclass
from decimal import Decimal

from recordings import page
from telephony import carriers, shapes
from telephony.lifecycle import LegState
from telephony.models import Call, CarrierCall, Leg

STATE_WORDS = {
    LegState.DIALING: "Dialling",
    LegState.RINGING: "Ringing",
    LegState.ACTIVE: "Talking",
    LegState.ENDED: "Ended",
    LegState.FAILED: "Failed",
}
MOST = 20  # of one call


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Empty is what nobody has told."""

    who: str
    state: str
    trunk: str
    sip: str
    call_id: str  # SIP Call-ID
    carrier: str
    carrier_id: str
    why: str
    talked: str
    price: str


def of(call: Call) -> list[Shown]:
    """In the order in which they began; what a carrier tells without a leg comes last."""
    legs = list(call.legs.select_related("trunk").order_by("started_at", "pk")[:MOST])
    told: dict[int | None, list[CarrierCall]] = {}
    for facts in call.carrier_calls.order_by("pk")[:MOST]:
        told.setdefault(facts.leg_id, []).append(facts)
    shown = [_shown(leg, told.pop(leg.pk, [])) for leg in legs]
    return shown + [_alone(facts) for rest in told.values() for facts in rest]


def _shown(leg: Leg, told: list[CarrierCall]) -> Shown:
    facts = told[-1] if told else CarrierCall()
    number = shapes.readable(leg.remote) if leg.remote else "withheld"
    return Shown(
        who=f"{leg.get_role_display()} {number}",
        state=STATE_WORDS[LegState(leg.state)],
        trunk=leg.trunk.name if leg.trunk else "",
        sip=str(leg.sip_status or facts.sip_status or ""),
        call_id=leg.sip_full_id or facts.sip_call_id,
        carrier=_carrier(facts),
        carrier_id=leg.carrier_id or facts.carrier_id,
        why=_why(facts),
        talked=_clock(facts.duration_s),
        price=", ".join(filter(None, (_price(one.price, one.currency) for one in told))),
    )


def _alone(facts: CarrierCall) -> Shown:
    other = facts.called if facts.outbound else facts.caller
    return Shown(
        who=f"{shapes.readable(other) if other else 'Withheld'}, told by the carrier only",
        state=facts.get_state_display(),
        trunk="",
        sip=str(facts.sip_status or ""),
        call_id=facts.sip_call_id,
        carrier=_carrier(facts),
        carrier_id=facts.carrier_id,
        why=_why(facts),
        talked=_clock(facts.duration_s),
        price=_price(facts.price, facts.currency),
    )


def _carrier(facts: CarrierCall) -> str:
    carrier = carriers.known().get(facts.kind)
    return carrier.label if carrier else ""


def _why(facts: CarrierCall) -> str:
    if facts.cause is None:
        return facts.words
    return f"{facts.words} (cause {facts.cause})".strip()


def _clock(seconds: int | None) -> str:
    return "" if seconds is None else page.clock(seconds * 1000)


def _price(amount: Decimal | None, currency: str) -> str:
    """In the carrier's own currency; six places are kept, as many are shown as say something."""
    if amount is None:
        return ""
    plain = f"{amount:f}"
    whole, _, rest = plain.partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')} {currency}".strip()
