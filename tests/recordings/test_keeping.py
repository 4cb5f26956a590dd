"""What was kept long enough is deleted at night, object first; what is held stays."""

from datetime import timedelta

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from recordings import forgetting, keeping, services, tasks, transcripts
from recordings.errors import StoreUnavailable
from recordings.models import (
    Forgotten,
    JournalEntry,
    KeepProgress,
    KeepRule,
    PutOff,
    Recording,
    Transcript,
)
from telephony import holds, retention
from telephony.errors import CallErased, Held
from telephony.models import Call, CallerRule, CarrierCall, InboundEvent, LegalHold
from telephony.models_legs import Leg
from tests.factories import NOW, make_call, make_plan, make_project
from tests.recordings.conftest import A_CALL, JOB, opened, story

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def project():
    return make_project()


def a_call(project, *, days: int, n: int = 0, state: str = "stored", **given) -> Call:
    """With a recording in the store, a transcript and a journal."""
    began = NOW - timedelta(days=days, seconds=n)
    room = f"call_+12025550{n:03}_{days}"
    values = {
        "room": room, "project": project, "caller": f"+12025550{n:03}", "called": "+12025550100",
        "state": "ended", "started_at": began, "ended_at": began, "last_seen_at": began,
    } | given  # fmt: skip
    call = make_call(**values)
    Recording.objects.create(
        call=call, recorder="worker", state=state, object_key=f"shop/{room}.ogg", size=10,
        created_at=began, stored_at=began,
    )  # fmt: skip
    Transcript.objects.create(call=call, text="Hello", segments=[{"text": "Hello"}], built_at=began)
    JournalEntry.objects.create(
        call=call, journal=f"AJ{call.pk}", n=0, ms=0, at=began, kind="turn", data={"text": "Hello"}
    )
    return call


def keep(**given) -> KeepRule:
    return KeepRule.objects.create(**given)


@pytest.fixture
def night(bucket):
    """Puts the recordings of all rows into the store, and lets a night pass."""

    def night(*, now=NOW, until=None):
        for key in Recording.objects.values_list("object_key", flat=True):
            bucket.objects.setdefault(key, b"0123456789")
        until = until or now + timedelta(days=36500)
        return keeping.run(bucket=bucket, now=now, until=until)

    return night


def heard(calls: list[Call]) -> list[bool]:
    return [Recording.objects.filter(call=call).exists() for call in calls]


def test_without_a_rule_everything_is_kept(project, bucket, night):
    call = a_call(project, days=4000)
    assert night() is False
    assert heard([call]) == [True]
    assert bucket.objects


def test_each_kind_goes_after_its_own_time(project, bucket, night):
    keep(audio_days=10, transcript_days=20, fields_days=20, numbers_days=30)
    young, heard_no_more, read_no_more, nameless = calls = [
        a_call(project, days=days, n=days) for days in (9, 15, 25, 35)
    ]
    Leg.objects.create(call=nameless, identity="sip_+12025550035", started_at=NOW)
    night()
    assert heard(calls) == [True, False, False, False]
    assert set(bucket.objects) == {f"shop/{young.room}.ogg"}
    texts = {t.call_id: t.text for t in Transcript.objects.all()}
    assert [texts[call.pk] for call in calls] == ["Hello", "Hello", "", ""]
    assert JournalEntry.objects.filter(call__in=[read_no_more, nameless]).count() == 0
    assert JournalEntry.objects.filter(call__in=[young, heard_no_more]).count() == 2
    callers = [Call.objects.get(pk=call.pk).caller for call in calls]
    assert callers == ["+12025550009", "+12025550015", "+12025550025", ""]
    assert not Leg.objects.exists()


def test_the_call_page_says_what_was_deleted_and_when(project, night, admin_client):
    keep(audio_days=10, transcript_days=10)
    call = a_call(project, days=15)
    night()
    html = admin_client.get(f"/admin/telephony/call/{call.pk}/change/").content.decode()
    assert "Deleted on 2026-11-21 by retention: recording, transcript and journal." in html
    assert "Nothing was said" not in html


def test_a_projects_own_rule_comes_before_the_default(project, night):
    other = make_project(slug="other", name="Other", faq=False)
    keep(audio_days=10)
    keep(project=project, audio_days=100)
    mine, theirs, nobodys = calls = [
        a_call(project, days=50, n=1), a_call(other, days=50, n=2), a_call(None, days=50, n=3),
    ]  # fmt: skip
    night()
    assert heard(calls) == [True, False, False]
    assert KeepProgress.objects.get(project=other, kind="audio").deleted == 1
    assert KeepProgress.objects.get(project=None, kind="audio").deleted_bytes == 10
    assert (mine.pk, theirs.pk, nobodys.pk) == tuple(call.pk for call in calls)


