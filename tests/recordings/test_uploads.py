"""A worker hands in its recording: stored when the store has it whole, and only then."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from recordings import services, tasks
from recordings.journal import take_entries
from recordings.models import Recording
from telephony import services as telephony
from telephony.lifecycle import CallState
from telephony.models import Call
from tests.factories import NOW, make_plan, make_project
from tests.recordings.conftest import ANSWERED, JOB, ROOM, closed, opened, story

pytestmark = [pytest.mark.db, pytest.mark.django_db, pytest.mark.usefixtures("tasks_at_once")]

SOUND = b"OggS" + bytes(range(256)) * 10
KEY = f"shop/2026/11/21/{ROOM}.ogg"


def facts(sound: bytes = SOUND, **changes: Any) -> dict[str, Any]:
    return {
        "room": ROOM,
        "journal": JOB,
        "sha256": hashlib.sha256(sound).hexdigest(),
        "size": len(sound),
        "duration_ms": 4000,
        "starts_ms": 1000,
        "content_type": "audio/ogg",
    } | changes


@pytest.fixture
def call(bucket, livekit) -> Call:
    """A call which is over; its journal is here."""
    plan = make_plan()
    told = story(opened(plan=plan.digest), ANSWERED, ("recording", {}), closed())
    take_entries(journal=JOB, room=ROOM, entries=told, now=NOW)
    call = Call.objects.get()
    services.want_recording(call_id=call.pk, now=NOW)
    return call


class Courier:
    """Offers, puts and reports, as the worker's courier does."""

    def __init__(self, post, bucket) -> None:
        self.post, self.bucket = post, bucket

    def offer(self, sound: bytes = SOUND, *, status: int = 200, **changes: Any) -> Any:
        answer = self.post("recordings", json.dumps(facts(sound, **changes)))
        assert answer.status_code == status, answer.content
        return answer.json()

    def put(self, offer: dict[str, Any], sound: bytes = SOUND) -> int:
        upload = offer["upload"]
        headers = upload["headers"]
        status: int = self.bucket.request("PUT", upload["url"], body=sound, headers=headers).status
        return status

    def report(self, offer: dict[str, Any], *, status: int = 200) -> Any:
        answer = self.post(f"recordings/{offer['id']}/uploaded", "{}")
        assert answer.status_code == status, answer.content
        return answer.json()

    def deliver(self, sound: bytes = SOUND, **changes: Any) -> Any:
        offer = self.offer(sound, **changes)
        if "upload" in offer:
            assert self.put(offer, sound) == 200
            self.report(offer)
        return offer


@pytest.fixture
def courier(post, bucket) -> Courier:
    return Courier(post, bucket)


def only() -> Recording:
    return Recording.objects.get()


def test_a_recording_is_offered_put_verified_and_stored(call, courier, bucket):
    offer = courier.offer()
    assert offer["state"] == "uploading"
    assert courier.put(offer) == 200
    assert only().state == "uploading"
    assert courier.report(offer) == {"state": "stored"}
    recording = only()
    assert (recording.object_key, recording.size, recording.sha256) == (
        KEY, len(SOUND), hashlib.sha256(SOUND).hexdigest(),
    )  # fmt: skip
    assert (recording.duration_ms, recording.starts_ms, recording.recorder) == (
        4000, 1000, "worker",
    )  # fmt: skip
    assert recording.stored_at
    assert bucket.objects == {KEY: SOUND}


def test_every_step_may_be_repeated_and_one_object_is_there(call, courier, bucket):
    first, second = courier.offer(), courier.offer()
    assert [courier.put(first), courier.put(second), courier.put(first)] == [200, 200, 200]
    assert courier.report(first) == courier.report(second) == {"state": "stored"}
    assert courier.offer() == {"id": only().pk, "state": "stored"}
    assert bucket.objects == {KEY: SOUND}
    assert Recording.objects.count() == 1


def test_nothing_is_stored_before_the_object_is_there(call, courier):
    offer = courier.offer()
    error = courier.report(offer, status=409)["error"]
    assert "not in the bucket" in error
    assert (only().state, only().error) == ("uploading", error)


@pytest.mark.parametrize(
    ("spoilt", "words"), [(SOUND[:100], "100 bytes"), (b"x" * len(SOUND), "another checksum")]
)
def test_a_truncated_or_changed_object_is_noticed_and_asked_for_again(
    call, courier, bucket, spoilt, words
):
    offer = courier.offer()
    bucket.objects[KEY] = spoilt
    assert words in courier.report(offer, status=409)["error"]
    assert only().state == "uploading"
    courier.deliver()
    assert (only().state, only().error) == ("stored", "")
    assert bucket.objects == {KEY: SOUND}


