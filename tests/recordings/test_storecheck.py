"""Recordings are compared with the store: what differs is found, told with what to do, and mended.

The store is in memory here; tests/contract/test_storecheck.py does the same with the real one.
"""

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from recordings import mending, storecheck, storeday, tasks_checks
from recordings.errors import ObjectWrong, StoreUnavailable
from recordings.models import CheckedObject, Recording, StoreCheck, StoreFinding
from recordings.slices import LEASE, Until
from tests.factories import make_call, make_plan, make_project
from tests.oggs import ogg
from tests.recordings.checks import DAY, LATER, check, found, kinds, recorded

pytestmark = [pytest.mark.db, pytest.mark.django_db, pytest.mark.usefixtures("livekit")]

KEY = "unknown/2026/11/20/call_1_abc.ogg"


@pytest.fixture(autouse=True)
def later(clock):
    clock.now = LATER
    return clock


@pytest.fixture
def stored(bucket):
    """A call whose recording is as it should be."""
    call = recorded()
    bucket.objects[KEY] = ogg(12_000)
    return call


def test_a_recording_which_is_as_it_should_be_is_no_finding(stored, bucket):
    run = check(bucket)
    assert (run.state, run.looked_at, run.days_done) == ("done", 1, 2)
    assert found() == []


def test_a_recording_gone_from_the_store_is_found(stored, bucket):
    bucket.objects.clear()
    check(bucket)
    assert found() == [("missing", KEY)]


def test_an_empty_object_is_found(stored, bucket):
    bucket.objects[KEY] = b""
    check(bucket)
    assert kinds() == ["empty"]


def test_a_truncated_object_is_found(stored, bucket):
    bucket.objects[KEY] = bucket.objects[KEY][:-10]
    check(bucket)
    assert kinds() == ["size"]


def test_other_bytes_of_the_same_length_are_found(stored, bucket):
    body = bucket.objects[KEY]
    bucket.objects[KEY] = body[:-1] + bytes([body[-1] ^ 1])
    check(bucket)
    assert kinds() == ["checksum"]


def test_a_store_without_checksums_is_read(stored, bucket):
    bucket.knows_checksums = False
    assert check(bucket).hashed_bytes == len(bucket.objects[KEY])
    body = bucket.objects[KEY]
    bucket.objects[KEY] = body[:-1] + bytes([body[-1] ^ 1])
    check(bucket)
    assert kinds() == ["checksum"]


def test_reading_is_bounded_and_what_was_left_is_told(stored, bucket, monkeypatch):
    monkeypatch.setattr(storecheck, "MOST_READ", 10)
    bucket.knows_checksums = False
    run = check(bucket)
    assert (run.hashed_bytes, run.unhashed) == (0, 1)


def test_an_egress_recording_gets_the_checksum_nobody_told(stored, bucket):
    Recording.objects.update(recorder="egress", sha256="")
    bucket.knows_checksums = False
    check(bucket)
    assert len(Recording.objects.get().sha256) == 64


@pytest.mark.parametrize(("row_ms", "kind"), [(12_190, []), (12_400, ["duration"])])
def test_the_duration_may_differ_by_200_ms_from_the_row(stored, bucket, row_ms, kind):
    Recording.objects.update(duration_ms=row_ms)
    check(bucket)
    assert kinds() == kind


@pytest.mark.parametrize(("s", "kind"), [(13.9, []), (15, ["call_length"]), (9, ["call_length"])])
def test_the_duration_may_differ_by_two_seconds_from_the_call(stored, bucket, s, kind):
    stored.ended_at = stored.answered_at + timedelta(seconds=s)
    stored.save()
    check(bucket)
    assert kinds() == kind


def test_the_journal_knows_better_than_the_hooks_how_long_they_talked(stored, bucket):
    stored.ended_at = stored.answered_at + timedelta(seconds=60)
    stored.save()
    stored.entries.create(
        journal="AJ_1", n=9, ms=0, at=DAY, kind="closed",
        data={"answered": True, "talked_ms": 12_000},
    )  # fmt: skip
    check(bucket)
    assert found() == []


