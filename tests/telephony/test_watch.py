"""The reconciler and the watchdog: what hooks lost, and callers whom nobody answers."""

import json
from datetime import timedelta

import pytest
from django.conf import settings

from telephony import services, watch
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.lifecycle import CallState
from telephony.models import Call
from tests.factories import NOW, digest_in_use, make_call, make_rule, make_trunk

pytestmark = [pytest.mark.db, pytest.mark.django_db]

ROOM = "call_+12025550123_abc"


def after(seconds: float):
    return NOW + timedelta(seconds=seconds)


def look(livekit, seconds: float) -> Call:
    watch.reconcile_calls(now=after(seconds), gateway=livekit)
    return Call.objects.get(room=ROOM)


@pytest.fixture
def ringing(livekit):
    """A caller rings and no hook has told us."""
    livekit.ring(ROOM, at=NOW)
    return livekit


def test_a_call_of_which_no_hook_told_is_found(ringing):
    rule = make_rule(make_trunk())
    call = look(ringing, 1)
    assert (call.caller, call.called, call.project) == (
        "+12025550123",
        "+12025550100",
        rule.project,
    )
    assert call.started_at == NOW


def test_looking_twice_makes_no_second_call(ringing):
    look(ringing, 1)
    look(ringing, 1)
    assert Call.objects.count() == 1


def test_rooms_which_are_not_ours_are_left_alone(livekit):
    livekit.ring("meeting", at=NOW)
    livekit.ring("callcentre", at=NOW)
    watch.reconcile_calls(now=after(60), gateway=livekit)
    assert not Call.objects.exists()
    assert set(livekit.rooms) == {"meeting", "callcentre"}
    assert livekit.dispatched == []


def test_a_call_whose_room_is_gone_is_closed_after_a_grace(ringing):
    look(ringing, 1)
    ringing.delete_room(room=ROOM)
    assert look(ringing, 9).state == "ringing"
    call = look(ringing, 12)
    assert (call.state, call.end_reason, call.ended_at) == ("ended", "unknown", after(12))


def test_an_emptied_redis_ends_no_call(ringing):
    """LiveKit lists rooms from Redis; the media server itself still has them."""
    ringing.answer(ROOM)
    look(ringing, 1)
    ringing.flushall()
    assert look(ringing, 30).state == "ringing"
    assert ROOM in ringing.rooms


def test_a_call_answered_without_a_hook_is_talking(livekit):
    livekit.ring(ROOM, at=NOW, status="active")
    livekit.answer(ROOM)
    assert look(livekit, 1).state == "talking"


def test_nobody_is_asked_again_before_two_seconds(ringing):
    look(ringing, 1.5)
    assert ringing.dispatched == []


def test_a_caller_nobody_answers_gets_one_more_dispatch_with_the_plan(ringing):
    rule = make_rule(make_trunk())
    for seconds in (2.1, 3, 4, 5):
        look(ringing, seconds)
    digest = digest_in_use(rule)
    assert ringing.dispatched == [(ROOM, f'{{"plan": "{digest}"}}')]


def test_a_dispatch_which_did_not_get_through_is_repeated(ringing, monkeypatch):
    look(ringing, 1)

    def lost(**_):
        raise GatewayUnavailable("away")

    monkeypatch.setattr(ringing, "create_dispatch", lost)
    with pytest.raises(GatewayUnavailable):
        look(ringing, 2.5)
    monkeypatch.undo()
    look(ringing, 3)
    assert len(ringing.dispatched) == 1


def test_a_job_on_its_way_is_waited_for(ringing):
    look(ringing, 1)
    ringing.accept_job(ROOM, at=after(1.5))
    look(ringing, 3)
    assert ringing.dispatched == []
    look(ringing, 5.9)
    assert len(ringing.dispatched) == 1


