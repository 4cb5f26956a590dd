"""Which trunk and which rule LiveKit takes for a call, by its own rules. Pure.

Seen on livekit-server 1.13.5 and livekit-sip 1.8.0 (tests/contract/test_routing.py): a trunk with
the dialled number wins over one without numbers; a rule which names the trunk over one which names
none; two trunks which fit are one too many.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from telephony import sync
from telephony.sync import InboundTrunkSpec, LiveRule, LiveTrunk


class Outcome(StrEnum):
    AGENT = "agent"  # a rule asks for an agent
    NO_AGENT = "no agent"  # a rule, but nobody is asked for: refused when ringing has lasted
    NO_RULE = "no rule"
    NO_TRUNK = "no trunk"
    CLASH = "clash"  # LiveKit cannot choose between trunks


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    called: str  # as the carrier writes it
    address: str = ""  # the carrier's; empty: one which may call


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    outcome: Outcome
    trunk: LiveTrunk | None = None
    rule: LiveRule | None = None
    shut_out: tuple[LiveTrunk, ...] = ()  # they have the number, but not for this address

    @property
    def asks_password(self) -> bool:
        spec = self.trunk.spec if self.trunk else None
        return bool(spec and spec.auth_username and spec.auth_password)


class Table:
    """All trunks and rules of one moment; each look-up costs the same, however many there are."""

    def __init__(self, trunks: Iterable[LiveTrunk], rules: Iterable[LiveRule]) -> None:
        self._by_number: dict[str, list[LiveTrunk]] = defaultdict(list)
        self._any_number: list[LiveTrunk] = []
        for live in trunks:
            if isinstance(live.spec, InboundTrunkSpec):
                self._add(live, live.spec)
        self._by_trunk: dict[str, list[LiveRule]] = defaultdict(list)
        for rule in rules:
            for trunk_id in rule.spec.trunk_ids or ("",):
                self._by_trunk[trunk_id].append(rule)

    def _add(self, live: LiveTrunk, spec: InboundTrunkSpec) -> None:
        if not spec.numbers:
            self._any_number.append(live)
        for number in {sync.normalised(number) for number in spec.numbers}:
            self._by_number[number].append(live)

    def route(self, invite: Invite) -> Route:
        holders = self._by_number.get(sync.normalised(invite.called), [])
        open_ones = [live for live in holders if admits(live, invite.address)]
        shut_out = tuple(live for live in holders if live not in open_ones)
        chosen = open_ones or [live for live in self._any_number if admits(live, invite.address)]
        if len(chosen) > 1:
            return Route(outcome=Outcome.CLASH, trunk=chosen[0], shut_out=shut_out)
        trunk = chosen[0] if chosen else None
        rule = self._rule(trunk)
        return Route(outcome=_outcome(trunk, rule), trunk=trunk, rule=rule, shut_out=shut_out)

    def _rule(self, trunk: LiveTrunk | None) -> LiveRule | None:
        named = self._by_trunk.get(trunk.remote_id, []) if trunk else []
        return next(iter(named or self._by_trunk.get("", [])), None)


def _outcome(trunk: LiveTrunk | None, rule: LiveRule | None) -> Outcome:
    if rule is None:
        return Outcome.NO_TRUNK if trunk is None else Outcome.NO_RULE
    return Outcome.AGENT if rule.spec.agent_name else Outcome.NO_AGENT


def admits(live: LiveTrunk, address: str) -> bool:
    """Whether a trunk takes calls from there. Of a list nobody can read LiveKit keeps nothing, and
    then lets everybody in."""
    if not address or not isinstance(live.spec, InboundTrunkSpec):
        return True
    networks = list(_readable(live.spec.allowed_addresses))
    return not networks or any(ip_address(address) in network for network in networks)


def _readable(addresses: Iterable[str]) -> Iterable[IPv4Network | IPv6Network]:
    for address in addresses:
        try:
            yield ip_network(address, strict=False)
        except ValueError:
            continue