def test_a_file_which_ends_within_a_page_is_found(bucket):
    call = recorded()
    body = bucket.objects[KEY] = ogg(12_000)[:-5]
    Recording.objects.filter(call=call).update(size=len(body), sha256="")
    check(bucket)
    assert "cut" in kinds()


def test_what_is_no_sound_is_found(bucket):
    call = recorded()
    bucket.objects[KEY] = b"<html>Sorry</html>"
    Recording.objects.filter(call=call).update(size=18, sha256="")
    check(bucket)
    assert kinds() == ["unreadable"]


def test_another_content_type_is_found_and_its_parameters_are_not(stored, bucket):
    bucket.types[KEY] = "audio/ogg; codecs=opus"
    check(bucket)
    assert found() == []
    CheckedObject.objects.all().delete()
    bucket.types[KEY] = "binary/octet-stream"
    check(bucket)
    assert kinds() == ["content_type"]


def test_an_object_no_call_has_is_listed_and_stays(stored, bucket):
    bucket.objects["unknown/2026/11/20/call_9_zzz.ogg"] = b"whose?"
    check(bucket)
    assert found() == [("orphan", "unknown/2026/11/20/call_9_zzz.ogg")]
    assert len(bucket.objects) == 2


@pytest.mark.parametrize("name", ["call_1_abc.masked.ogg", "call_1_abc.json", "call_1_abc/2.ogg"])
def test_what_hangs_on_a_recording_is_no_orphan(stored, bucket, name):
    bucket.objects[f"unknown/2026/11/20/{name}"] = b"derived"
    check(bucket)
    assert found() == []


def test_exports_and_fresh_objects_are_no_orphans(stored, bucket, later):
    bucket.objects["exports/2026/11/20/x.zip"] = b"PK"
    bucket.objects["shop/2026/11/20/new.ogg"] = b"just came"
    bucket.modified = later.now - timedelta(minutes=5)
    check(bucket)
    assert found() == []


def test_a_call_which_should_have_been_recorded_and_was_not_is_found(bucket):
    plan = make_plan()
    recorded(plan=plan)
    Recording.objects.all().delete()
    check(bucket)
    assert found() == [("no_row", "shop/2026/11/20/call_1_abc.ogg")]


def test_a_call_whose_plan_wants_no_recording_is_none(bucket):
    recorded(plan=make_plan(make_project(record=False)))
    Recording.objects.all().delete()
    check(bucket)
    assert found() == []


def test_a_recording_which_never_came_is_found_after_an_hour(stored, bucket, later):
    bucket.objects.clear()
    Recording.objects.update(state="uploading", stored_at=None)
    later.now = stored.ended_at + timedelta(minutes=50)
    check(bucket)
    assert found() == []
    later.now += timedelta(minutes=20)
    check(bucket)
    assert kinds() == ["not_stored"]


def test_a_skipped_recording_is_none(stored, bucket):
    bucket.objects.clear()
    Recording.objects.update(state="skipped", stored_at=None)
    check(bucket)
    assert found() == []


# --- runs ---------------------------------------------------------------------------------------


def test_a_second_run_reads_only_what_has_changed(stored, bucket):
    check(bucket)
    bucket.heads.clear()
    check(bucket)
    assert bucket.heads == []
    bucket.objects[KEY] = bucket.objects[KEY][:-10]
    check(bucket)
    assert kinds() == ["size"]


def test_a_thorough_run_reads_every_byte_again(stored, bucket):
    check(bucket)
    assert check(bucket, thorough=True).hashed_bytes == len(bucket.objects[KEY])


