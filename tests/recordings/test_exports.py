"""A selection of calls leaves as one file: in the background, whole, for whoever may have it."""

import csv
import io
import json
import zipfile
from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from recordings import exportrows, exports, tasks_checks
from recordings.errors import StoreUnavailable
from recordings.models import AccessLog, Export, Recording, Transcript, TurnFigure
from recordings.slices import Until
from telephony.models import Call
from tests.factories import make_call
from tests.oggs import ogg
from tests.recordings.checks import DAY, LATER, recorded

pytestmark = [pytest.mark.db, pytest.mark.django_db, pytest.mark.usefixtures("livekit")]


@pytest.fixture(autouse=True)
def later(clock):
    clock.now = LATER
    return clock


@pytest.fixture
def calls(bucket) -> list[Call]:
    """Three; the last one has no recording."""
    found = [recorded(n) for n in (1, 2, 3)]
    for n in (1, 2):
        bucket.objects[f"unknown/2026/11/20/call_{n}_abc.ogg"] = ogg(12_000)
    Recording.objects.filter(call=found[2]).delete()
    for call in found:
        text = f"=HYPERLINK(1) of {call.pk}, ünïcode 🙂"
        Transcript.objects.create(
            call=call, built_at=DAY, text=text, segments=[{"who": "caller", "text": text}]
        )
        TurnFigure.objects.create(call=call, n=1, at=DAY, total_ms=600)
    return found


def ask(user, ids, format: str) -> Export:
    return exports.request_export(
        ids=ids, format=format, words="some", user=user, now=timezone.now()
    )


def run(export: Export, bucket, until=Until) -> Export:
    while exports.go_on(export_id=export.pk, bucket=bucket, now=timezone.now(), until=until()):
        pass
    export.refresh_from_db()
    return export


def made(user, calls, format: str, bucket, until=Until) -> bytes:
    export = run(ask(user, [call.pk for call in calls], format), bucket, until)
    assert (export.state, export.error, export.done) == ("done", "", len(calls))
    body: bytes = bucket.objects[export.object_key]
    assert export.size == len(body)
    return body


def test_csv_has_a_line_for_each_call_with_its_figures(admin_user, calls, bucket):
    rows = list(csv.DictReader(io.StringIO(made(admin_user, calls, "csv", bucket).decode())))
    assert [int(row["id"]) for row in rows] == [call.pk for call in calls]
    assert (rows[0]["median_ms"], rows[0]["recording"], rows[2]["recording"]) == (
        "600", "stored", "",
    )  # fmt: skip


@pytest.mark.parametrize("text", ["=1+1", "+12025550100", "-1", "@sum", "\t=1", "\r=1"])
def test_nothing_in_csv_is_a_formula(text):
    (line,) = csv.reader(io.StringIO(exportrows.csv_line([text, 5, -5]).decode(), newline=""))
    assert line == [f"'{text}", "5", "-5"]


def test_json_has_the_transcripts_as_they_are(admin_user, calls, bucket):
    told = json.loads(made(admin_user, calls, "json", bucket))["calls"]
    assert [one["id"] for one in told] == [call.pk for call in calls]
    assert told[0]["turns"][0]["text"].endswith("🙂")


def test_the_zip_has_the_recordings_and_says_what_is_left_out(admin_user, calls, bucket):
    body = made(admin_user, calls, "audio", bucket)
    with zipfile.ZipFile(io.BytesIO(body)) as found:
        assert found.testzip() is None
        assert [found.read(name) for name in found.namelist()] == [ogg(12_000)] * 2
        assert not any("1202555" in name for name in found.namelist())
    assert Export.objects.get().left_out == 1


@pytest.mark.parametrize(("format", "written"), [("csv", 3), ("json", 3), ("audio", 2)])
def test_the_access_log_has_a_line_for_each_call_in_the_file(
    format, written, admin_user, calls, bucket
):
    made(admin_user, calls, format, bucket)
    rows = AccessLog.objects.filter(what="export", user=admin_user).order_by("pk")
    assert list(rows.values_list("call", flat=True)) == [call.pk for call in calls[:written]]
    assert {row.how for row in rows} == {f"export {Export.objects.get().pk}, {format}"}


class Killed(BaseException):
    """No code of ours catches it."""


class AtOnce:
    over = True


@pytest.mark.parametrize("format", ["csv", "json", "audio"])
def test_however_often_it_is_taken_up_again_the_file_is_the_same(
    format, admin_user, calls, bucket, monkeypatch
):
    whole = made(admin_user, calls, format, bucket)
    monkeypatch.setattr(exports, "CHUNK", 1)
    monkeypatch.setattr(exports, "PART", 50)
    export = ask(admin_user, [call.pk for call in calls], format)
    slices = 0
    while exports.go_on(
        export_id=export.pk,
        bucket=bucket,
        now=timezone.now(),
        until=AtOnce(),  # type: ignore[arg-type]
    ):
        slices += 1
    export.refresh_from_db()
    assert slices >= 2
    assert bucket.objects[export.object_key] == whole


