"""Calls we make: allowed or not, begun once, and what becomes of them."""

from datetime import timedelta
from typing import Any

import pytest

from agents.entries import Entry
from recordings.journal import take_entries
from telephony import caps, events, outbound, outbound_ends, services
from telephony.errors import CallNotAllowed, GatewayUnavailable
from telephony.lifecycle import CallState
from telephony.models import (
    Call,
    DestinationRule,
    DoNotCall,
    Leg,
    OutboundCall,
    OutboundProfile,
    TrunkUse,
)
from tests.factories import NOW as SATURDAY
from tests.factories import make_plan, make_project, make_trunk

pytestmark = [pytest.mark.db, pytest.mark.django_db]

MONDAY = SATURDAY + timedelta(days=2, hours=6)  # 16:00 in UTC, 11:00 in New York
CALLEE = "+12025550123"


def after(seconds: float):
    return MONDAY + timedelta(seconds=seconds)


@pytest.fixture
def line(livekit):
    """An outbound trunk on LiveKit, and a published project."""
    project = make_project()
    make_plan(project)
    trunk = make_trunk(
        number="", name="Out", direction="outbound", address="127.0.0.1:5070",
        caller_ids=["+12025550100", "+12025550101"], remote_id="ST_out", max_calls=2,
        max_calls_per_s=10,
    )  # fmt: skip
    return project, trunk


@pytest.fixture
def allowed(line):
    DestinationRule.objects.create(prefix="+1202", price_per_minute="0.1")
    return line


def ask(line, **values) -> Any:
    project, _ = line
    return outbound.request_call(
        **({"to": CALLEE, "project_id": project.pk, "by": "tests", "now": MONDAY} | values)
    )


def begun(line, livekit, *, now=MONDAY, **values) -> Any:
    row = ask(line, **values)
    outbound.place(outbound_id=row.pk, now=now, gateway=livekit)
    row.refresh_from_db()
    return row


def dialled(line, livekit, **values) -> Any:
    row = begun(line, livekit, **values)
    outbound.claim(outbound_id=row.pk, room=row.call.room, now=after(1))
    row.refresh_from_db()
    return row


def journal(row: Any, *entries: tuple[Any, dict], at: float = 5) -> Any:
    """What the worker wrote, delivered at once."""
    told: list[Any] = [("opened", {"room": row.call.room}), *entries]
    take_entries(
        journal=f"AJ_{row.call.pk}", room=row.call.room, now=after(at),
        entries=[
            Entry(n=n, ms=0, at=after(at + n).isoformat(), kind=kind, data=data)
            for n, (kind, data) in enumerate(told)
        ],
    )  # fmt: skip
    row.refresh_from_db()
    return row


def refused_by_carrier(row: Any, status: int, outcome: str) -> Any:
    return journal(
        row,
        ("dialled", {"status": status, "outcome": outcome, "detail": ""}),
        ("closed", {"reason": outcome, "answered": False}),
    )


# --- may it be called? ---------------------------------------------------------------------------


def test_outbound_is_off_until_a_destination_is_allowed(line):
    with pytest.raises(CallNotAllowed, match="nothing is allowed by itself"):
        ask(line)
    assert not OutboundCall.objects.exists()


def test_the_longest_prefix_decides(allowed):
    DestinationRule.objects.create(prefix="+120255501", allow=False)
    with pytest.raises(CallNotAllowed, match="shut by a rule"):
        ask(allowed)


def test_a_number_on_the_do_not_call_list_is_not_called(allowed):
    DoNotCall.objects.create(number=CALLEE, reason="asked us to stop")
    with pytest.raises(CallNotAllowed, match=r"do-not-call list since .*asked us to stop"):
        ask(allowed)