def test_the_same_fault_is_told_once_and_is_fixed_when_it_is_gone(stored, bucket):
    body = bucket.objects.pop(KEY)
    check(bucket)
    check(bucket)
    assert StoreFinding.objects.count() == 1
    bucket.objects[KEY] = body
    check(bucket)
    assert found() == []
    assert StoreFinding.objects.get().fixed_by == "seen no more"


class AtOnce:
    """A slice which is over after its first step."""

    def __init__(self) -> None:
        self.asked = 0

    @property
    def over(self) -> bool:
        self.asked += 1
        return self.asked > 1


def test_a_run_goes_on_where_its_slice_ended(bucket, monkeypatch):
    monkeypatch.setattr(storeday, "CHUNK", 2)
    for n in range(1, 8):
        recorded(n)
        bucket.objects[f"unknown/2026/11/20/call_{n}_abc.ogg"] = ogg(12_000)
    del bucket.objects["unknown/2026/11/20/call_7_abc.ogg"]
    run = check(bucket, until=AtOnce)
    assert (run.state, run.looked_at) == ("done", 7)
    assert len(bucket.heads) == 7
    assert kinds() == ["missing"]


def test_a_store_which_goes_away_costs_no_run(stored, bucket, later):
    run = storecheck.request_check(first=DAY.date(), last=DAY.date(), by="ann", now=timezone.now())
    bucket.away = True
    with pytest.raises(StoreUnavailable):
        storecheck.go_on(check_id=run.pk, bucket=bucket, now=timezone.now(), until=Until())
    run.refresh_from_db()
    assert (run.state, found()) == ("running", [])
    assert "when the store is back" in run.error
    bucket.away = False
    storecheck.go_on(check_id=run.pk, bucket=bucket, now=timezone.now(), until=Until())
    run.refresh_from_db()
    assert (run.state, run.error, found()) == ("done", "", [])


def test_one_process_works_at_a_run_until_its_lease_ran_out(stored, bucket, later):
    run = storecheck.request_check(first=DAY.date(), last=DAY.date(), by="ann", now=timezone.now())
    StoreCheck.objects.update(state="running", leased_until=later.now + LEASE)
    asked = {"check_id": run.pk, "bucket": bucket, "until": Until()}
    assert storecheck.go_on(now=later.now, **asked) is False
    assert not StoreCheck.objects.due(later.now)
    later.move(200)
    assert list(StoreCheck.objects.due(later.now)) == [run]
    storecheck.go_on(now=later.now, **asked)
    run.refresh_from_db()
    assert run.state == "done"


def test_a_cancelled_run_stays_cancelled(stored, bucket):
    run = storecheck.request_check(first=DAY.date(), last=DAY.date(), by="ann", now=timezone.now())
    assert storecheck.cancel(check_id=run.pk, now=LATER)
    storecheck.go_on(check_id=run.pk, bucket=bucket, now=timezone.now(), until=Until())
    run.refresh_from_db()
    assert (run.state, run.looked_at) == ("cancelled", 0)


@pytest.mark.usefixtures("tasks_at_once")
def test_each_night_the_last_days_are_compared_once(stored, bucket):
    tasks_checks.check_nightly()
    tasks_checks.check_nightly()
    run = StoreCheck.objects.get()
    assert (run.state, run.looked_at, run.days_total) == ("done", 1, 7)


@pytest.mark.usefixtures("tasks_at_once")
def test_the_sweep_takes_up_what_a_killed_process_left(stored, bucket, later):
    storecheck.request_check(first=DAY.date(), last=DAY.date(), by="ann", now=later.now)
    StoreCheck.objects.update(state="running", leased_until=later.now - timedelta(seconds=1))
    tasks_checks.sweep_checks()
    assert StoreCheck.objects.get().state == "done"


# --- mending ------------------------------------------------------------------------------------


def mend(verb: str, bucket, **which) -> str:
    finding = StoreFinding.objects.get(fixed_at=None, **which)
    return mending.mend(finding_id=finding.pk, verb=verb, by="ann", bucket=bucket, now=LATER)