def test_a_killed_process_costs_a_part_and_no_call(admin_user, calls, bucket, monkeypatch, later):
    whole = made(admin_user, calls, "audio", bucket)
    monkeypatch.setattr(exports, "CHUNK", 1)
    monkeypatch.setattr(exports, "PART", 50)
    export = ask(admin_user, [call.pk for call in calls], "audio")
    puts = []

    def dies(*args):
        puts.append(args)
        if len(puts) == 4:
            raise Killed
        return type(bucket).put_part(bucket, *args)

    monkeypatch.setattr(bucket, "put_part", dies)
    with pytest.raises(Killed):
        run(export, bucket)
    assert run(export, bucket).state == "running"  # its lease is not over
    later.move(200)
    assert run(export, bucket).state == "done"
    assert bucket.objects[export.object_key] == whole


def test_a_store_which_goes_away_is_waited_for(admin_user, calls, bucket):
    export = ask(admin_user, [calls[0].pk], "csv")
    bucket.away = True
    with pytest.raises(StoreUnavailable):
        run(export, bucket)
    bucket.away = False
    assert run(export, bucket).state == "done"


def test_an_upload_the_store_forgot_begins_again(admin_user, calls, bucket, monkeypatch):
    monkeypatch.setattr(exports, "CHUNK", 1)
    monkeypatch.setattr(exports, "PART", 50)
    export = ask(admin_user, [call.pk for call in calls], "csv")
    exports.go_on(
        export_id=export.pk,
        bucket=bucket,
        now=timezone.now(),
        until=AtOnce(),  # type: ignore[arg-type]
    )
    bucket.uploads.clear()
    assert run(export, bucket).state == "done"
    assert bucket.objects[export.object_key].count(b"\r\n") == 4


def test_a_cancelled_export_leaves_nothing(admin_user, calls, bucket, monkeypatch):
    monkeypatch.setattr(exports, "CHUNK", 1)
    monkeypatch.setattr(exports, "PART", 50)
    export = ask(admin_user, [call.pk for call in calls], "csv")
    exports.go_on(
        export_id=export.pk,
        bucket=bucket,
        now=timezone.now(),
        until=AtOnce(),  # type: ignore[arg-type]
    )
    assert bucket.uploads
    assert exports.cancel(export_id=export.pk, bucket=bucket, now=LATER)
    assert run(export, bucket).state == "cancelled"
    assert (bucket.uploads, export.object_key in bucket.objects) == ({}, False)


def test_after_a_week_the_object_goes_first(admin_user, calls, bucket):
    made(admin_user, calls, "csv", bucket)
    export = Export.objects.get()
    assert exports.expire(bucket=bucket, now=LATER + timedelta(days=6)) == 0
    bucket.away = True
    with pytest.raises(StoreUnavailable):
        exports.expire(bucket=bucket, now=LATER + timedelta(days=8))
    export.refresh_from_db()
    assert export.deleted_at is None
    bucket.away = False
    assert exports.expire(bucket=bucket, now=LATER + timedelta(days=8)) == 1
    assert export.object_key not in bucket.objects


@pytest.mark.usefixtures("tasks_at_once")
def test_all_which_match_are_exported_from_the_list(
    admin_client, calls, bucket, django_capture_on_commit_callbacks
):
    make_call(room="call_9_other", caller="+4930123456", started_at=DAY)
    page = reverse("admin:telephony_call_export") + "?q=30123456"
    listed = admin_client.get(reverse("admin:telephony_call_changelist") + "?q=30123456")
    assert "export/?q=30123456" in listed.content.decode()
    assert "1 calls matching a filter" in admin_client.get(page).content.decode()
    with django_capture_on_commit_callbacks(execute=True):
        answer = admin_client.post(page, {"format": "csv"})
    shown = admin_client.get(answer.url).content.decode()
    assert "Done: 1 of 1 call" in shown
    export = Export.objects.get()
    assert b"'+4930123456" in bucket.objects[export.object_key]
    link = admin_client.get(reverse("admin:recordings_export_download", args=[export.pk]))
    assert (link.status_code, "X-Amz-Signature" in link.url) == (302, True)


def test_the_calls_chosen_in_the_list_are_exported(admin_client, calls, bucket):
    listed = reverse("admin:telephony_call_changelist")
    answer = admin_client.post(
        listed, {"action": "export_chosen", "_selected_action": [calls[0].pk, calls[1].pk]}
    )
    assert "2 calls chosen" in admin_client.get(answer.url).content.decode()


@pytest.mark.usefixtures("tasks_at_once")
def test_sound_and_words_need_their_permissions_and_files_are_ones_own(
    client, admin_user, django_user_model, calls, bucket
):
    user = django_user_model.objects.create_user("bob", password="x", is_staff=True)
    client.force_login(user)
    page = reverse("admin:telephony_call_export")
    assert client.get(page).status_code == 403
    for name in ("view_call", "add_export", "view_export"):
        user.user_permissions.add(Permission.objects.get(codename=name))
    client.force_login(django_user_model.objects.get(pk=user.pk))
    form = client.get(page).content.decode()
    assert 'value="csv"' in form
    assert 'value="audio"' not in form
    assert 'value="json"' not in form
    assert client.post(page, {"format": "audio"}).status_code == 200
    assert not Export.objects.exists()
    theirs = run(ask(admin_user, [calls[0].pk], "csv"), bucket)
    assert (
        client.get(reverse("admin:recordings_export_download", args=[theirs.pk])).status_code == 404
    )
    mine = run(ask(user, [calls[0].pk], "audio"), bucket)  # when he might hear
    assert (
        client.get(reverse("admin:recordings_export_download", args=[mine.pk])).status_code == 403
    )
    tasks_checks.expire_exports()
