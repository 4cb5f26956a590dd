"""The dry run says beforehand what LiveKit then does with the call."""

from collections.abc import Iterator

import pytest

from telephony import wanted
from telephony.gateway import LiveKitGateway
from telephony.routing import Invite, Outcome, Table
from telephony.sync import InboundTrunkSpec, RuleSpec, rule_tag, trunk_tag
from tests.contract.ringing import ring
from tests.contract.servers import MediaPlane, media_plane

pytestmark = [pytest.mark.contract, pytest.mark.timeout(90)]

HERE, ELSEWHERE = "127.0.0.1", "203.0.113.7"
SALES, FAR, LOST, NOBODYS = "+12025550100", "+12025550101", "+12025550102", "+12025550999"


@pytest.fixture(scope="module")
def plane(tmp_path_factory) -> Iterator[MediaPlane]:
    with media_plane(tmp_path_factory.mktemp("routing"), sip=True) as plane:
        yield plane


def trunk(gateway, pk, number, *networks) -> str:
    spec = InboundTrunkSpec(
        tag=trunk_tag(pk), name=f"Line {pk}", numbers=(number, number[1:]),
        allowed_addresses=networks, ringing_timeout_s=2,
    )  # fmt: skip
    return gateway.put_trunk(spec, remote_id="")


def rule(gateway, pk, trunk_id) -> None:
    spec = RuleSpec(
        tag=rule_tag(pk), trunk_ids=(trunk_id,), room_prefix="call", agent_name="nobody",
        agent_metadata="{}",
    )  # fmt: skip
    gateway.put_rule(spec, remote_id="")


@pytest.fixture(scope="module")
def gateway(plane) -> LiveKitGateway:
    gateway = LiveKitGateway(
        url=plane.url, key=plane.key, secret=plane.secret, agent_name="contactcenter"
    )
    rule(gateway, 1, trunk(gateway, 1, SALES, f"{HERE}/32"))
    rule(gateway, 2, trunk(gateway, 2, FAR, f"{ELSEWHERE}/32"))
    trunk(gateway, 3, LOST, f"{HERE}/32")
    return gateway


def compared(plane, gateway, number) -> tuple[Outcome, int]:
    """What the dry run says, after LiveKit did the same; and LiveKit's final status."""
    told = Table(gateway.list_trunks(), gateway.list_rules()).route(
        Invite(called=number, address=HERE)
    )
    seen = ring(plane, gateway, number, wait_s=3.5)
    rooms = {room.partition("_")[0] for room in seen.rooms}
    assert rooms == ({told.rule.spec.room_prefix} if told.rule else set())
    return told.outcome, seen.status


@pytest.mark.parametrize("written", [SALES, SALES[1:]])
def test_a_number_with_trunk_and_rule_asks_for_an_agent(plane, gateway, written):
    assert compared(plane, gateway, written)[0] == Outcome.AGENT


@pytest.mark.parametrize(
    ("number", "outcome"),
    [(LOST, Outcome.NO_RULE), (FAR, Outcome.NO_TRUNK), (NOBODYS, Outcome.NO_TRUNK)],
)
def test_without_trunk_or_rule_a_call_is_never_answered(plane, gateway, number, outcome):
    assert compared(plane, gateway, number) == (outcome, 0)


def test_with_a_trunk_for_unknown_numbers_it_is_refused(plane, gateway):
    nobodys = gateway.put_trunk(wanted.unknown_trunk_spec([f"{HERE}/32"]), remote_id="")
    gateway.put_rule(wanted.unknown_rule_spec(nobodys), remote_id="")
    for number in (FAR, NOBODYS):
        outcome, status = compared(plane, gateway, number)
        assert outcome == Outcome.NO_AGENT
        assert status >= 400
