"""A caller has everything about his number erased. Afterwards nothing finds it, anywhere."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.core.management.base import CommandError

from recordings import canary, personal, requests
from recordings.errors import RequestRefused
from recordings.models import (
    CallCost,
    CallerRequest,
    DeleteAgain,
    Export,
    Forgotten,
    JournalEntry,
    Recording,
    Transcript,
)
from telephony import batches, outbound_checks
from telephony.errors import CallNotAllowed
from telephony.models import (
    Call,
    CallerRule,
    CarrierCall,
    CarrierHook,
    DoNotCall,
    InboundEvent,
    LegalHold,
    OutboundCall,
)
from tests.factories import NOW, make_call
from tests.factories import NUMBER as OURS
from tests.recordings.conftest import ROOM
from tests.recordings.planted import NUMBER, OTHER, VALUES, Way, facts, journal, plant

pytestmark = [pytest.mark.db, pytest.mark.django_db, pytest.mark.usefixtures("tasks_at_once")]


@pytest.fixture
def data(settings, tmp_path) -> Path:
    settings.DATA_DIR = tmp_path / "data"
    return tmp_path / "data"


@pytest.fixture
def way(client, post, bucket, livekit, clock, monkeypatch) -> Way:
    monkeypatch.setattr("telephony.tasks.send_delivery.delay", lambda **_: None)
    return Way(client, post, bucket)


@pytest.fixture
def planted(way, data) -> Call:
    call = plant(way, data / "log" / "livekit.log")
    places = {hit.place for hit in found(way, data)} - {"index"}  # a part of PostgreSQL's tables
    assert places == {"database", "session", "store", "file"}
    return call


def found(way, data, values=VALUES) -> list[canary.Hit]:
    return canary.scan(values, bucket=way.bucket, folders=[data])


def erase(way, now, *, typed=NUMBER, pieces=50) -> CallerRequest:
    request = requests.ask(what="erase", typed=typed, by="ann", now=now)
    return go_on(request, way, now, pieces=pieces)


def go_on(request, way, now, *, pieces=50) -> CallerRequest:
    for _ in range(pieces):
        if not requests.work(request_id=request.pk, bucket=way.bucket, now=now):
            break
    request.refresh_from_db()
    return request


def test_nothing_is_found_afterwards_and_everything_of_others_is_there(planted, way, data):
    before = set(way.bucket.objects)
    request = erase(way, way_now := NOW + timedelta(days=1))
    assert (request.state, request.finished_at) == ("done", way_now), request.words
    assert found(way, data) == []
    assert found(way, data, [OTHER]) != []
    assert {key for key in before if OTHER in key} == set(way.bucket.objects)
    assert JournalEntry.objects.filter(call__caller=OTHER).count() == 7
    assert OutboundCall.objects.filter(to=OTHER, variables={"name": "Bob"}).exists()


def test_figures_of_the_calls_stay(planted, way, data):
    cost = CallCost.objects.get(call=planted)
    erase(way, NOW + timedelta(days=1))
    call = Call.objects.get(pk=planted.pk)
    assert (call.room, call.caller, call.sip_call_id) == (f"erased_{call.pk}", "", "")
    assert (call.called, call.state, call.started_at) == (OURS, "ended", planted.started_at)
    assert CallCost.objects.get(call=planted).amount == cost.amount
    assert Transcript.objects.get(call=planted).segments == []
    assert Forgotten.objects.get(call=planted).by == "erasure"
    assert sorted(OutboundCall.objects.exclude(to=OTHER).values_list("state", flat=True)) == [
        "cancelled", "done",
    ]  # fmt: skip


def test_files_with_him_in_them_are_withdrawn_and_others_stay(planted, way, data):
    other = Call.objects.get(caller=OTHER)
    made = {}
    for name, chosen in {"his": [planted.pk, other.pk], "others": [other.pk]}.items():
        way.bucket.objects[f"exports/{name}.csv"] = f"{NUMBER}\n".encode()
        made[name] = Export.objects.create(
            format="csv", asker=1, asked_at=NOW, state="done", words=name, chosen=chosen,
            object_key=f"exports/{name}.csv", expires_at=NOW + timedelta(days=7),
        )  # fmt: skip
    running = Export.objects.create(
        format="csv", asker=1, asked_at=NOW, words="on", chosen=[planted.pk]
    )
    request = erase(way, NOW + timedelta(days=1))
    for row in (*made.values(), running):
        row.refresh_from_db()
    assert (made["his"].is_there, made["others"].is_there) == (False, True)
    assert running.state == "cancelled"
    assert {key for key in way.bucket.objects if "exports/" in key} == {"exports/others.csv"}
    assert request.counts["exported files"] == 2


def test_the_certificate_counts_and_names_who_was_told(planted, way, data):
    request = erase(way, NOW + timedelta(days=1))
    counts = request.counts
    assert counts["calls: recording"] == 1
    assert counts["objects in the store"] == 2
    assert counts["calls: numbers of the call"] == 2
    assert counts["stored hooks"] >= 6
    assert (counts["caller rules"], counts["notes"], counts["sessions"]) == (1, 1, 1)
    assert counts["lines of log files"] == 2
    assert request.told == ["Their CRM"]
    assert request.sealed_number == ""
    assert (request.done, request.total) == (2, 2)


def test_a_number_of_the_do_not_call_list_is_still_not_called(planted, way, data):
    erase(way, NOW + timedelta(days=1))
    assert not DoNotCall.objects.exists()
    with pytest.raises(CallNotAllowed, match="had everything about him erased"):
        outbound_checks.not_listed(NUMBER)
    outbound_checks.not_listed(OTHER)
    assert batches._listed([NUMBER, OTHER]) == {NUMBER}


def test_erasing_again_finds_nothing_and_does_nothing(planted, way, data):
    erase(way, NOW + timedelta(days=1))
    again = erase(way, NOW + timedelta(days=2))
    assert (again.state, again.counts, again.total) == ("done", {}, 0)


@pytest.mark.parametrize("typed", ["+1 202-555-0123", "+1 (202) 555 0123", "+12025550123"])
def test_the_number_may_be_typed_in_any_form(planted, way, data, typed):
    assert erase(way, NOW + timedelta(days=1), typed=typed).state == "done"
    assert found(way, data) == []


@pytest.mark.parametrize(
    "form", ["12025550123", "2025550123", "0012025550123", "tel:+1-202-555-0123"]
)
def test_calls_are_found_in_whichever_form_the_carrier_wrote_it(way, data, form):
    ended = {"state": "ended", "ended_at": NOW}
    make_call(room="call_a", caller=form, **ended)
    make_call(room="call_b", caller="+492025550123", **ended)
    erase(way, NOW)
    assert sorted(Call.objects.values_list("caller", flat=True)) == ["", "+492025550123"]


def test_what_comes_late_is_refused_and_leaves_nothing(planted, way, data):
    way.hook("agent_participant_joined")
    erase(way, NOW + timedelta(days=1))
    late = way.ship(journal())
    assert (late.status_code, "erased" in late.json()["error"]) == (410, True)
    assert way.offer().status_code == 410
    for name in ("caller_participant_left", "room_finished", "caller_track_unpublished"):
        way.hook(name)
    way.carrier(CarrierHook.objects.get(), "twilio/status_ringing")
    requests.sweep(bucket=way.bucket, now=NOW + timedelta(days=1, minutes=5))
    assert found(way, data) == []
    assert Call.objects.filter(caller=NUMBER).count() == 0
    assert CarrierCall.objects.count() == 0


def test_livekit_rooms_which_linger_do_not_bring_a_call_back(planted, way, data, livekit):
    from telephony import services
    from telephony.errors import CallErased

    erase(way, NOW + timedelta(days=1))
    with pytest.raises(CallErased):
        services.ensure_call(room=ROOM, at=NOW, caller=NUMBER)


def test_a_worker_which_asks_hears_which_rooms_are_gone(planted, way, data):
    erase(way, NOW + timedelta(days=1))
    answer = way.post("erased", f'{{"rooms": ["{ROOM}", "call_+12025550199_xyz", 7]}}')
    assert answer.json() == {"erased": [ROOM]}
    assert way.post("erased", "{}").status_code == 400


# --- F27: while the call is on, and while its recording is on its way -----------------------------


def test_during_a_call_it_waits_and_finishes_when_the_call_is_over(planted, way, data, clock):
    room = "call_+12025550123_live"
    told = journal(room=room)
    assert way.ship(told[:4], room=room, job="AJ_live").status_code == 200
    request = erase(way, clock.now)
    assert request.state == "running"
    assert "is on" in request.words
    assert Call.objects.get(room=room).ended_at is None
    assert way.ship(told[4:], room=room, job="AJ_live").status_code == 200
    clock.move(61)
    go_on(request, way, clock.now)
    assert request.state == "done", request.words
    assert found(way, data) == []


def test_an_upload_under_way_is_deleted_when_it_has_arrived(planted, way, data, clock):
    room = "call_+12025550123_up"
    assert way.ship(journal(room=room), room=room, job="AJ_up").status_code == 200
    offer = way.offer(room=room, job="AJ_up")
    request = erase(way, clock.now)
    assert (request.state, "Uploads may still arrive" in request.words) == ("running", True)
    assert way.put(offer) == 200  # its link was good
    assert way.report(offer).status_code == 409
    assert way.offer(room=room, job="AJ_up").status_code == 410
    clock.move(15 * 60 + 61)
    go_on(request, way, clock.now)
    assert request.state == "done", request.words
    assert request.counts["objects which came late"] == 1
    assert not DeleteAgain.objects.exists()
    assert found(way, data) == []


def test_a_store_which_is_away_stops_nothing_for_good(planted, way, data, clock):
    way.bucket.away = True
    request = erase(way, clock.now)
    assert (request.state, "does not answer" in request.words) == ("running", True)
    assert Recording.objects.filter(call=planted).exists()  # objects first
    way.bucket.away = False
    clock.move(61)
    assert go_on(request, way, clock.now).state == "done"
    assert found(way, data) == []


def test_whoever_dies_in_the_middle_leaves_it_to_the_next(planted, way, data, clock, monkeypatch):
    request = requests.ask(what="erase", typed=NUMBER, by="ann", now=clock.now)
    with monkeypatch.context() as broken:
        broken.setattr("recordings.forgetting._delete", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            requests.work(request_id=request.pk, bucket=way.bucket, now=clock.now)
    assert not requests.work(request_id=request.pk, bucket=way.bucket, now=clock.now)  # leased
    clock.move(301)
    assert go_on(request, way, clock.now).state == "done"
    assert found(way, data) == []


# --- who may not be erased ------------------------------------------------------------------------


def hold(**given) -> LegalHold:
    values = {"reason": "Case 12/26", "placed_by": "judge", "placed_at": NOW} | given
    return LegalHold.objects.create(**values)


@pytest.mark.parametrize("by", ["call", "number"])
def test_a_legal_hold_refuses_it_with_its_reason(planted, way, data, by):
    held = hold(**({"call": planted} if by == "call" else {"number": NUMBER}))
    with pytest.raises(RequestRefused, match="Case 12/26"):
        requests.ask(what="erase", typed=NUMBER, by="ann", now=NOW)
    assert CallerRequest.objects.count() == 0
    LegalHold.objects.filter(pk=held.pk).update(lifted_at=NOW, lifted_by="judge")
    assert erase(way, NOW + timedelta(days=1)).state == "done"
    assert found(way, data) == []


def test_a_hold_placed_while_it_runs_stops_it(planted, way, data):
    request = requests.ask(what="erase", typed=NUMBER, by="ann", now=NOW)
    hold(call=planted)
    go_on(request, way, NOW)
    assert (request.state, "Case 12/26" in request.words) == ("refused", True)
    assert Recording.objects.filter(call=planted).exists()
    assert request.sealed_number == ""


@pytest.mark.parametrize("typed", ["hello there", "12345", OURS])
def test_what_is_no_callers_number_is_refused(planted, way, data, typed):
    with pytest.raises(RequestRefused):
        requests.ask(what="erase", typed=typed, by="ann", now=NOW)


def test_the_same_erasure_is_not_asked_for_twice_at_once(planted, way, data):
    requests.ask(what="erase", typed=NUMBER, by="ann", now=NOW)
    with pytest.raises(RequestRefused, match="already"):
        requests.ask(what="erase", typed="+1 202 555 0123", by="bob", now=NOW)


# --- the table of places, and the scan ------------------------------------------------------------


def test_every_table_with_words_says_what_becomes_of_them():
    """A new one is covered if foreign keys lead from it to a call. Otherwise add it to PLACES."""
    missing = list(personal.unnamed())
    assert missing == [], (
        f"Add {missing} to PLACES in recordings/personal.py, and say what becomes of them when a "
        f"caller is erased."
    )


def test_the_table_names_no_table_which_is_gone():
    from django.apps import apps

    for label in personal.PLACES:
        apps.get_model(label)


def test_what_hangs_on_a_call_is_found_by_itself():
    parts = {part.label: part for part in personal.parts()}
    assert parts["telephony.delivery"].path == "event__call"
    assert parts["recordings.journalentry"].kind == "transcript"
    assert parts["recordings.recording"].kind == "audio"
    assert parts["recordings.accesslog"].how is personal.How.OURS


def test_the_command_says_where_and_fails(planted, way, data, capsys):
    with pytest.raises(CommandError, match="place"):
        call_command("findcanary", NUMBER, no_redis=True)
    said = capsys.readouterr().out
    assert "database: telephony_call.caller" in said
    assert "file: log/livekit.log" in said
    assert "202" not in said
    erase(way, NOW + timedelta(days=1))
    call_command("findcanary", NUMBER, no_redis=True)
    assert "nowhere" in capsys.readouterr().out


def test_every_planted_place_was_really_planted(planted, way, data):
    """So that the tests above can fail."""
    where = {hit.where for hit in found(way, data)}
    assert where >= {
        "telephony_call.caller", "telephony_call.room", "telephony_leg.remote",
        "telephony_inboundevent.payload", "telephony_outgoingevent.body",
        "telephony_carriercall.caller", "telephony_outboundcall.to",
        "telephony_outboundcall.variables", "telephony_callerrule.digits",
        "telephony_callerrule.note", "telephony_donotcall.number", "telephony_batch.report",
        "recordings_recording.object_key", "recordings_journalentry.data",
        "recordings_transcript.text", "recordings_transcript.segments",
        "django_admin_log.object_repr", "django_admin_log.change_message",
        "django_session.session_data", "(its name)",
    }  # fmt: skip
    assert LogEntry.objects.exists()
    assert Session.objects.exists()
    assert CallerRule.objects.exists()
    assert InboundEvent.objects.exists()
    assert facts()["room"] == ROOM