def test_consent_is_needed_where_the_project_says_so(allowed):
    OutboundProfile.objects.create(project=allowed[0], needs_consent=True)
    with pytest.raises(CallNotAllowed, match="agreed"):
        ask(allowed)
    assert ask(allowed, consent=True).consent


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"to": "112"}, "cannot be used"),
        ({"caller_id": "+12025550199"}, "may not show"),
        ({"project_id": 0}, "not published"),
        ({"trunk_id": 0x7FFF}, "no such outbound trunk"),
        ({"variables": {"a b": "x"}}, "no name for a variable"),
        ({"variables": {"name": "x" * 201}}, "longer than"),
    ],
)
def test_what_cannot_be_called_is_said_at_once(allowed, values, words):
    with pytest.raises(CallNotAllowed, match=words):
        ask(allowed, **values)


def test_a_call_at_night_waits_for_the_callees_morning(allowed, livekit):
    saturday = SATURDAY
    row = ask(allowed, now=saturday)
    assert row.next_at == (MONDAY - timedelta(hours=2))  # Monday, nine in New York
    assert outbound.due(now=saturday) == []
    outbound.place(outbound_id=row.pk, now=saturday, gateway=livekit)
    assert livekit.rooms == {}


def test_what_became_forbidden_while_it_waited_is_not_called(allowed, livekit):
    row = ask(allowed)
    DoNotCall.objects.create(number=CALLEE)
    outbound.place(outbound_id=row.pk, now=MONDAY, gateway=livekit)
    row.refresh_from_db()
    assert (row.state, row.outcome) == ("refused", "not_allowed")
    assert "do-not-call" in row.words
    assert livekit.rooms == {}


# --- beginning -----------------------------------------------------------------------------------


def test_a_call_is_begun_once_with_our_agent_and_without_a_number_in_sight(allowed, livekit):
    row = begun(allowed, livekit)
    outbound.place(outbound_id=row.pk, now=after(1), gateway=livekit)
    [(room, metadata)] = livekit.dispatched
    assert room == row.call.room
    assert f'"outbound": {row.pk}' in metadata
    assert CALLEE not in metadata + room
    assert (row.call.direction, row.call.caller, row.call.called) == (
        "outbound", "+12025550100", CALLEE,
    )  # fmt: skip


def test_the_number_is_told_to_one_worker_once(allowed, livekit):
    row = begun(allowed, livekit, variables={"name": "Ann"})
    order = outbound.claim(outbound_id=row.pk, room=row.call.room, now=after(1))
    assert (order.to, order.trunk, order.caller_id) == (CALLEE, "ST_out", "+12025550100")
    assert order.variables == {"name": "Ann"}
    with pytest.raises(CallNotAllowed):
        outbound.claim(outbound_id=row.pk, room=row.call.room, now=after(2))


def test_a_claim_needs_the_workers_token(allowed, livekit, client, settings):
    row = begun(allowed, livekit)
    path, body = f"/internal/outbound/{row.pk}/claim", {"room": row.call.room}
    assert client.post(path, body, content_type="application/json").status_code == 401
    token = {"headers": {"Authorization": f"Bearer {settings.WORKER_TOKEN}"}}
    told = client.post(path, body, content_type="application/json", **token)
    assert told.json()["to"] == CALLEE
    again = client.post(path, body, content_type="application/json", **token)
    assert again.status_code == 409


def test_a_number_listed_after_the_beginning_is_not_told(allowed, livekit):
    row = begun(allowed, livekit)
    DoNotCall.objects.create(number=CALLEE)
    with pytest.raises(CallNotAllowed, match="do-not-call"):
        outbound.claim(outbound_id=row.pk, room=row.call.room, now=after(1))


def test_livekit_away_costs_no_attempt(allowed, livekit):
    row = ask(allowed)
    livekit.away = True
    with pytest.raises(GatewayUnavailable):
        outbound.place(outbound_id=row.pk, now=MONDAY, gateway=livekit)
    row.refresh_from_db()
    assert (row.state, row.attempts, row.slot_held) == ("waiting", 0, False)
    assert row.next_at > MONDAY


def test_a_worker_which_never_comes_costs_no_attempt(allowed, livekit):
    row = begun(allowed, livekit)
    outbound_ends.sweep(now=after(60), gateway=livekit)
    row.refresh_from_db()
    assert (row.state, row.attempts, row.outcome) == ("waiting", 0, "no_agent")
    assert livekit.rooms == {}
    assert row.call.end_reason == "no_agent"