def test_the_store_refuses_a_body_other_than_offered(call, courier, bucket):
    offer = courier.offer()
    assert courier.put(offer, SOUND[:-1]) == 403
    assert courier.put(offer, b"x" * len(SOUND)) == 400
    assert bucket.objects == {}


def test_a_store_that_is_away_means_try_again(call, courier, bucket):
    offer = courier.offer()
    courier.put(offer)
    bucket.away = True
    assert "does not answer" in courier.report(offer, status=503)["error"]
    assert only().state == "uploading"
    bucket.away = False
    assert courier.report(offer) == {"state": "stored"}


def test_a_missing_bucket_means_try_again_and_names_the_command(call, courier, bucket):
    offer = courier.offer()
    bucket.exists = False
    assert "makebucket" in courier.report(offer, status=503)["error"]


def test_an_upload_which_overtakes_its_journal_waits(post, courier, bucket):
    assert "has not arrived yet" in courier.offer(status=503)["error"]
    assert not Recording.objects.exists()


def test_a_recording_of_a_foreign_journal_is_not_taken(call, courier):
    assert "has not arrived yet" in courier.offer(journal="AJ_other", status=503)["error"]


def test_a_recording_nobody_wanted_is_taken_nevertheless(courier, post, bucket):
    """The worker ran on a plan we have not seen: what was recorded is kept."""
    take_entries(journal=JOB, room=ROOM, entries=story(opened(), ANSWERED), now=NOW)
    courier.deliver()
    assert (only().state, only().object_key) == ("stored", f"unknown/2026/11/21/{ROOM}.ogg")


def test_after_a_day_the_row_says_what_is_missing_and_the_file_is_still_taken(call, courier):
    services.give_up_waiting(ended_before=NOW + timedelta(days=1))
    assert only().state == "failed"
    assert "start that worker again" in only().error
    courier.deliver()
    assert (only().state, only().error) == ("stored", "")


def test_whoever_reports_to_a_row_which_gave_up_must_offer_again(call, courier, bucket):
    """A worker deletes its file when it hears yes."""
    offer = courier.offer()
    courier.put(offer)
    services.give_up_waiting(ended_before=NOW + timedelta(days=1))
    assert "Offer it" in courier.report(offer, status=409)["error"]
    courier.deliver()
    assert only().state == "stored"


def test_the_workers_file_is_the_backup_of_an_egress_which_failed(courier, bucket, livekit):
    plan = make_plan(make_project(recorder="egress"))
    told = story(opened(plan=plan.digest), ANSWERED)
    take_entries(journal=JOB, room=ROOM, entries=told, now=NOW)
    call = Call.objects.get()
    services.want_recording(call_id=call.pk, now=NOW)
    Recording.objects.update(state="failed", egress_id="EG_1", error="Egress failed: disk.")
    courier.deliver()
    assert (only().state, only().recorder, only().error) == ("stored", "worker", "")


def test_an_egress_recording_in_the_store_is_not_replaced(call, courier, bucket):
    courier.deliver()
    Recording.objects.update(recorder="egress", sha256="")
    assert courier.offer(b"another") == {"id": only().pk, "state": "stored"}
    assert bucket.objects == {KEY: SOUND}


def test_a_second_workers_recording_is_kept_by_its_worker(call, courier, bucket):
    """Answering “stored” would make it delete a file we do not have."""
    courier.deliver()
    assert ".rejected" in courier.offer(b"the second half", status=400)["error"]
    assert bucket.objects == {KEY: SOUND}


def test_the_second_workers_recording_begins_on_the_first_ones_clock(call, courier):
    took_over = [replace(story(opened())[0], at=(NOW + timedelta(seconds=20)).isoformat())]
    take_entries(journal="AJ_two", room=ROOM, entries=took_over, now=NOW)
    courier.deliver(journal="AJ_two")
    assert only().starts_ms == 21_000


def test_of_two_files_at_once_the_second_waits_until_the_first_is_there(call, courier, bucket):
    """With two links, who puts last would overwrite what was verified and thrown away."""
    first = courier.offer()
    assert "Another worker" in courier.offer(b"the second half", status=503)["error"]
    courier.put(first)
    courier.report(first)
    assert ".rejected" in courier.offer(b"the second half", status=400)["error"]
    assert bucket.objects == {KEY: SOUND}


