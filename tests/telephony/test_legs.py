"""The telephones in a call, as hooks and the reconciler tell of them."""

from datetime import timedelta

import pytest

from telephony import events, legs
from telephony.lifecycle import CallState, LegState
from telephony.models import Call, Leg
from tests.factories import NOW, make_call

pytestmark = [pytest.mark.db, pytest.mark.django_db]

LATER = NOW + timedelta(seconds=30)
ROOM = "call_1_abc"
CALLER = {
    "sip.callID": "SCL_1",
    "sip.phoneNumber": "+12025550123",
    "sip.ruleID": "SDR_1",
    "sip.callStatus": "ringing",
}


def hook(name: str, *, identity: str = "sip_+12025550123", at=NOW, reason="", **attributes):
    events.emit(
        name,
        payload={
            "id": "EV_1",
            "event": name,
            "at": at.isoformat(),
            "room": {"name": ROOM, "sid": "RM_1"},
            "participant": {
                "sid": "PA_1",
                "identity": identity,
                "kind": "sip",
                "attributes": CALLER | attributes,
                "reason": reason,
            },
        },
    )


def test_a_call_has_its_callers_leg_with_all_its_names(livekit):
    hook("participant_joined")
    hook("participant_joined", **{"sip.callStatus": "active", "sip.callIDFull": "abc@carrier"})
    hook("participant_left", at=LATER, **{"sip.twilio.callSid": "CA1"})
    leg = Leg.objects.get()
    assert (leg.role, leg.outbound, leg.remote) == ("main", False, "+12025550123")
    assert (leg.sip_call_id, leg.sip_full_id, leg.carrier_id) == ("SCL_1", "abc@carrier", "CA1")
    assert (leg.state, leg.answered_at, leg.ended_at) == (LegState.ENDED, NOW, LATER)


def test_a_call_goes_on_when_somebody_we_dialled_leaves(livekit):
    hook("participant_joined")
    hook("participant_joined", identity="leg_7", **{"sip.phoneNumber": "+12025550199"})
    hook("participant_left", identity="leg_7", at=LATER)
    side = Leg.objects.get(identity="leg_7")
    assert (side.role, side.state) == ("target", LegState.FAILED)
    assert Call.objects.get().state == CallState.RINGING
    assert Call.objects.get().caller == "+12025550123"


def test_a_late_hook_moves_no_leg_back(livekit):
    call = make_call()
    legs.over(call_id=call.pk, identity="sip_1", attributes=CALLER, at=LATER)
    leg = legs.note(
        call_id=call.pk, identity="sip_1", attributes=CALLER | {"sip.callStatus": "active"}, at=NOW
    )
    assert (leg.state, leg.ended_at) == (LegState.FAILED, LATER)


def test_a_finished_room_leaves_no_open_leg(livekit):
    hook("participant_joined")
    hook("room_finished", at=LATER)
    assert Leg.objects.get().state == LegState.FAILED


def test_what_a_stranger_writes_is_cut(livekit):
    hook("participant_joined", **{"sip.callIDFull": "x" * 5000})
    assert len(Leg.objects.get().sip_full_id) == 255
