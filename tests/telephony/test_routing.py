"""Trunk and rule of a call, without a LiveKit. tests/contract/test_routing.py asks the real one."""

import pytest

from telephony.routing import Invite, Outcome, Table
from telephony.sync import InboundTrunkSpec, LiveRule, LiveTrunk, OutboundTrunkSpec, RuleSpec

pytestmark = pytest.mark.unit

SALES = "+12025550100"


def trunk(remote_id, *numbers, addresses=("203.0.113.0/28",), **more):
    spec = InboundTrunkSpec(
        tag=remote_id, name=remote_id, numbers=numbers, allowed_addresses=addresses,
        ringing_timeout_s=20, **more,
    )  # fmt: skip
    return LiveTrunk(remote_id=remote_id, spec=spec)


def rule(remote_id, *trunks, agent="bot"):
    spec = RuleSpec(
        tag=remote_id, trunk_ids=trunks, room_prefix="call", agent_name=agent, agent_metadata=""
    )
    return LiveRule(remote_id=remote_id, spec=spec)


def routed(trunks, rules, called=SALES, address=""):
    return Table(trunks, rules).route(Invite(called=called, address=address))


@pytest.mark.parametrize("called", [SALES, "12025550100", "+1 (202) 555-0100"])
def test_all_ways_of_writing_a_number_find_its_trunk(called):
    found = routed([trunk("A", SALES, SALES[1:])], [rule("R", "A")], called)
    assert (found.outcome, found.trunk.remote_id, found.rule.remote_id) == ("agent", "A", "R")


def test_the_trunk_with_the_number_wins_over_one_for_any():
    found = routed([trunk("ANY"), trunk("A", SALES)], [rule("R", "ANY"), rule("S", "A")])
    assert found.rule.remote_id == "S"


def test_the_rule_naming_the_trunk_wins_over_one_naming_none():
    found = routed([trunk("A", SALES)], [rule("ANY"), rule("R", "A")])
    assert found.rule.remote_id == "R"
    assert routed([trunk("A", SALES)], [rule("ANY")]).rule.remote_id == "ANY"
    assert routed([], [rule("ANY")]).outcome == Outcome.AGENT  # strangers too


@pytest.mark.parametrize(
    ("address", "outcome"),
    [("203.0.113.7", "agent"), ("203.0.113.16", "no trunk"), ("", "agent"), ("::1", "no trunk")],
)
def test_the_address_decides(address, outcome):
    found = routed([trunk("A", SALES)], [rule("R", "A")], address=address)
    assert found.outcome == outcome
    assert [live.remote_id for live in found.shut_out] == ([] if outcome == "agent" else ["A"])


def test_a_list_of_addresses_nobody_can_read_lets_everybody_in():
    found = routed([trunk("A", SALES, addresses=("*",))], [rule("R", "A")], address="192.0.2.1")
    assert found.outcome == Outcome.AGENT


def test_two_trunks_which_fit_are_a_clash():
    assert routed([trunk("A", SALES), trunk("B", SALES)], []).outcome == Outcome.CLASH
    apart = trunk("B", SALES, addresses=("192.0.2.0/24",))
    found = routed([trunk("A", SALES), apart], [rule("R", "A")], address="203.0.113.7")
    assert found.outcome == Outcome.AGENT


def test_what_is_missing_is_named():
    assert routed([trunk("A", SALES)], []).outcome == Outcome.NO_RULE
    assert routed([trunk("A")], [rule("R", "A", agent="")]).outcome == Outcome.NO_AGENT
    assert routed([], []).outcome == Outcome.NO_TRUNK


def test_a_password_is_mentioned():
    found = routed([trunk("A", SALES, auth_username="u", auth_password="p")], [rule("R", "A")])
    assert found.asks_password


def test_outbound_trunks_take_no_calls():
    spec = OutboundTrunkSpec(
        tag="O", name="O", address="sip.example.com", transport="udp", numbers=(SALES,)
    )
    assert routed([LiveTrunk(remote_id="O", spec=spec)], []).outcome == Outcome.NO_TRUNK
