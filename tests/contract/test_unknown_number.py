"""What LiveKit itself does with a call to a number which none of our trunks has."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from telephony import siplog, sync, wanted
from telephony.caller import call as calls
from telephony.caller import sip
from telephony.caller.call import Call, CallFailed
from telephony.gateway import LiveKitGateway
from telephony.sync import InboundTrunkSpec, RuleSpec, rule_tag, trunk_tag
from tests.contract.ringing import nothing, ring
from tests.contract.servers import MediaPlane, media_plane

pytestmark = [pytest.mark.contract, pytest.mark.timeout(90)]

KNOWN, NOBODYS, PATIENT = "+12025550100", "+12025550999", "+12025550777"
RULELESS, LOCKED, PICKY = "+12025550666", "+12025550555", "+12025550444"
HOOK_S = 0.3  # a hook, its row and its task never reach LiveKit sooner after the caller joined


@pytest.fixture(scope="module")
def plane(tmp_path_factory) -> Iterator[MediaPlane]:
    with media_plane(tmp_path_factory.mktemp("unknown"), sip=True) as plane:
        yield plane


@pytest.fixture(scope="module")
def gateway(plane) -> LiveKitGateway:
    """A line of ours, and the trunk and rule for whatever else its carrier sends."""
    gateway = LiveKitGateway(
        url=plane.url, key=plane.key, secret=plane.secret, agent_name="contactcenter"
    )
    allowed = ("127.0.0.1/32",)
    line = gateway.put_trunk(
        InboundTrunkSpec(
            tag=trunk_tag(1), name="Line", numbers=(KNOWN, KNOWN[1:]), allowed_addresses=allowed,
            ringing_timeout_s=20,
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
    nobodys = gateway.put_trunk(wanted.unknown_trunk_spec(allowed), remote_id="")
    gateway.put_rule(wanted.unknown_rule_spec(nobodys), remote_id="")
    patient = gateway.put_trunk(
        replace(
            wanted.unknown_trunk_spec(allowed), tag=trunk_tag(2), numbers=(PATIENT,),
            ringing_timeout_s=20,
        ),
        remote_id="",
    )  # fmt: skip
    gateway.put_rule(replace(wanted.unknown_rule_spec(patient), tag=rule_tag(2)), remote_id="")
    ruleless = gateway.put_trunk(
        InboundTrunkSpec(
            tag=trunk_tag(3), name="Ruleless", numbers=(RULELESS, RULELESS[1:]),
            allowed_addresses=allowed, ringing_timeout_s=2,
        ),
        remote_id="",
    )  # fmt: skip
    locked = gateway.put_trunk(
        InboundTrunkSpec(
            tag=trunk_tag(4), name="Locked", numbers=(LOCKED,), allowed_addresses=(),
            ringing_timeout_s=2, auth_username="carrier", auth_password="right",
        ),
        remote_id="",
    )  # fmt: skip
    picky = gateway.put_trunk(
        InboundTrunkSpec(
            tag=trunk_tag(5), name="Picky", numbers=(PICKY,), allowed_addresses=allowed,
            ringing_timeout_s=2, codecs=("PCMA", "G722"),
        ),
        remote_id="",
    )  # fmt: skip
    gateway.put_rule(wanted.no_rule_spec([ruleless, locked, picky]), remote_id="")
    return gateway


def test_trunk_and_rule_come_back_as_they_were_put(gateway):
    trunk = next(t for t in gateway.list_trunks() if t.spec.tag == sync.UNKNOWN_TRUNK)
    assert trunk.spec == wanted.unknown_trunk_spec(("127.0.0.1/32",))
    rule = next(r for r in gateway.list_rules() if r.spec.tag == sync.UNKNOWN_RULE)
    assert rule.spec == wanted.unknown_rule_spec(trunk.remote_id)


def test_a_number_nobody_has_is_refused_by_livekit_alone(plane, gateway):
    outcome = ring(plane, gateway, NOBODYS, wait_s=5, meanwhile=nothing)
    assert outcome.status >= 400
    assert outcome.seconds < 2.5
    (room,) = outcome.rooms
    assert room.startswith("unknown_")


def test_deleting_its_room_refuses_a_call_which_would_ring_on(plane, gateway):
    def delete(room: str) -> None:
        while not gateway.list_participants(room=room):
            time.sleep(0.02)
        time.sleep(HOOK_S)
        gateway.delete_room(room=room)

    outcome = ring(plane, gateway, PATIENT, wait_s=10, meanwhile=delete)
    assert outcome.status >= 400


def test_a_room_deleted_while_the_caller_joins_refuses_him_too(plane, gateway):
    """livekit-sip then notices after 5 s, if it joined at that very moment, and says so."""
    outcome = ring(
        plane, gateway, NOBODYS, wait_s=15, meanwhile=lambda room: gateway.delete_room(room=room)
    )
    assert outcome.status >= 400


@pytest.mark.parametrize("number", [KNOWN, KNOWN[1:]])
def test_a_number_of_ours_still_reaches_its_own_rule(plane, gateway, number):
    """Nobody answers there: it rings on, in a room of that rule."""
    outcome = ring(plane, gateway, number, wait_s=2.5, meanwhile=nothing)
    assert outcome.status == 0
    (room,) = outcome.rooms
    assert room.startswith("call_")


def test_a_stranger_is_not_answered(plane, gateway, monkeypatch):
    monkeypatch.setattr(calls, "_own_address", lambda server: "127.0.0.2")
    outcome = ring(plane, gateway, NOBODYS, wait_s=3, meanwhile=nothing)
    assert (outcome.status, outcome.rooms) == (0, set())
    assert outcome.provisional  # it did arrive
    refusal = siplog.read(plane.sip_log)[0]
    assert refusal.kind == siplog.Kind.NO_TRUNK
    assert (refusal.address, refusal.called) == ("127.0.0.2", NOBODYS)


@pytest.mark.parametrize(
    ("password", "status", "kind"),
    [("", 407, siplog.Kind.NO_PASSWORD), ("wrong", 401, siplog.Kind.WRONG_PASSWORD)],
)
def test_a_carrier_which_does_not_log_in_is_found_in_the_log(
    plane, gateway, password, status, kind
):
    async def call() -> int:
        target, user = f"sip:{LOCKED}@127.0.0.1:{plane.sip_port}", "carrier" if password else ""
        async with Call(target, username=user, password=password) as call:
            with pytest.raises(CallFailed) as failure:
                await call.answered(5)
            return failure.value.status

    assert asyncio.run(call()) == status
    refusal = siplog.read(plane.sip_log)[0]
    assert (refusal.kind, refusal.called) == (kind, LOCKED)


def test_a_trunk_no_rule_names_refuses_by_itself(plane, gateway):
    """Without our rule for such trunks it would ring for ever (test_routing.py)."""
    outcome = ring(plane, gateway, RULELESS, wait_s=6, meanwhile=nothing)
    assert outcome.status >= 400
    (room,) = outcome.rooms
    assert room.startswith("norule_")


def test_the_rule_for_such_trunks_comes_back_as_it_was_put(gateway):
    rule = next(r for r in gateway.list_rules() if r.spec.tag == sync.NO_RULE)
    assert rule.spec == wanted.no_rule_spec(rule.spec.trunk_ids)


def test_a_codec_the_trunk_does_not_list_is_refused(plane, gateway):
    assert ring(plane, gateway, PICKY, wait_s=5, meanwhile=nothing).status == 400
    assert siplog.read(plane.sip_log)[0].kind == siplog.Kind.NO_CODEC


@pytest.mark.parametrize(("payload", "name"), [(8, "PCMA"), (9, "G722")])
def test_each_codec_the_trunk_lists_is_taken(plane, gateway, monkeypatch, payload, name):
    """It rings until the refusing rule's time is over, so the offer was fine."""
    real = sip.offer
    monkeypatch.setattr(
        sip, "offer", lambda *where: real(*where).replace("AVP 0 ", f"AVP {payload} ")
        .replace("rtpmap:0 PCMU", f"rtpmap:{payload} {name}"),
    )  # fmt: skip
    assert ring(plane, gateway, PICKY, wait_s=5, meanwhile=nothing).status == 486
