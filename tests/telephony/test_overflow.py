"""A caller for whom no worker comes is put through to another number."""

from datetime import timedelta

import pytest
from django.conf import settings

from telephony import overflow, watch
from telephony.errors import GatewayUnavailable
from telephony.models import Call, Entrance, Leg, Number
from telephony.sync import OutboundTrunkSpec
from tests.factories import NOW, make_rule, make_trunk

pytestmark = [pytest.mark.db, pytest.mark.django_db]

ROOM = "call_+12025550123_abc"
LIMIT = settings.NO_AGENT_SECONDS


@pytest.fixture
def ringing(livekit):
    trunk = make_trunk()
    make_rule(trunk)
    spec = OutboundTrunkSpec(
        tag="t", name="Out", address="sip.example", transport="auto", numbers=("+12025550100",)
    )
    out = make_trunk(
        number="", name="Out", direction="outbound", address="sip.example",
        remote_id=livekit.put_trunk(spec, remote_id=""),
    )  # fmt: skip
    Entrance.objects.create(
        number=Number.objects.get(), overflow_number="+12025550177", overflow_trunk=out
    )
    livekit.ring(ROOM, at=NOW)
    return livekit


def look(livekit, seconds: float) -> Call:
    watch.reconcile_calls(now=NOW + timedelta(seconds=seconds), gateway=livekit)
    return Call.objects.get(room=ROOM)


def other(livekit):
    return next(
        (p for p in livekit.participants.get(ROOM, []) if p.identity == overflow.IDENTITY), None
    )


def test_the_other_number_is_called_into_the_room(ringing):
    look(ringing, 2.1)
    call = look(ringing, LIMIT)
    assert other(ringing).attributes["sip.phoneNumber"] == "+12025550177"
    assert (call.state, call.end_reason) == ("ringing", "overflow")
    assert Leg.objects.get(identity=overflow.IDENTITY).remote == "+12025550177"


def test_a_number_may_have_a_limit_of_its_own(ringing):
    Entrance.objects.update(ring_limit_s=LIMIT - 2)
    look(ringing, LIMIT - 2.5)
    assert other(ringing) is None
    look(ringing, LIMIT - 2)
    assert other(ringing)


def test_both_are_left_in_peace_while_they_talk(ringing):
    look(ringing, LIMIT)
    other(ringing).attributes["sip.callStatus"] = "active"
    for seconds in (10, 20, 60):
        call = look(ringing, seconds)
    assert call.no_agent_since is None
    assert ROOM in ringing.rooms


def test_the_call_ends_with_the_other_telephone(ringing):
    look(ringing, LIMIT)
    other(ringing).attributes["sip.callStatus"] = "active"
    look(ringing, 10)
    ringing.remove_participant(room=ROOM, identity=overflow.IDENTITY)
    call = look(ringing, 30)
    assert (call.state, call.end_reason) == ("ended", "overflow")
    assert ROOM not in ringing.rooms


def test_if_nobody_answers_there_either_the_caller_is_refused(ringing):
    look(ringing, LIMIT)
    ringing.remove_participant(room=ROOM, identity=overflow.IDENTITY)
    look(ringing, 30)
    call = look(ringing, 30 + LIMIT)
    assert (call.state, call.end_reason) == ("failed", "no_agent")
    assert ROOM not in ringing.rooms


def test_a_trunk_livekit_does_not_know_leads_to_a_refusal(ringing):
    ringing.trunks.clear()
    call = look(ringing, LIMIT)
    assert (call.state, call.end_reason) == ("failed", "no_agent")


def test_nobody_rings_on_while_livekit_cannot_dial(ringing, monkeypatch):
    def exhausted(**_):
        raise GatewayUnavailable("cpu exhausted")

    monkeypatch.setattr(ringing, "dial", exhausted)
    call = look(ringing, LIMIT)
    assert (call.state, call.end_reason) == ("failed", "no_agent")
    assert ROOM not in ringing.rooms
    assert Leg.objects.get(identity=overflow.IDENTITY).state == "failed"


def test_a_number_without_another_is_refused_as_ever(ringing):
    Entrance.objects.update(overflow_number="")
    call = look(ringing, LIMIT)
    assert (call.state, call.end_reason) == ("failed", "no_agent")