def test_a_caller_whom_nobody_answers_in_time_is_refused(ringing):
    look(ringing, 2.1)
    call = look(ringing, settings.NO_AGENT_SECONDS)
    assert (call.state, call.end_reason) == ("failed", "no_agent")
    assert ROOM not in ringing.rooms


def test_a_refusal_which_did_not_get_through_is_repeated(ringing):
    look(ringing, settings.NO_AGENT_SECONDS)
    ringing.ring(ROOM, at=NOW)
    look(ringing, 20)
    assert ROOM not in ringing.rooms


def test_a_call_with_an_agent_is_left_in_peace(ringing):
    ringing.answer(ROOM)
    call = look(ringing, 60)
    assert (call.state, call.no_agent_since) == ("ringing", None)
    assert ringing.dispatched == []


def test_an_agent_which_dies_is_replaced_and_its_successor_too(ringing):
    ringing.answer(ROOM)
    look(ringing, 1)
    ringing.leave(ROOM, kind="agent")
    watch.agent_left(room=ROOM, at=after(30))
    look(ringing, 32.2)
    assert len(ringing.dispatched) == 1
    ringing.answer(ROOM, identity="agent-AJ_2")
    assert look(ringing, 33).no_agent_since is None
    ringing.leave(ROOM, kind="agent")
    watch.agent_left(room=ROOM, at=after(50))
    look(ringing, 52.2)
    assert len(ringing.dispatched) == 2


def test_a_worker_is_told_that_the_caller_talks_already(ringing):
    """It takes him although it has just taken as many new callers as it can begin with."""
    ringing.ring(ROOM, at=NOW, status="active")
    ringing.answer(ROOM)
    look(ringing, 1)
    ringing.leave(ROOM, kind="agent")
    watch.agent_left(room=ROOM, at=after(30))
    look(ringing, 32.2)
    assert json.loads(ringing.dispatched[0][1])["again"] is True


def test_an_agent_which_redis_forgot_is_not_taken_for_dead(ringing):
    ringing.answer(ROOM)
    ringing.accept_job(ROOM, at=NOW)
    look(ringing, 1)
    leg = ringing.participants[ROOM][0]
    ringing.list_participants = lambda *, room: [leg]
    for seconds in (10, 13, 20, 30):
        call = look(ringing, seconds)
    assert call.state == "ringing"
    assert ringing.dispatched == []


def test_a_call_which_is_over_is_not_watched(ringing):
    call = make_call(room=ROOM, state="ended", ended_at=NOW)
    watch.watch_call(call_id=call.pk, now=after(60), gateway=ringing)
    assert ringing.dispatched == []
    assert ROOM in ringing.rooms


def test_trouble_with_one_room_does_not_keep_us_from_the_others(ringing, monkeypatch):
    ringing.ring("call_2_def", at=NOW)
    listing = ringing.list_participants

    def refused(*, room):
        if room == ROOM:
            raise GatewayRefused("odd room")
        return listing(room=room)

    monkeypatch.setattr(ringing, "list_participants", refused)
    watch.reconcile_calls(now=after(1), gateway=ringing)
    assert Call.objects.get().room == "call_2_def"


def test_an_end_nobody_explains_gets_a_reason_and_a_late_journal_a_better_one(livekit):
    """A caller who cancels before any worker has taken the call leaves no journal."""
    over = {"state": CallState.ENDED, "ended_at": NOW}
    make_call(room="call_rang", **over)
    make_call(room="call_talked", answered_at=NOW, **over)
    watch.reconcile_calls(now=NOW + timedelta(seconds=5), gateway=livekit)
    assert {call.end_reason for call in Call.objects.all()} == {""}
    watch.reconcile_calls(now=NOW + timedelta(seconds=11), gateway=livekit)
    reasons = dict(Call.objects.values_list("room", "end_reason"))
    assert reasons == {"call_rang": "abandoned", "call_talked": "unknown"}
    services.settle_reason(room="call_rang", reason="caller", at=NOW)
    assert Call.objects.get(room="call_rang").end_reason == "caller"