def test_a_damaged_recording_is_asked_for_again_and_the_late_file_is_taken(stored, bucket):
    body = bucket.objects[KEY]
    bucket.objects[KEY] = body[:100]
    check(bucket)
    mend("again", bucket)
    row = Recording.objects.get()
    assert (row.state, found()) == ("failed", [])
    bucket.objects[KEY] = body  # restored from a backup
    check(bucket)
    mend("take", bucket, kind="found_again")
    row.refresh_from_db()
    assert (row.state, row.error) == ("stored", "")
    check(bucket)
    assert found() == []


def test_asking_again_does_not_undo_a_file_which_came_meanwhile(stored, bucket):
    bucket.objects.clear()
    check(bucket)
    finding = StoreFinding.objects.select_related("recording").get()
    before = finding.recording
    Recording.objects.update(stored_at=LATER)
    with pytest.raises(ObjectWrong, match="changed meanwhile"):
        mending._ask_again(_with(finding, before), bucket, "ann", LATER)
    assert Recording.objects.get().state == "stored"


def _with(finding: StoreFinding, recording: Recording | None) -> StoreFinding:
    finding.recording = recording
    return finding


def test_a_failed_recording_with_a_file_in_the_store_is_recovered(stored, bucket):
    Recording.objects.update(
        state="failed", stored_at=None, size=None, sha256="", duration_ms=None, recorder="egress"
    )
    check(bucket)
    assert kinds() == ["found_again"]
    mend("take", bucket)
    row = Recording.objects.get()
    assert (row.state, row.size) == ("stored", len(bucket.objects[KEY]))
    assert abs((row.duration_ms or 0) - 12_000) <= 200


def test_a_damaged_file_is_not_recovered(stored, bucket):
    bucket.objects[KEY] = ogg(3_000)
    Recording.objects.update(state="failed", stored_at=None)
    check(bucket)
    with pytest.raises(ObjectWrong, match="uploaded again"):
        mend("take", bucket)
    assert Recording.objects.get().state == "failed"
    assert kinds() == ["found_again"]


def test_a_file_without_row_becomes_the_calls_recording(bucket):
    recorded(plan=make_plan())
    Recording.objects.all().delete()
    bucket.objects["shop/2026/11/20/call_1_abc.ogg"] = ogg(12_000)
    check(bucket)
    assert kinds() == ["no_row"]
    mend("take", bucket, kind="no_row")
    assert Recording.objects.get().state == "stored"
    check(bucket)
    assert found() == []


def test_the_row_takes_the_duration_and_type_the_store_has(stored, bucket):
    bucket.types[KEY] = "audio/opus"
    Recording.objects.update(duration_ms=9_000)
    check(bucket)
    assert sorted(kinds()) == ["content_type", "duration"]
    mend("take", bucket, kind="duration")
    mend("take", bucket, kind="content_type")
    row = Recording.objects.get()
    assert abs((row.duration_ms or 0) - 12_000) <= 200
    assert row.content_type == "audio/opus"
    check(bucket)
    assert found() == []


def test_what_may_stay_so_is_not_told_again_until_it_changes(stored, bucket):
    key = "unknown/2026/11/20/call_9_zzz.ogg"
    bucket.objects[key] = b"whose?"
    check(bucket)
    mend("leave", bucket)
    check(bucket)
    assert found() == []
    bucket.objects[key] = b"another"
    check(bucket)
    assert kinds() == ["orphan"]


def test_what_is_not_to_be_done_with_a_finding_is_refused(stored, bucket):
    bucket.objects.clear()
    check(bucket)
    with pytest.raises(ObjectWrong):
        mend("take", bucket)


# --- command and pages --------------------------------------------------------------------------


