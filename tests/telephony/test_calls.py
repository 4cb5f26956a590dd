"""The life of a call, as hooks, journal and reconciler write it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from telephony import events, inbox, services
from telephony.lifecycle import CallState
from telephony.models import Call, InboundEvent, Number
from tests.factories import NOW, digest_in_use, make_call, make_plan, make_rule, make_trunk

pytestmark = [pytest.mark.db, pytest.mark.django_db]

ROOM = "call_1_abc"
LATER = NOW + timedelta(seconds=30)


@pytest.fixture
def heard(monkeypatch):
    """What our own events told."""
    told: list[tuple[str, Any]] = []
    for name in ("call_opened", "call_over"):
        monkeypatch.setitem(
            events._table, name, [lambda *, payload, name=name: told.append((name, payload))]
        )
    return told


def move(to: CallState, at=LATER, reason=""):
    return services.move_call(room=ROOM, to=to, at=at, reason=reason)


def test_whoever_speaks_of_a_call_first_creates_it_once(heard):
    first = services.ensure_call(room=ROOM, at=NOW)
    again = services.ensure_call(room=ROOM, at=NOW, caller="+12025550123", sip_call_id="SCL_1")
    assert first.pk == again.pk
    assert (again.caller, again.sip_call_id) == ("+12025550123", "SCL_1")
    assert heard == [("call_opened", {"call": first.pk, "room": ROOM})]


def test_what_is_known_is_not_overwritten():
    services.ensure_call(room=ROOM, at=NOW, caller="+12025550123")
    assert services.ensure_call(room=ROOM, at=NOW, caller="other").caller == "+12025550123"


def test_the_earliest_witness_says_when_a_call_began():
    services.ensure_call(room=ROOM, at=LATER)
    assert services.ensure_call(room=ROOM, at=NOW).started_at == NOW
    assert services.ensure_call(room=ROOM, at=LATER).started_at == NOW


@pytest.mark.parametrize("called", ["+12025550100", "12025550100"])
def test_number_trunk_and_project_are_found_however_the_provider_writes(called):
    rule = make_rule(make_trunk())
    call = services.ensure_call(room=ROOM, at=NOW, called=called)
    assert (call.number, call.trunk, call.project) == (
        Number.objects.get(),
        rule.trunks.get(),
        rule.project,
    )


def test_the_plan_the_worker_ran_beats_the_one_we_guessed():
    rule = make_rule(make_trunk())
    services.ensure_call(room=ROOM, at=NOW, called="+12025550100")
    older = digest_in_use(rule)
    rule.project.greeting = "New."
    rule.project.save()
    newer = make_plan(rule.project)
    assert Call.objects.get().plan_digest == older
    call = services.ensure_call(room=ROOM, at=NOW, plan_digest=newer.digest)
    assert (call.plan_digest, call.project) == (newer.digest, rule.project)


@pytest.mark.parametrize("over", [CallState.ENDED, CallState.FAILED])
@pytest.mark.parametrize("late", list(CallState))
def test_nothing_reopens_a_call_which_is_over(over, late):
    make_call(room=ROOM)
    assert move(over)
    assert not move(late, at=LATER + timedelta(seconds=5))
    call = Call.objects.get()
    assert (call.state, call.ended_at) == (over, LATER)


def test_a_late_answer_is_noted_but_moves_nothing():
    make_call(room=ROOM)
    move(CallState.ENDED)
    assert not services.move_call(room=ROOM, to=CallState.TALKING, at=NOW)
    call = Call.objects.get()
    assert (call.state, call.answered_at) == ("ended", NOW)


def test_a_call_is_over_once(heard):
    call = make_call(room=ROOM)
    move(CallState.ENDED)
    move(CallState.ENDED)
    assert [name for name, _ in heard] == ["call_over"]
    assert heard[0][1] == {"call": call.pk, "room": ROOM, "state": "ended", "reason": ""}


def test_moving_a_call_nobody_knows_moves_nothing():
    assert not services.move_call(room="call_nobody", to=CallState.ENDED, at=NOW)


@pytest.mark.parametrize("journal_first", [True, False])
def test_the_journal_says_why_whether_before_or_after_the_hook(journal_first):
    make_call(room=ROOM)
    if journal_first:
        services.settle_reason(room=ROOM, reason="caller", at=LATER)
        assert Call.objects.get().state == "ringing"
    move(CallState.ENDED)
    if not journal_first:
        services.settle_reason(room=ROOM, reason="caller", at=LATER)
    assert Call.objects.get().end_reason == "caller"


def test_a_reason_once_known_stays_but_unknown_gives_way():
    make_call(room=ROOM)
    move(CallState.ENDED, reason="unknown")
    assert services.settle_reason(room=ROOM, reason="bot", at=LATER)
    assert not services.settle_reason(room=ROOM, reason="caller", at=LATER)
    assert Call.objects.get().end_reason == "bot"


def test_a_wish_for_a_person_is_news_once():
    make_call(room=ROOM)
    assert services.request_handover(room=ROOM)
    assert not services.request_handover(room=ROOM)


def test_the_database_knows_no_ended_call_without_its_end():
    with pytest.raises(IntegrityError), transaction.atomic():
        make_call(room=ROOM, state="ended")


def make_event(**values) -> InboundEvent:
    defaults = {"event_id": "EV_1", "name": "odd", "payload": {}, "received_at": NOW}
    return InboundEvent.objects.create(**(defaults | {"try_after": LATER} | values))


def test_an_event_whose_handler_fails_waits_longer_each_time_and_says_why(monkeypatch):
    def broken(*, payload):
        make_call(room=ROOM)
        raise ValueError("odd payload")

    monkeypatch.setitem(events._table, "odd", [broken])
    event = make_event()
    assert not inbox.handle_event(pk=event.pk, now=LATER)
    event.refresh_from_db()
    assert (event.attempts, event.error, event.handled_at) == (1, "ValueError: odd payload", None)
    assert not Call.objects.exists()
    assert inbox.due_events(now=event.try_after) == []
    assert inbox.due_events(now=event.try_after + timedelta(seconds=1)) == [event.pk]


def test_an_event_which_failed_is_handled_when_its_cause_is_gone():
    event = make_event(attempts=3, error="ValueError: odd payload")
    assert inbox.handle_event(pk=event.pk, now=LATER)
    assert not inbox.handle_event(pk=event.pk, now=LATER)
    event.refresh_from_db()
    assert (event.error, event.handled_at) == ("", LATER)
    assert inbox.due_events(now=LATER + timedelta(days=1)) == []


def test_whoever_went_on_with_a_call_knows_its_end_better():
    """One worker died, another took over; a hook may have closed the call in between."""
    make_call(room=ROOM, state=CallState.TALKING)
    services.settle_reason(room=ROOM, reason="error", at=NOW)
    services.move_call(room=ROOM, to=CallState.ENDED, at=NOW)
    services.settle_reason(room=ROOM, reason="transferred", at=NOW)
    services.settle_reason(room=ROOM, reason="error", at=NOW)
    services.settle_reason(room=ROOM, reason="unknown", at=NOW)
    assert Call.objects.get(room=ROOM).end_reason == "transferred"
