"""`manage.py makebucket` and `manage.py showcall`."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from recordings import services
from recordings.journal import take_entries
from recordings.models import Recording
from telephony.models import Call
from tests.factories import NOW, make_plan
from tests.recordings.conftest import A_CALL, JOB, ROOM, opened, story

pytestmark = [pytest.mark.db, pytest.mark.django_db, pytest.mark.usefixtures("tasks_at_once")]


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def show(*arguments: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(run("showcall", "--json", *arguments))
    return shown


@pytest.fixture
def call(post, bucket, livekit, clock) -> Call:
    """A call which is over and read; its recording is on the way."""
    plan = make_plan()
    told = [opened(plan=plan.digest), *A_CALL[1:-1], ("recording", {}), A_CALL[-1]]
    raw = [entry.to_dict() for entry in story(*told)]
    assert post("journal", json.dumps({"journal": JOB, "room": ROOM, "entries": raw})).json()
    return Call.objects.get()


def store(bucket) -> None:
    recording = Recording.objects.get()
    bucket.objects[recording.object_key] = b"sound"
    Recording.objects.update(state="uploading", size=5, duration_ms=4000, starts_ms=1000)
    services.close_recording(recording_id=recording.pk, bucket=bucket, now=NOW)


def test_the_bucket_is_made_however_often_it_is_asked(bucket):
    bucket.exists = False
    assert "is there" in run("makebucket")
    assert "is there" in run("makebucket")
    assert bucket.exists


def test_a_store_that_is_away_is_named(bucket):
    bucket.away = True
    with pytest.raises(CommandError, match="S3_ENDPOINT"):
        run("makebucket")


def test_a_call_is_shown_with_all_its_parts(call, bucket, settings):
    store(bucket)
    shown = show("--room", ROOM)
    assert (shown["room"], shown["state"], shown["end_reason"]) == (ROOM, "ended", "caller")
    assert (shown["caller"], shown["called"]) == ("+12025550123", "+12025550100")
    recording = shown["recording"]
    assert (recording["state"], recording["duration_ms"]) == ("stored", 4000)
    assert bucket.request("GET", recording["url"]).body == b"sound"
    assert [s["who"] for s in shown["transcript"]] == ["agent", "caller", "agent"]
    assert shown["page"] == f"{settings.PUBLIC_URL}/admin/telephony/call/{call.pk}/change/"


def test_the_newest_call_is_shown_unless_one_is_named(call):
    assert show()["room"] == ROOM
    assert show("--last")["room"] == ROOM


def test_a_call_on_its_way_is_shown_as_far_as_it_is_known(call):
    shown = show()
    assert (shown["recording"]["state"], shown["recording"]["url"]) == ("wanted", "")


def test_waiting_ends_when_nothing_will_change(call, bucket):
    store(bucket)
    assert show("--wait", "60")["recording"]["state"] == "stored"


def test_waiting_ends_when_its_time_is_over(call):
    assert show("--wait", "0.2")["recording"]["state"] == "wanted"


def test_an_answered_call_whose_recording_has_no_row_yet_is_waited_for(call, bucket, monkeypatch):
    """The task which wants it may be later than the hang-up."""
    Recording.objects.all().delete()
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 2:
            services.want_recording(call_id=call.pk, now=NOW)
            store(bucket)

    monkeypatch.setattr("recordings.management.commands.showcall.time.sleep", sleep)
    assert show("--wait", "60")["recording"]["state"] == "stored"
    assert slept


def test_people_read_the_call_as_lines(call):
    shown = run("showcall")
    assert "caller When are you open?" in shown
    assert "/admin/telephony/call/" in shown


def test_a_call_which_does_not_exist_is_said(bucket):
    with pytest.raises(CommandError, match="no such call"):
        run("showcall", "--room", "call_nobody")


def test_an_unknown_plan_does_not_hide_the_call(bucket, livekit):
    take_entries(journal=JOB, room=ROOM, entries=story(*A_CALL), now=NOW)
    assert show()["recording"] is None