def test_the_object_goes_before_the_row_and_the_next_run_finishes(
    project, bucket, night, monkeypatch
):
    """Killed between the two."""
    keep(audio_days=10)
    call = a_call(project, days=15)
    with monkeypatch.context() as broken:
        broken.setattr("recordings.forgetting._delete", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            night()
    assert (bucket.objects, heard([call])) == ({}, [True])
    row = Forgotten.objects.get(call=call)
    assert (row.audio_claimed_at, row.audio_at) == (NOW, None)
    later = NOW + timedelta(minutes=11)
    assert forgetting.finish_claims(bucket=bucket, now=later) == 1
    assert heard([call]) == [False]
    assert Forgotten.objects.get(call=call).audio_at == later


def test_a_store_which_is_away_loses_no_row(project, bucket, night):
    keep(audio_days=10)
    call = a_call(project, days=15)
    bucket.away = True
    with pytest.raises(StoreUnavailable):
        night()
    assert heard([call]) == [True]
    bucket.away = False
    night(now=NOW + timedelta(days=1))
    assert heard([call]) == [False]


def test_it_goes_on_where_it_stopped(project, night, monkeypatch):
    monkeypatch.setattr(keeping, "BATCH", 2)
    keep(audio_days=10)
    calls = [a_call(project, days=20 + n, n=n) for n in range(5)]
    assert night(until=NOW - timedelta(days=36500)) is True
    assert sorted(heard(calls)) == [False, False, True, True, True]
    assert night() is False
    assert not any(heard(calls))
    assert KeepProgress.objects.get(project=project, kind="audio").deleted == 5


def test_calls_of_the_same_moment_are_none_left_out(project, night, monkeypatch):
    monkeypatch.setattr(keeping, "BATCH", 2)
    keep(audio_days=10)
    at = NOW - timedelta(days=20)
    calls = [a_call(project, days=20, n=n, started_at=at) for n in range(5)]
    night()
    assert not any(heard(calls))


def test_a_night_does_not_look_at_what_it_has_done(project, bucket, night):
    """As many queries, and as few rows, whether there are 3 old calls or 30."""

    def queries() -> int:
        with CaptureQueriesContext(connection) as told:
            keeping.run(bucket=bucket, now=NOW, until=NOW + timedelta(days=36500))
        return len(told)

    keep(audio_days=10, transcript_days=10)
    for n in range(3):
        a_call(project, days=20, n=n)
    night()
    few = queries()
    for n in range(3, 30):
        a_call(project, days=20, n=n)
    night()
    assert queries() == few


def test_the_search_for_due_calls_uses_the_index(project):
    keep(audio_days=10)
    if connection.vendor == "postgresql":  # an empty table it would just read
        connection.cursor().execute("SET LOCAL enable_seqscan = off")
    duty = next(one for one in keeping.duties(NOW) if one.project == project)
    plan = keeping._after(duty, keeping._mark(duty)).order_by("started_at", "pk")[:200].explain()
    assert "call_of_a_project" in plan
    assert "TEMP B-TREE" not in plan


def test_a_call_which_was_entered_late_is_found(project, night):
    """A worker's disk was away for a month."""
    keep(audio_days=10)
    a_call(project, days=12, n=1)
    night()
    late = a_call(project, days=40, n=2)
    night(now=NOW + timedelta(days=1))
    assert heard([late]) == [False]


def test_a_call_which_is_on_or_on_its_way_is_put_off_and_then_deleted(project, night):
    keep(audio_days=10)
    on = a_call(project, days=15, n=1, state="running")
    Call.objects.filter(pk=on.pk).update(state="talking", ended_at=None)
    night()
    assert PutOff.objects.get(call=on).kind == "audio"
    Call.objects.filter(pk=on.pk).update(state="ended", ended_at=NOW)
    Recording.objects.filter(call=on).update(state="stored")
    night(now=NOW + timedelta(days=1))
    assert heard([on]) == [False]
    assert not PutOff.objects.exists()


def test_what_comes_too_late_is_refused(project, bucket, night):
    from recordings.journal import take_entries

    keep(audio_days=10, transcript_days=10)
    call = a_call(project, days=15)
    night()
    told = story(opened(room=call.room), *A_CALL[1:])
    with pytest.raises(CallErased):
        take_entries(journal=JOB, room=call.room, entries=told, now=NOW)
    assert not JournalEntry.objects.exists()
    assert services.want_recording(call_id=call.pk, now=NOW) is None
    Transcript.objects.all().delete()
    empty = transcripts.build_transcript(call_id=call.pk, now=NOW)
    assert empty
    assert empty.segments == []


def test_a_forgotten_call_is_not_recorded_again_by_its_plan(project, bucket, night):
    plan = make_plan(project)
    keep(audio_days=10)
    call = a_call(project, days=15, plan_digest=plan.digest)
    night()
    assert services.want_recording(call_id=call.pk, now=NOW) is None


# --- what is held ---------------------------------------------------------------------------------


def hold(**given) -> LegalHold:
    values = {"reason": "Case 12/26", "placed_by": "judge", "placed_at": NOW} | given
    return LegalHold.objects.create(**values)


@pytest.mark.parametrize("by", ["call", "number", "number in another form"])
def test_what_is_held_stays_until_it_is_lifted(project, night, by):
    keep(audio_days=10, transcript_days=10, fields_days=10, numbers_days=10)
    written = "12025550001" if "form" in by else "+12025550001"
    call = a_call(project, days=15, n=1, caller=written)
    free = a_call(project, days=15, n=2)
    held = hold(**({"call": call} if by == "call" else {"number": "+12025550001"}))
    night()
    assert heard([call, free]) == [True, False]
    assert Call.objects.get(pk=call.pk).caller == written
    assert {row.why for row in PutOff.objects.all()} == {"A legal hold keeps it."}
    LegalHold.objects.filter(pk=held.pk).update(lifted_at=NOW)
    night(now=NOW + timedelta(days=1))
    assert heard([call]) == [False]
    assert Call.objects.get(pk=call.pk).caller == ""


def test_a_hold_ends_on_its_day(project, night):
    keep(audio_days=10)
    call = a_call(project, days=15, n=1)
    hold(call=call, until=NOW + timedelta(days=2))
    night()
    assert heard([call]) == [True]
    night(now=NOW + timedelta(days=3))
    assert heard([call]) == [False]


def test_a_hold_keeps_hooks_and_carriers_calls_too(project):
    call = a_call(project, days=500, n=1)
    at = NOW - timedelta(days=500)
    for room in (call.room, "call_other", None):
        InboundEvent.objects.create(
            event_id=f"e{room}", name="x", payload={"room": {"name": room}} if room else {},
            received_at=at, try_after=at, handled_at=at,
        )  # fmt: skip
    CarrierCall.objects.create(kind="twilio", carrier_id="a", heard_at=at, call=call)
    CarrierCall.objects.create(kind="twilio", carrier_id="b", heard_at=at)
    hold(number="+12025550001")
    retention.forget_old(now=NOW)
    assert [e.payload["room"]["name"] for e in InboundEvent.objects.all()] == [call.room]
    assert [c.carrier_id for c in CarrierCall.objects.all()] == ["a"]


def test_a_held_call_cannot_be_deleted_by_hand_either(project, admin_client):
    call = a_call(project, days=1, n=1)
    rule = CallerRule.objects.create(digits="12025550001")
    hold(number="+12025550001")
    with pytest.raises(Held, match="Case 12/26"):
        holds.require_free([call], now=NOW)
    url = f"/admin/telephony/callerrule/{rule.pk}/delete/"
    assert admin_client.post(url, {"post": "yes"}).status_code == 403
    assert CallerRule.objects.filter(pk=rule.pk).exists()
    admin_client.post(
        "/admin/telephony/callerrule/",
        {"action": "delete_selected", "_selected_action": [rule.pk], "post": "yes"},
    )
    assert CallerRule.objects.filter(pk=rule.pk).exists()
    LegalHold.objects.update(lifted_at=NOW)
    assert admin_client.post(url, {"post": "yes"}).status_code == 302


def test_a_hold_needs_a_call_or_a_number(db):
    from django.db import IntegrityError, transaction

    with pytest.raises(IntegrityError), transaction.atomic():
        hold()


# --- rules, command, task -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"numbers_days": 10},
        {"numbers_days": 10, "audio_days": 11, "transcript_days": 5, "fields_days": 5},
        {"numbers_days": 10, "audio_days": 5, "transcript_days": 5},
    ],
)
def test_numbers_are_not_deleted_before_what_they_stand_in(given):
    with pytest.raises(ValidationError, match="numbers stand in it"):
        KeepRule(**given).clean()


def test_there_is_one_default(db):
    keep(audio_days=10)
    with pytest.raises(ValidationError):
        KeepRule(audio_days=20).full_clean()


def test_the_command_says_what_it_would_do_and_does_nothing(project, bucket, capsys):
    keep(audio_days=10)
    call = a_call(project, days=4000, n=1)
    hold(call=a_call(project, days=4000, n=2))
    call_command("keeping", "--what-if")
    said = capsys.readouterr().out
    assert "Shop (shop): recording, 10 days: 1 call(s) due, 10 bytes, 1 held" in said
    assert heard([call]) == [True]
    call_command("keeping")
    assert heard([call]) == [False]


def test_the_nightly_task_queues_itself_while_there_is_more(project, bucket, monkeypatch):
    keep(audio_days=10)
    a_call(project, days=4000, n=1)
    monkeypatch.setattr("recordings.tasks_keeping.AT_A_TIME", timedelta(days=-1))
    queued: list[int] = []
    monkeypatch.setattr(tasks.keep, "delay", lambda: queued.append(1))
    tasks.keep()
    assert queued == [1]
    assert KeepProgress.objects.get(project=project, kind="audio").deleted == 1