def run_command(*args: str) -> tuple[str, int]:
    out = io.StringIO()
    try:
        call_command("checkrecordings", *args, stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(end.code or 0)
    return out.getvalue(), 0


def test_the_command_says_by_its_exit_code_whether_all_is_right(stored, bucket):
    assert run_command("--days", "5") == ("1 calls looked at, 0 findings.\n", 0)
    bucket.objects.clear()
    words, code = run_command("--days", "5", "--json")
    told = json.loads(words)
    assert (code, told["looked_at"], told["state"]) == (1, 1, "done")
    assert [(one["kind"], one["object"]) for one in told["findings"]] == [("missing", KEY)]
    assert "backup" in run_command("--days", "5")[0]


def test_the_command_says_that_the_store_is_away(stored, bucket):
    bucket.away = True
    with pytest.raises(CommandError, match="does not answer") as error:
        run_command("--days", "5")
    assert error.value.returncode == 2


@pytest.mark.usefixtures("tasks_at_once")
def test_a_supervisor_checks_follows_and_mends(
    admin_client, stored, bucket, django_capture_on_commit_callbacks
):
    bucket.objects.clear()
    ask = reverse("admin:recordings_storecheck_check_now")
    assert "Read every byte" in admin_client.get(ask).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        page = admin_client.post(ask, {"first": "2026-11-20", "last": "2026-11-20"})
    shown = admin_client.get(page.url).content.decode()
    assert "Done: 1 of 1 day" in shown
    assert "Gone from the store" in shown
    assert 'http-equiv="refresh"' not in shown
    finding = StoreFinding.objects.get()
    listed = admin_client.get(
        reverse("admin:recordings_storefinding_changelist")
        + "?open=yes&day_from=2026-11-20&day_to=2026-11-20"
    ).content.decode()
    assert KEY in listed
    one = admin_client.get(
        reverse("admin:recordings_storefinding_change", args=[finding.pk])
    ).content.decode()
    assert "Restore it from a backup" in one
    verb = reverse("admin:recordings_storefinding_mend", args=[finding.pk, "again"])
    assert verb in one
    assert "Ask for it again?" in admin_client.get(verb).content.decode()
    assert Recording.objects.get().state == "stored"
    admin_client.post(verb)
    assert Recording.objects.get().state == "failed"


def test_who_may_only_look_can_neither_check_nor_mend(client, django_user_model, stored, bucket):
    from django.contrib.auth.models import Permission

    user = django_user_model.objects.create_user("bob", password="x", is_staff=True)
    user.user_permissions.add(
        *Permission.objects.filter(codename__in=["view_storecheck", "view_storefinding"])
    )
    client.force_login(user)
    bucket.objects.clear()
    run = check(bucket)
    finding = StoreFinding.objects.get()
    assert (
        client.get(reverse("admin:recordings_storecheck_change", args=[run.pk])).status_code == 200
    )
    page = client.get(reverse("admin:recordings_storefinding_change", args=[finding.pk]))
    verb = reverse("admin:recordings_storefinding_mend", args=[finding.pk, "again"])
    assert verb not in page.content.decode()
    assert client.post(verb).status_code == 403
    assert client.post(reverse("admin:recordings_storecheck_check_now")).status_code == 403
    assert Recording.objects.get().state == "stored"


def test_a_running_check_refreshes_its_page(admin_client, bucket):
    run = storecheck.request_check(first=DAY.date(), last=DAY.date(), by="ann", now=timezone.now())
    page = reverse("admin:recordings_storecheck_change", args=[run.pk])
    assert 'http-equiv="refresh"' in admin_client.get(page).content.decode()


def test_a_hostile_room_is_shown_harmlessly(admin_client, bucket):
    bucket.objects["unknown/2026/11/20/<script>x.ogg"] = b"whose?"
    make_call()
    check(bucket)
    finding = StoreFinding.objects.get()
    page = admin_client.get(reverse("admin:recordings_storefinding_change", args=[finding.pk]))
    assert "<script>x" not in page.content.decode()
