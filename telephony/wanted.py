"""From rows to specs: what LiveKit should hold for a trunk or rule, or why it must hold nothing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from django.conf import settings

from agents import seal
from telephony import sync
from telephony.models import NO_RULE_PREFIX, ROOM_PREFIX, UNKNOWN_PREFIX, DispatchRule, Trunk
from telephony.sync import (
    NO_RULE,
    UNKNOWN_RULE,
    UNKNOWN_TRUNK,
    InboundTrunkSpec,
    OutboundTrunkSpec,
    RuleSpec,
    TrunkSpec,
)

NO_EDGE = "There is no SIP edge. Set it up (deploy/README.md), or take the trunk off it."
EDGE_HEADER = "X-Edge-Trunk"  # tells the edge which carrier a call goes to (deploy/edge/routes.cfg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Exactly one of three: a spec; a problem in words; neither, for a row switched off."""

    spec: TrunkSpec | RuleSpec | None = None
    problem: str = ""


def trunk(row: Trunk) -> Wanted:
    if not row.enabled:
        return Wanted()
    try:
        password = seal.unseal(row.sealed_auth_password, keys=settings.SEAL_KEYS)
    except seal.SealBroken as broken:
        return Wanted(problem=str(broken))
    if row.direction == Trunk.Direction.OUTBOUND:
        return _outbound(row, password)
    return _inbound(row, password)


def _inbound(row: Trunk, password: str) -> Wanted:
    numbers = sorted(number.e164 for number in row.numbers.all())
    if not numbers:
        return Wanted(problem="The trunk has no number, so it would take any call. Add a number.")
    if row.via_edge and not edge_host():
        return Wanted(problem=NO_EDGE)
    networks = tuple(_networks(sources(row)))
    # who registers shows name and password to the carrier, and is not shown them by it
    user, password = ("", "") if row.registers else (row.auth_username, password)
    if not networks and not (user and password):
        return Wanted(
            problem="Anybody could call in. Add the provider's addresses, or name and password."
        )
    return Wanted(
        spec=InboundTrunkSpec(
            tag=sync.trunk_tag(row.pk),
            name=row.name,
            numbers=tuple(form for e164 in numbers for form in sync.written_forms(e164)),
            allowed_addresses=networks,
            ringing_timeout_s=settings.RINGING_SECONDS,
            auth_username=user,
            auth_password=password,
            **_media(row),
        )
    )


def _outbound(row: Trunk, password: str) -> Wanted:
    if not row.address or not row.caller_ids:
        return Wanted(problem="An outbound trunk needs an address and a number to show. Add both.")
    if row.via_edge and not edge_host():
        return Wanted(problem=NO_EDGE)
    by_edge = row.via_edge
    return Wanted(
        spec=OutboundTrunkSpec(
            tag=sync.trunk_tag(row.pk),
            name=row.name,
            address=settings.SIP_EDGE_ADDRESS if by_edge else row.address,
            transport="udp" if by_edge else row.transport,
            headers=((EDGE_HEADER, str(row.pk)),) if by_edge else (),
            numbers=tuple(row.caller_ids),
            auth_username=row.auth_username,
            auth_password=password,
            from_host=row.from_host or (row.address.partition(":")[0] if by_edge else ""),
            destination_country=row.destination_country,
            **_media(row),
        )
    )


def _media(row: Trunk) -> dict[str, Any]:
    attributes = {str(header): str(name) for header, name in row.header_attributes.items()}
    return {
        "encryption": row.media_encryption,
        "codecs": tuple(row.codecs),
        "include_headers": row.include_headers,
        "header_attributes": tuple(sorted(attributes.items())),
    }