def test_a_dial_which_rang_nowhere_costs_no_attempt(allowed, livekit):
    row = journal(
        dialled(allowed, livekit),
        ("dialled", {"status": 0, "outcome": "error", "detail": "No line.", "rang": False}),
        ("closed", {"reason": "error", "answered": False}),
    )
    services.move_call(room=row.call.room, to=CallState.ENDED, at=after(9))
    row.refresh_from_db()
    assert (row.state, row.attempts, row.words) == ("waiting", 0, "No line.")
    assert not Leg.objects.exists()


# --- caps ----------------------------------------------------------------------------------------


def test_a_trunk_carries_as_many_calls_as_it_may(allowed, livekit):
    rows = [ask(allowed) for _ in range(3)]
    for n, row in enumerate(rows):
        outbound.place(outbound_id=row.pk, now=after(n), gateway=livekit)
    states = list(OutboundCall.objects.order_by("pk").values_list("state", flat=True))
    assert states == ["dialling", "dialling", "waiting"]
    rows[0].refresh_from_db()
    outbound.claim(outbound_id=rows[0].pk, room=rows[0].call.room, now=after(3))
    refused_by_carrier(rows[0], 404, "no_such_number")
    outbound.place(outbound_id=rows[2].pk, now=after(20), gateway=livekit)
    rows[2].refresh_from_db()
    assert rows[2].state == "dialling"


def test_calls_a_second_are_spaced(allowed, livekit):
    allowed[1].max_calls_per_s = 1
    allowed[1].save()
    first, second = ask(allowed), ask(allowed)
    assert outbound.place(outbound_id=first.pk, now=MONDAY, gateway=livekit) is None
    blocked = outbound.place(outbound_id=second.pk, now=after(0.4), gateway=livekit)
    assert blocked is not None
    assert blocked.until == after(1)
    assert outbound.place(outbound_id=second.pk, now=after(1), gateway=livekit) is None


def test_no_call_begins_which_could_exceed_the_days_money(allowed, livekit):
    allowed[1].daily_spend_cap = "1.50"  # a call of ten minutes at 0.10 reserves 1.00
    allowed[1].save()
    first, second = ask(allowed), ask(allowed)
    outbound.place(outbound_id=first.pk, now=MONDAY, gateway=livekit)
    blocked = outbound.place(outbound_id=second.pk, now=after(1), gateway=livekit)
    assert blocked is not None
    assert "spend cap" in blocked.reason
    assert blocked.until.date() == MONDAY.date() + timedelta(days=1)


def test_what_was_not_spent_is_given_back_once(allowed, livekit):
    row = dialled(allowed, livekit)
    journal(
        row, ("answered", {}), ("answered_by", {"verdict": "human", "reason": "short"}),
        ("closed", {"reason": "caller", "answered": True}),
    )  # fmt: skip
    use = TrunkUse.objects.get()
    assert (use.calls, use.spent) == (0, 100_000)  # one begun minute
    assert not caps.give_back(outbound_id=row.pk, talked_s=0)
    assert TrunkUse.objects.get().calls == 0


# --- ends ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "outcome", "state", "words"),
    [
        (486, "busy", "waiting", "The line was busy. (SIP 486)"),
        (480, "no_answer", "waiting", "The telephone cannot be reached"),
        (603, "declined", "failed", "declined"),
        (404, "no_such_number", "failed", "knows no such number"),
        (503, "carrier", "waiting", "overloaded"),
        (407, "carrier", "waiting", "user name and password"),
    ],
)
def test_the_carriers_answer_is_kept_said_and_acted_upon(
    allowed, livekit, status, outcome, state, words
):
    row = refused_by_carrier(dialled(allowed, livekit), status, outcome)
    assert (row.state, row.outcome, row.sip_status) == (state, outcome, status)
    assert words in row.words
    assert Leg.objects.get(call=row.call).sip_status == status
    assert TrunkUse.objects.get().calls == 0
    assert (row.next_at > after(60)) == (state == "waiting")


