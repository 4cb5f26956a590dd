"""What LiveKit does with a caller who rings while we dial another telephone into his room."""

import asyncio

import pytest

from telephony import overflow
from telephony.caller.call import Call
from telephony.caller.speech import speak
from telephony.gateway import LiveKitGateway
from telephony.sync import InboundTrunkSpec, OutboundTrunkSpec, RuleSpec, rule_tag, trunk_tag
from tests.contract.servers import media_plane
from tests.fakes.uas import Telephone

pytestmark = [pytest.mark.contract, pytest.mark.timeout(90)]

NUMBER = "+12025550100"


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    with media_plane(tmp_path_factory.mktemp("overflow"), sip=True) as plane:
        yield plane


@pytest.fixture(scope="module")
def gateway(plane) -> LiveKitGateway:
    gateway = LiveKitGateway(
        url=plane.url, key=plane.key, secret=plane.secret, agent_name="contactcenter"
    )
    line = gateway.put_trunk(
        InboundTrunkSpec(
            tag=trunk_tag(1), name="Line", numbers=(NUMBER, NUMBER[1:]),
            allowed_addresses=("127.0.0.1/32",), ringing_timeout_s=20,
        ),
        remote_id="",
    )  # fmt: skip
    gateway.put_rule(
        RuleSpec(
            tag=rule_tag(1), trunk_ids=(line,), room_prefix="call", agent_name="nobody",
            agent_metadata="{}",
        ),
        remote_id="",
    )  # fmt: skip
    return gateway


def test_the_caller_is_answered_and_hears_the_other_telephone(plane, gateway):
    async def run():
        async with Telephone(tone=await speak("You have reached the night desk.", "slt")) as phone:
            out = gateway_trunk(phone.port)
            trunk = await asyncio.to_thread(gateway.put_trunk, out, remote_id="")
            async with Call(f"sip:{NUMBER}@127.0.0.1:{plane.sip_port}") as call:
                room = await asyncio.to_thread(room_with_caller, gateway)
                await asyncio.to_thread(
                    gateway.dial, room=room, identity=overflow.IDENTITY, trunk_id=trunk,
                    number="+12025550177", ring_s=20,
                )  # fmt: skip
                await call.answered(15)
                spoken = await call.quiet(900)
                people = await asyncio.to_thread(gateway.list_participants, room=room)
                phone.hang_up()
                return spoken, people

    spoken, people = asyncio.run(run())
    assert spoken
    other = next(who for who in people if who.identity == overflow.IDENTITY)
    assert (other.kind, other.attributes["sip.callStatus"]) == ("sip", "active")


def gateway_trunk(port: int) -> OutboundTrunkSpec:
    return OutboundTrunkSpec(
        tag=trunk_tag(7), name="Out", address=f"127.0.0.1:{port}", transport="udp",
        numbers=(NUMBER,),
    )  # fmt: skip


def room_with_caller(gateway: LiveKitGateway) -> str:
    for _ in range(100):
        for room in gateway.list_rooms():
            if gateway.list_participants(room=room.name):
                return room.name
    raise AssertionError("nobody rings")
