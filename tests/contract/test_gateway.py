"""What we believe of LiveKit, tried on the fake and on the real one."""

import asyncio
import socket
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from livekit import api

from telephony import sync
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.gateway import LiveKitGateway
from telephony.live import EgressWish
from telephony.sync import InboundTrunkSpec, OutboundTrunkSpec, RuleSpec

pytestmark = [pytest.mark.contract, pytest.mark.timeout(90)]


def inbound(number: str = "+12025550100", pk: int = 1, **values) -> InboundTrunkSpec:
    spec = InboundTrunkSpec(
        tag=sync.trunk_tag(pk),
        name=f"Trunk {pk}",
        numbers=sync.written_forms(number),
        allowed_addresses=("127.0.0.1/32", "203.0.113.0/28"),
        ringing_timeout_s=20,
        auth_username="user",
        auth_password="secret",
    )
    return replace(spec, **values)


OUTBOUND = OutboundTrunkSpec(
    tag=sync.trunk_tag(7),
    name="Out",
    address="sip.example.com:5061",
    transport="tls",
    numbers=("+12025550100",),
    auth_username="user",
    auth_password="secret",
    headers=(("X-Edge-Trunk", "7"),),
    from_host="sip.example.com",
)


def rule(*trunks: str, pk: int = 1, **values) -> RuleSpec:
    spec = RuleSpec(
        tag=sync.rule_tag(pk),
        trunk_ids=trunks,
        room_prefix="call",
        agent_name="contactcenter",
        agent_metadata=sync.plan_metadata("d" * 64),
    )
    return replace(spec, **values)


STRICT: dict[str, Any] = {
    "encryption": "require", "codecs": ("PCMA", "G722"), "include_headers": "x",
    "header_attributes": (("X-Account", "account"), ("X-Tenant", "tenant")),
}  # fmt: skip
SPECS = [
    inbound(), OUTBOUND, inbound(**STRICT), inbound(encryption="allow", include_headers="all"),
    replace(OUTBOUND, **STRICT, from_host="example.com", destination_country="DE"),
]  # fmt: skip


@pytest.mark.parametrize("spec", SPECS, ids=["in", "out", "in strict", "in all", "out strict"])
def test_a_trunk_comes_back_as_it_was_put(gateway, spec):
    remote_id = gateway.put_trunk(spec, remote_id="")
    (live,) = gateway.list_trunks()
    assert (live.remote_id, live.spec) == (remote_id, spec)
    assert sync.differences(spec, live.spec) == []


def test_a_rule_comes_back_as_it_was_put(gateway):
    trunk = gateway.put_trunk(inbound(), remote_id="")
    remote_id = gateway.put_rule(rule(trunk), remote_id="")
    (live,) = gateway.list_rules()
    assert (live.remote_id, live.spec) == (remote_id, rule(trunk))


def test_putting_with_an_id_replaces(gateway):
    trunk = gateway.put_trunk(inbound(), remote_id="")
    assert gateway.put_trunk(inbound(name="renamed"), remote_id=trunk) == trunk
    made = gateway.put_rule(rule(trunk), remote_id="")
    assert gateway.put_rule(rule(trunk, agent_metadata="{}"), remote_id=made) == made
    assert len(gateway.list_trunks()) == len(gateway.list_rules()) == 1


def test_replacing_erases_what_is_left_out(gateway):
    trunk = gateway.put_trunk(inbound(), remote_id="")
    bare = inbound(auth_username="", auth_password="", allowed_addresses=("127.0.0.1/32",))
    assert gateway.put_trunk(bare, remote_id=trunk) == trunk
    assert gateway.list_trunks()[0].spec == bare


@pytest.mark.parametrize("form", ["+12025550100", "12025550100"])
def test_a_number_belongs_to_one_trunk_in_either_form(gateway, form):
    gateway.put_trunk(inbound(), remote_id="")
    with pytest.raises(GatewayRefused, match="Conflicting inbound SIP Trunks"):
        gateway.put_trunk(inbound(pk=2, numbers=(form,)), remote_id="")


def test_a_trunk_belongs_to_one_rule(gateway):
    trunk = gateway.put_trunk(inbound(), remote_id="")
    gateway.put_rule(rule(trunk), remote_id="")
    with pytest.raises(GatewayRefused, match="already exists"):
        gateway.put_rule(rule(trunk, pk=2), remote_id="")


def test_our_conflict_keys_foretell_what_livekit_refuses(gateway):
    gateway.put_trunk(inbound(), remote_id="")
    apart = inbound("+12025550101", pk=2)
    assert not sync.trunk_keys(apart) & sync.trunk_keys(inbound())
    gateway.put_trunk(apart, remote_id="")


def test_a_trunk_open_to_everybody_is_refused(gateway):
    with pytest.raises(GatewayRefused):
        gateway.put_trunk(
            inbound(numbers=(), allowed_addresses=(), auth_username="", auth_password=""),
            remote_id="",
        )


def test_replacing_what_is_gone_is_refused(gateway):
    with pytest.raises(GatewayRefused, match="does not exist"):
        gateway.put_trunk(inbound(), remote_id="ST_gone")
    with pytest.raises(GatewayRefused, match="does not exist"):
        gateway.put_rule(rule("ST_1"), remote_id="SDR_gone")


def test_deleting_what_is_gone_is_fine(gateway):
    gateway.delete_trunk(remote_id="ST_gone")
    gateway.delete_rule(remote_id="SDR_gone")
    gateway.delete_room(room="call_gone")
    gateway.remove_participant(room="call_gone", identity="sip_1")
    assert gateway.list_participants(room="call_gone") == []