def rule(row: DispatchRule, *, trunk_ids: Mapping[str, str]) -> Wanted:
    """`trunk_ids`: LiveKit's ids of the trunks it holds, by tag. Without any: never pushed."""
    if not row.enabled:
        return Wanted()
    plan = row.project.published
    if plan is None:
        return Wanted(problem=f"Project “{row.project.name}” is not published. Publish it first.")
    tags = {sync.trunk_tag(t.pk) for t in row.trunks.all()}
    mine = tuple(sorted(trunk_ids[tag] for tag in tags if tag in trunk_ids))
    if not mine:
        return Wanted(
            problem="None of its trunks is on LiveKit, and a rule without trunks would answer "
            "anybody. Repair or switch on one of its trunks."
        )
    return Wanted(
        spec=RuleSpec(
            tag=sync.rule_tag(row.pk),
            trunk_ids=mine,
            room_prefix=ROOM_PREFIX,
            agent_name=settings.AGENT_NAME,
            agent_metadata=sync.plan_metadata(plan.digest),
        )
    )


# --- numbers nobody here has ----------------------------------------------------------------------


def unknown_trunk(rows: Iterable[Trunk]) -> Wanted:
    """A trunk without numbers for whatever else our carriers send.

    LiveKit never answers a call for which it has no trunk, and the caller would ring for ever.
    This one matches when no trunk with the dialled number does, and its rule asks for no agent,
    so LiveKit refuses such a call by itself after the ringing time-out.
    """
    inbound = [t for t in rows if t.enabled and t.direction == Trunk.Direction.INBOUND]
    networks = sorted({net for row in inbound for net in _networks(sources(row))})
    return Wanted(spec=unknown_trunk_spec(networks)) if networks else Wanted()


def sources(row: Trunk) -> list[str]:
    """Where LiveKit sees the calls of an inbound trunk come from: the edge, if it is between.

    Which carriers may call the edge is in its own list.
    """
    if row.via_edge:
        return [edge_host()] if edge_host() else []
    return list(row.allowed_addresses)


def edge_host() -> str:
    return str(settings.SIP_EDGE_ADDRESS).rpartition(":")[0]


def _networks(addresses: Iterable[str]) -> Iterable[str]:
    """As networks throughout: LiveKit lets a bare address in when From merely names it as host."""
    for address in addresses:
        try:
            yield str(ip_network(address))
        except ValueError:  # never leave only such a one: LiveKit would let everybody in
            continue


def unknown_trunk_spec(networks: Iterable[str]) -> InboundTrunkSpec:
    return InboundTrunkSpec(
        tag=UNKNOWN_TRUNK,
        name="Numbers nobody here has",
        numbers=(),
        allowed_addresses=tuple(networks),
        ringing_timeout_s=1,
    )


def unknown_rule(trunk_id: str) -> Wanted:
    return Wanted(spec=unknown_rule_spec(trunk_id)) if trunk_id else Wanted()


def unknown_rule_spec(trunk_id: str) -> RuleSpec:
    return RuleSpec(
        tag=UNKNOWN_RULE,
        trunk_ids=(trunk_id,),
        room_prefix=UNKNOWN_PREFIX,
        agent_name="",
        agent_metadata="",
        empty_timeout_s=5,
        departure_timeout_s=1,
    )


# --- trunks which no rule names -------------------------------------------------------------------


def no_rule(
    rules: Iterable[Wanted], trunk_ids: Mapping[str, str], foreign: Iterable[RuleSpec]
) -> Wanted:
    """A rule without an agent for those of our trunks which no other rule names.

    LiveKit never answers a call whose trunk has no rule, and the caller would ring for ever. Where
    somebody else's rule takes such calls, or any call at all, they stay his.
    """
    others = list(foreign)
    if any(not rule.trunk_ids for rule in others):
        return Wanted()
    ours = [want.spec for want in rules if isinstance(want.spec, RuleSpec)]
    named = {trunk for rule in (*ours, *others) for trunk in rule.trunk_ids}
    left = sorted({i for tag, i in trunk_ids.items() if tag != UNKNOWN_TRUNK} - named)
    return Wanted(spec=no_rule_spec(left)) if left else Wanted()


def no_rule_spec(trunk_ids: Iterable[str]) -> RuleSpec:
    return RuleSpec(
        tag=NO_RULE,
        trunk_ids=tuple(trunk_ids),
        room_prefix=NO_RULE_PREFIX,
        agent_name="",
        agent_metadata="",
        empty_timeout_s=5,
        departure_timeout_s=1,
    )