def test_who_offered_and_died_is_followed_by_another(call, courier, clock):
    courier.offer()
    clock.move(601)  # his link is no longer good
    courier.deliver(b"the second half")
    assert (only().state, only().sha256) == (
        "stored", hashlib.sha256(b"the second half").hexdigest(),
    )  # fmt: skip


def test_nobody_speaks_for_the_file_of_another(call, courier, post, clock):
    """Whoever hears yes deletes his file: it must be the one which was stored."""
    first = courier.offer()
    clock.move(601)
    courier.deliver(b"the second half")
    mine = json.dumps({"sha256": hashlib.sha256(SOUND).hexdigest()})
    answer = post(f"recordings/{first['id']}/uploaded", mine)
    assert answer.status_code == 409
    assert "Another file" in answer.json()["error"]


def test_a_call_that_was_never_answered_has_nothing_to_record(bucket, livekit, clock):
    plan = make_plan()
    take_entries(journal=JOB, room=ROOM, entries=story(opened(plan=plan.digest)), now=NOW)
    services.want_recording(call_id=Call.objects.get().pk, now=NOW)
    telephony.move_call(room=ROOM, to=CallState.ENDED, at=NOW)
    assert only().state == "wanted"  # perhaps it was answered: the journal will tell
    closed = {"reason": "abandoned", "answered": False, "talked_ms": 0}
    entries = story(opened(plan=plan.digest), ("closed", closed))
    take_entries(journal=JOB, room=ROOM, entries=entries, now=NOW)
    assert only().state == "skipped"


def test_a_call_whose_end_is_known_before_its_journal_is_still_recorded(bucket, livekit, clock):
    """Django was down while it was answered: LiveKit tells the end, the journal comes later."""
    plan = make_plan()
    take_entries(journal=JOB, room=ROOM, entries=story(opened(plan=plan.digest)), now=NOW)
    services.want_recording(call_id=Call.objects.get().pk, now=NOW)
    telephony.move_call(room=ROOM, to=CallState.ENDED, at=NOW)
    tasks.sweep.run()
    assert only().state == "wanted"


def test_without_a_journal_an_unanswered_call_is_given_up_after_a_while(bucket, livekit, clock):
    plan = make_plan()
    take_entries(journal=JOB, room=ROOM, entries=story(opened(plan=plan.digest)), now=NOW)
    services.want_recording(call_id=Call.objects.get().pk, now=NOW)
    telephony.move_call(room=ROOM, to=CallState.ENDED, at=NOW)
    clock.move(70)
    tasks.sweep.run()
    assert only().state == "skipped"


def test_wanting_may_be_repeated(call, courier):
    for _ in range(2):
        tasks.want_recording.delay(call_id=call.pk)
    assert Recording.objects.count() == 1


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"sha256": "../../secret"}, {"sha256": "A" * 64}, {"sha256": None}, {"size": -1},
        {"size": True}, {"size": "1"}, {"size": 10**30}, {"size": 1.5}, {"duration_ms": -1},
        {"duration_ms": 2**40}, {"starts_ms": None}, {"content_type": "text/html"},
        {"content_type": "audio/ogg\r\nX: y"}, {"journal": ""}, {"journal": "a/b"}, {"room": ""},
        {"room": "call_\0"}, {"room": ["call_1"]},
    ],
    ids=repr,
)  # fmt: skip
def test_a_malformed_offer_is_refused_and_names_the_value(call, courier, changes):
    before = list(Recording.objects.values())
    [name] = changes
    assert name in courier.offer(status=400, **changes)["error"]
    assert list(Recording.objects.values()) == before


def test_without_the_token_nothing_is_offered_or_stored(call, post):
    assert post("recordings", json.dumps(facts()), token="guess").status_code == 401
    assert post(f"recordings/{only().pk}/uploaded", "{}", token="guess").status_code == 401


def test_a_recording_which_was_deleted_meanwhile_is_to_be_offered_again(post, bucket):
    answer = post("recordings/4711/uploaded", "{}")
    assert answer.status_code == 409
    assert "4711" in answer.json()["error"]


def test_only_post_is_answered(client, settings):
    token = {"Authorization": f"Bearer {settings.WORKER_TOKEN}"}
    for path in ("journal", "recordings", "recordings/1/uploaded"):
        assert client.get(f"/internal/{path}", headers=token).status_code == 405


def test_the_object_key_is_made_of_project_date_and_room():
    project = make_project(slug="bikes")
    call = telephony.ensure_call(room=ROOM, at=timezone.now())
    call.project, call.started_at = project, NOW
    assert services.object_key(call) == f"bikes/2026/11/21/{ROOM}.ogg"