def test_a_deleted_trunk_leaves_its_rule_behind(gateway):
    trunk = gateway.put_trunk(inbound(), remote_id="")
    gateway.put_rule(rule(trunk), remote_id="")
    gateway.delete_trunk(remote_id=trunk)
    assert gateway.list_rules()[0].spec.trunk_ids == (trunk,)


def test_a_room_nobody_holds_has_no_jobs_at_all(gateway):
    assert gateway.list_jobs(room="call_gone") is None


def test_a_dispatch_makes_the_room_it_names(gateway):
    gateway.create_dispatch(room="call_made", metadata="{}")
    assert "call_made" in {room.name for room in gateway.list_rooms()}
    assert gateway.list_jobs(room="call_made") == []
    gateway.delete_room(room="call_made")
    assert "call_made" not in {room.name for room in gateway.list_rooms()}


def test_a_room_for_a_call_of_ours_is_made_once(gateway):
    for _ in range(2):
        gateway.create_room(room="call_out_1", metadata='{"outbound": 1}')
    assert [room.name for room in gateway.list_rooms()].count("call_out_1") == 1
    assert gateway.list_jobs(room="call_out_1") == []  # no worker is here to take one
    gateway.delete_room(room="call_out_1")


def test_nobody_is_present_where_nobody_is(gateway):
    assert not gateway.is_present(room="call_gone", identity="agent-1")


def test_a_recording_needs_a_room(gateway):
    with pytest.raises(GatewayRefused, match="does not exist"):
        gateway.start_egress(EgressWish(room="call_gone", object_key="x.ogg"))
    assert gateway.list_egress(room="call_gone") == []


# --- the real one only --------------------------------------------------------------------------


def test_fields_somebody_else_sets_are_seen_as_a_difference(real_livekit, real_gateway):
    trunk = real_gateway.put_trunk(inbound(), remote_id="")
    made = real_gateway.put_rule(rule(trunk), remote_id="")

    async def meddle() -> None:
        async with api.LiveKitAPI(real_livekit.url, real_livekit.key, real_livekit.secret) as lk:
            found = await lk.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())
            found.items[0].headers_to_attributes["X-Tenant"] = "tenant"
            found.items[0].headers["X-Theirs"] = "1"
            found.items[0].media.media_timeout.seconds = 60
            found.items[0].media.codecs.add(name="PCMA", rate=8000)
            await lk.sip.update_inbound_trunk(trunk, found.items[0])
            rules = await lk.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest())
            rules.items[0].rule.dispatch_rule_individual.pin = "1234"
            rules.items[0].room_config.max_participants = 2
            await lk.sip.update_dispatch_rule(made, rules.items[0])

    asyncio.run(meddle())
    seen = real_gateway.list_trunks()[0].spec
    assert seen.header_attributes == (("X-Tenant", "tenant"),)
    assert sync.differences(inbound(), seen) == [
        "header_attributes", "headers", "media.media_timeout", "media.codecs",
    ]  # fmt: skip
    extras = set(real_gateway.list_rules()[0].spec.extras)
    assert extras == {"rule.pin", "room_config.max_participants"}


def test_a_participant_is_found_on_the_server_itself(real_livekit, real_gateway):
    """Redis may be emptied under a running call: listings are empty then, the server is not."""
    import redis
    from livekit import rtc

    room = "call_present"
    token = (
        api.AccessToken(real_livekit.key, real_livekit.secret)
        .with_identity("agent-AJ_1")
        .with_kind("agent")
        .with_grants(api.VideoGrants(room_join=True, room=room, agent=True))
    )

    async def look() -> tuple[bool, object, list[object]]:
        here = rtc.Room()
        await here.connect(real_livekit.url, token.to_jwt())
        assert await asyncio.to_thread(
            lambda: [p.kind for p in real_gateway.list_participants(room=room)]
        ) == ["agent"]
        redis.Redis.from_url(real_livekit.redis_url).flushall()
        seen = await asyncio.to_thread(real_gateway.is_present, room=room, identity="agent-AJ_1")
        jobs = await asyncio.to_thread(real_gateway.list_jobs, room=room)
        listed = await asyncio.to_thread(real_gateway.list_participants, room=room)
        await here.disconnect()
        return seen, jobs, list(listed)

    assert asyncio.run(look()) == (True, [], [])
    real_gateway.delete_room(room=room)


def test_a_wrong_secret_is_a_refusal_not_an_outage(real_livekit):
    stranger = LiveKitGateway(
        url=real_livekit.url, key=real_livekit.key, secret="x" * 40, agent_name="contactcenter"
    )
    with pytest.raises(GatewayRefused):
        stranger.list_trunks()


def impatient(port: int) -> LiveKitGateway:
    return LiveKitGateway(
        url=f"ws://127.0.0.1:{port}", key="k", secret="s" * 40, agent_name="a", timeout_s=0.5
    )


def test_a_livekit_which_is_away_says_what_to_check():
    with pytest.raises(GatewayUnavailable, match="Check that it runs"):
        impatient(1).list_trunks()


def test_a_livekit_which_never_answers_is_given_up_in_time():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        threading.Thread(target=silent.accept, daemon=True).start()
        start = datetime.now(UTC)
        with pytest.raises(GatewayUnavailable):
            impatient(silent.getsockname()[1]).list_rooms()
        assert datetime.now(UTC) - start < timedelta(seconds=3)