def test_a_person_is_called_as_often_as_the_project_says(allowed, livekit):
    OutboundProfile.objects.create(project=allowed[0], attempts=2)
    row = refused_by_carrier(dialled(allowed, livekit), 486, "busy")
    outbound.place(outbound_id=row.pk, now=row.next_at, gateway=livekit)
    row.refresh_from_db()
    outbound.claim(outbound_id=row.pk, room=row.call.room, now=row.next_at)
    row = refused_by_carrier(row, 486, "busy")
    assert (row.state, row.attempts) == ("failed", 2)


def test_a_talk_is_done_and_says_who_answered(allowed, livekit):
    row = journal(
        dialled(allowed, livekit), ("answered", {}),
        ("answered_by", {"verdict": "human", "reason": "0.8 s of speech"}),
    )  # fmt: skip
    assert row.state == "talking"
    services.move_call(room=row.call.room, to=CallState.ENDED, at=after(60), reason="caller")
    row.refresh_from_db()
    assert (row.state, row.outcome, row.answered_by) == ("done", "talked", "human")


def test_a_mailbox_is_called_again_only_if_the_project_wants_it(allowed, livekit):
    OutboundProfile.objects.create(project=allowed[0], wait_machine=30)
    row = journal(
        dialled(allowed, livekit), ("answered", {}),
        ("answered_by", {"verdict": "voicemail", "reason": "a beep"}),
        ("closed", {"reason": "machine", "answered": True}),
    )  # fmt: skip
    assert (row.state, row.outcome, row.answered_by) == ("waiting", "machine", "voicemail")


def test_a_hook_which_is_quicker_than_the_journal_does_not_hide_why(allowed, livekit):
    row = dialled(allowed, livekit)
    services.move_call(room=row.call.room, to=CallState.ENDED, at=after(4))
    row.refresh_from_db()
    assert row.state == "dialling"
    assert refused_by_carrier(row, 486, "busy").outcome == "busy"


def test_a_call_of_a_dead_worker_is_settled_and_not_made_again(allowed, livekit):
    row = dialled(allowed, livekit)
    services.move_call(room=row.call.room, to=CallState.ENDED, at=after(4))
    outbound_ends.sweep(now=after(60), gateway=livekit)
    row.refresh_from_db()
    assert (row.state, row.outcome, row.slot_held) == ("failed", "unknown", False)


def test_cancelling_stops_a_waiting_and_a_ringing_call(allowed, livekit):
    waiting, ringing = ask(allowed), dialled(allowed, livekit)
    assert outbound.cancel(outbound_id=waiting.pk, by="ann", now=MONDAY)
    assert outbound.cancel(outbound_id=ringing.pk, by="ann", now=MONDAY)
    outbound.hang_up(outbound_id=ringing.pk, now=after(2), gateway=livekit)
    for row in (waiting, ringing):
        row.refresh_from_db()
        assert (row.state, row.words) == ("cancelled", "Called off by ann.")
        assert not outbound.cancel(outbound_id=row.pk, by="ann", now=MONDAY)
    assert livekit.rooms == {}
    assert Call.objects.get(pk=ringing.call_id).end_reason == "cancelled"


def test_hooks_of_the_callees_leg_keep_who_called_whom(allowed, livekit):
    row = dialled(allowed, livekit)
    payload = {
        "id": "EV_1", "event": "participant_joined", "at": after(2).isoformat(),
        "room": {"name": row.call.room, "sid": "RM_1"},
        "participant": {
            "sid": "PA_1", "identity": f"callee_{row.pk}", "kind": "sip", "reason": "",
            "attributes": {
                "sip.callID": "SCL_1", "sip.phoneNumber": CALLEE,
                "sip.trunkPhoneNumber": "+12025550100", "sip.callStatus": "dialing",
            },
        },
    }  # fmt: skip
    events.emit("participant_joined", payload=payload)
    call = Call.objects.get(pk=row.call_id)
    assert (call.caller, call.called) == ("+12025550100", CALLEE)
    leg = Leg.objects.get()
    assert (leg.role, leg.outbound, leg.remote) == ("main", True, CALLEE)
