"""A recording in pieces: pauses, starts which come to nothing, dying egress, and the backup."""

import hashlib
import json
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from celery.exceptions import Retry

from recordings import egress as egresses
from recordings import tasks
from recordings.journal import take_entries
from recordings.models import Recording, RecordingPart
from telephony import services as telephony
from telephony import wiring as telephony_wiring
from telephony.errors import GatewayUnavailable
from telephony.lifecycle import CallState
from telephony.models import Call
from tests import hooks
from tests.factories import NOW, make_plan, make_project
from tests.fakes.egress import SOUND, EgressGateway
from tests.recordings.conftest import ANSWERED, JOB, ROOM, opened, story

pytestmark = [pytest.mark.db, pytest.mark.django_db, pytest.mark.usefixtures("tasks_at_once")]

KEY = f"shop/2026/11/21/{ROOM}.ogg"
BACKUP = f"shop/2026/11/21/{ROOM}-worker.ogg"
WHOLE = b"OggS" + bytes(2996)  # the worker's file


@pytest.fixture
def livekit(monkeypatch, bucket, clock, client, django_capture_on_commit_callbacks):
    """A call rings."""

    def post_hook(body: bytes) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            assert hooks.post(client, body).status_code == 204

    fake = EgressGateway(bucket, post_hook=post_hook, now=NOW + timedelta(seconds=1))
    fake.ring(ROOM, at=NOW)
    monkeypatch.setattr(telephony_wiring, "gateway", lambda: fake)
    return fake


@pytest.fixture
def call(livekit) -> Call:
    """It is answered one second after it rang; its journal is here."""
    plan = make_plan(make_project(recorder="egress"))
    telephony.ensure_call(room=ROOM, at=NOW)
    take_entries(journal=JOB, room=ROOM, entries=story(opened(plan=plan.digest), ANSWERED), now=NOW)
    return Call.objects.get()


@pytest.fixture
def recording(call) -> Recording:
    with suppress(Retry):
        tasks.want_recording.delay(call_id=call.pk)
    return only()


@pytest.fixture
def hang_up(django_capture_on_commit_callbacks):
    def hang_up(*, after_s: float = 10) -> None:
        with django_capture_on_commit_callbacks(execute=True), suppress(Retry):
            telephony.move_call(room=ROOM, to=CallState.ENDED, at=NOW + timedelta(seconds=after_s))

    return hang_up


@pytest.fixture
def worker(post, bucket):
    """Brings its own file, as the worker's courier does; returns the first answer."""

    def bring(sound: bytes = WHOLE, *, status: int = 200) -> Any:
        facts = {
            "room": ROOM, "journal": JOB, "sha256": hashlib.sha256(sound).hexdigest(),
            "size": len(sound), "duration_ms": 9000, "starts_ms": 1000,
            "content_type": "audio/ogg",
        }  # fmt: skip
        answer = post("recordings", json.dumps(facts))
        assert answer.status_code == status, answer.content
        told = answer.json()
        if status == 200 and told["state"] != "stored":
            upload = told["upload"]
            put = bucket.request("PUT", upload["url"], body=sound, headers=upload["headers"])
            assert put.status == 200
            assert post(f"recordings/{told['id']}/uploaded", "{}").status_code == 200
        return told

    return bring


def only() -> Recording:
    return Recording.objects.get()


def told() -> list[tuple[int, str, str, str]]:
    """Number, source, state and the end of the name of each part."""
    rows = RecordingPart.objects.order_by("n")
    return [(p.n, p.source, p.state, p.object_key.rpartition(ROOM)[2]) for p in rows]


# --- starts -------------------------------------------------------------------------------------


def test_it_runs_when_livekit_says_active_and_not_before(call, livekit):
    livekit.stuck = True
    tasks.want_recording.delay(call_id=call.pk)
    assert (only().state, told()) == ("starting", [(1, "egress", "starting", ".ogg")])
    livekit.activate(only().egress_id)
    assert (only().state, told()) == ("running", [(1, "egress", "running", ".ogg")])


def test_a_start_which_is_not_active_in_time_is_stopped_and_tried_again(call, livekit, clock):
    livekit.stuck = True
    tasks.want_recording.delay(call_id=call.pk)
    first = only().egress_id
    clock.move(egresses.ACTIVE_S + 1)
    tasks.sweep.delay()
    assert first in livekit.stops
    livekit.stuck = False
    tasks.sweep.delay()
    assert only().state == "running"
    assert [(n, state, name) for n, _, state, name in told()] == [
        (1, "failed", ".ogg"), (2, "running", "-2.ogg"),
    ]  # fmt: skip


def test_an_egress_service_without_a_free_place_is_waited_for(call, livekit):
    livekit.places = 0
    with suppress(Retry):
        tasks.want_recording.delay(call_id=call.pk)
    assert (only().state, "no response from servers" in only().error) == ("wanted", True)
    livekit.places = 1
    tasks.sweep.delay()
    assert (only().state, only().error) == ("running", "")
    assert len(told()) == 1


# --- pauses -------------------------------------------------------------------------------------


def test_a_pause_ends_one_part_and_going_on_begins_another(recording, livekit, bucket, hang_up):
    assert egresses.pause_egress(recording.pk)
    assert (only().state, told()) == ("paused", [(1, "egress", "stored", ".ogg")])
    tasks.sweep.delay()
    assert only().state == "paused"
    assert egresses.resume_egress(recording.pk)
    tasks.sweep.delay()
    assert only().state == "running"
    hang_up()
    assert only().state == "stored"
    assert told() == [(1, "egress", "stored", ".ogg"), (2, "egress", "stored", "-2.ogg")]
    assert set(bucket.objects) == {KEY, KEY.replace(".ogg", "-2.ogg")}


def test_while_it_pauses_nothing_is_started(recording, livekit):
    egresses.pause_egress(recording.pk)
    tasks.start_recording.delay(recording_id=recording.pk)
    tasks.want_recording.delay(call_id=recording.call_id)
    tasks.sweep.delay()
    assert (only().state, livekit.starts) == ("paused", 1)


def test_a_pause_before_the_start_keeps_it_from_starting(call, livekit):
    livekit.kill()
    with suppress(Retry):
        tasks.want_recording.delay(call_id=call.pk)
    assert egresses.pause_egress(only().pk)
    livekit.service_runs = True
    tasks.sweep.delay()
    assert (only().state, livekit.starts) == ("paused", 0)
    assert egresses.resume_egress(only().pk)
    assert livekit.starts == 1


def test_a_pause_while_livekit_is_asked_stops_what_it_started(call, livekit):
    """The pause finds no egress to stop yet; whoever started it stops it."""
    plain = livekit.start_egress

    def paused_meanwhile(wish):
        egress_id = plain(wish)
        assert egresses.pause_egress(only().pk, recorder=livekit)
        return egress_id

    livekit.start_egress = paused_meanwhile
    tasks.want_recording.delay(call_id=call.pk)
    assert livekit.egresses[livekit.stops[0]].status == "complete"
    assert only().state == "paused"


def test_a_pause_livekit_does_not_confirm_is_told_and_asked_for_again(recording, livekit):
    livekit.service_runs = False
    with pytest.raises(GatewayUnavailable):
        egresses.pause_egress(recording.pk)
    assert only().state == "paused"
    livekit.service_runs = True
    tasks.sweep.delay()
    tasks.sweep.delay()
    assert (only().state, told()) == ("paused", [(1, "egress", "stored", ".ogg")])


def test_a_call_which_ends_while_it_pauses_keeps_what_was_recorded(recording, hang_up, bucket):
    egresses.pause_egress(recording.pk)
    hang_up()
    tasks.sweep.delay()
    assert (only().state, only().object_key) == ("stored", KEY)
    assert not egresses.resume_egress(recording.pk)


def test_a_call_which_ends_before_it_went_on_again_keeps_the_first_part(
    recording, livekit, hang_up, clock
):
    egresses.pause_egress(recording.pk)
    livekit.kill()
    assert egresses.resume_egress(recording.pk)
    assert only().state == "wanted"
    hang_up()
    clock.move(100)
    tasks.sweep.delay()
    assert (only().state, only().object_key) == ("stored", KEY)


def test_what_is_not_going_on_is_neither_paused_nor_resumed(recording, hang_up):
    assert not egresses.resume_egress(recording.pk)
    hang_up()
    assert not egresses.pause_egress(recording.pk)


# --- the worker's backup ------------------------------------------------------------------------


def test_while_egress_has_not_finished_the_worker_keeps_its_file(recording, worker):
    assert "ask again" in worker(status=503)["error"]
    assert told() == [(1, "egress", "running", ".ogg")]


def test_of_a_call_which_egress_recorded_wholly_the_worker_throws_its_file_away(
    recording, hang_up, worker, bucket
):
    hang_up(after_s=9)
    assert worker() == {"id": recording.pk, "state": "stored"}
    assert (only().object_key, set(bucket.objects)) == (KEY, {KEY})


def test_an_egress_which_was_refused_leaves_the_call_to_the_worker(call, livekit, hang_up, worker):
    livekit.refusing = "LiveKit refused: no supported codec."
    tasks.want_recording.delay(call_id=call.pk)
    hang_up()
    worker()
    recording = only()
    assert (recording.state, recording.recorder, recording.object_key) == (
        "stored", "worker", BACKUP,
    )  # fmt: skip
    assert (recording.size, recording.starts_ms, recording.error) == (len(WHOLE), 1000, "")
    assert told() == [(1, "egress", "failed", ".ogg"), (2, "worker", "stored", "-worker.ogg")]
    assert "no supported codec" in RecordingPart.objects.get(n=2).note


def test_an_egress_which_never_began_leaves_the_call_to_the_worker(call, livekit, hang_up, worker):
    livekit.kill()
    with suppress(Retry):
        tasks.want_recording.delay(call_id=call.pk)
    hang_up()
    worker()
    assert (only().state, only().object_key) == ("stored", BACKUP)


def test_the_file_of_an_egress_which_came_late_is_replaced_and_kept(
    call, livekit, hang_up, worker, bucket
):
    livekit.began = NOW + timedelta(seconds=5)
    tasks.want_recording.delay(call_id=call.pk)
    hang_up()
    assert only().object_key == KEY
    worker()
    assert (only().object_key, only().recorder) == (BACKUP, "worker")
    assert set(bucket.objects) == {KEY, BACKUP}
    assert "began 4.0 s after the answer" in RecordingPart.objects.get(source="worker").note


def test_the_pieces_of_an_egress_which_died_in_the_call_are_replaced_by_one_file(
    recording, livekit, hang_up, worker
):
    livekit.began = NOW + timedelta(seconds=14)
    livekit.interrupt(recording.egress_id)
    RecordingPart.objects.update(ended_at=NOW + timedelta(seconds=11))
    hang_up(after_s=22)
    worker()
    assert only().object_key.endswith("-worker.ogg")
    assert (only().state, only().duration_ms) == ("stored", 9000)
    told = RecordingPart.objects.get(source="worker").note
    assert told == "Taken because egress recorded in 2 pieces, without 3.0 s between them."


def test_an_egress_service_which_died_in_the_call_leaves_it_to_the_worker(
    recording, livekit, hang_up, worker
):
    livekit.service_runs = False
    with suppress(Retry):
        livekit.interrupt(recording.egress_id)
    hang_up(after_s=40)
    worker()
    assert (only().state, only().object_key, only().duration_ms) == ("stored", BACKUP, 9000)
    assert "before the call" in RecordingPart.objects.get(source="worker").note


def test_a_killed_egress_leaves_the_call_to_the_worker_once_that_is_certain(
    recording, livekit, hang_up, worker, clock
):
    livekit.kill()
    hang_up()
    worker(status=503)
    clock.move(100)
    tasks.sweep.delay()
    worker()
    assert (only().state, only().object_key) == ("stored", BACKUP)


def test_a_recording_in_pieces_becomes_one_timeline_again(recording, hang_up, worker):
    egresses.pause_egress(recording.pk)
    egresses.resume_egress(recording.pk)
    hang_up()
    worker()
    assert only().object_key == BACKUP
    assert [(source, state) for _, source, state, _ in told()] == [
        ("egress", "stored"), ("egress", "stored"), ("worker", "stored"),
    ]  # fmt: skip


def test_a_backup_is_stored_once_however_often_it_is_brought(call, livekit, hang_up, worker):
    livekit.refusing = "LiveKit refused: no."
    tasks.want_recording.delay(call_id=call.pk)
    hang_up()
    worker()
    assert worker() == {"id": only().pk, "state": "stored"}
    assert len(told()) == 2


def test_a_backup_cut_on_its_way_leaves_egress_file_in_its_place(
    recording, livekit, hang_up, post, bucket
):
    hang_up(after_s=40)  # egress' file is of 8 s
    facts = {
        "room": ROOM, "journal": JOB, "sha256": "0" * 64, "size": 3000, "duration_ms": 1,
        "starts_ms": 0, "content_type": "audio/ogg",
    }  # fmt: skip
    assert post("recordings", json.dumps(facts)).status_code == 200
    bucket.objects[BACKUP] = b"cut"
    assert post(f"recordings/{recording.pk}/uploaded", "{}").status_code == 409
    assert (only().object_key, only().state) == (KEY, "stored")


# --- what egress left elsewhere -----------------------------------------------------------------


def test_what_egress_put_into_its_backup_storage_is_said_and_found_when_it_is_copied(
    recording, livekit, bucket, hang_up
):
    livekit.backup = {}
    bucket.exists = False
    hang_up()
    bucket.exists = True
    tasks.sweep.delay()
    assert only().state == "failed"
    assert "backup storage" in only().error
    assert KEY in only().error
    bucket.objects[KEY] = livekit.backup[KEY]
    tasks.recover_egress.delay()
    assert (only().state, only().size, only().error) == ("stored", len(SOUND), "")


def test_looking_for_lost_files_may_be_repeated_and_finds_nothing_where_nothing_is(
    recording, livekit, hang_up
):
    livekit.stop_egress = lambda *, egress_id: None
    hang_up()
    livekit.fail(recording.egress_id, "signal: killed")
    for _ in range(2):
        tasks.recover_egress.delay()
    assert (only().state, only().error) == ("failed", "Egress failed: signal: killed")


def test_a_codec_which_is_missing_ends_the_service_and_the_next_call_waits_for_it(
    recording, livekit
):
    """What a profile cannot ask for is asked for here: the fake holds to what was measured."""
    from telephony.live import EgressWish

    egress_id = livekit.start_egress(EgressWish(room=ROOM, object_key="x.mp4", format="mp4"))
    assert livekit.egresses[egress_id].error == "could not create element: faac"
    with pytest.raises(GatewayUnavailable):
        livekit.start_egress(EgressWish(room=ROOM, object_key="y.ogg"))


# --- the call page ------------------------------------------------------------------------------


def test_the_call_page_says_which_part_came_from_where(
    call, livekit, hang_up, worker, admin_client, bucket
):
    livekit.began = NOW + timedelta(seconds=5)
    tasks.want_recording.delay(call_id=call.pk)
    hang_up()
    worker()
    page = admin_client.get(f"/admin/telephony/call/{call.pk}/change/").content.decode()
    assert "Where it came from" in page
    assert "LiveKit egress" in page
    assert "began 4.0 s after the answer" in page
    pk = only().pk
    assert f'href="/recordings/play/{pk}/1"' in page
    assert f'href="/recordings/play/{pk}/2"' not in page  # that is the one above
    heard = admin_client.get(f"/recordings/play/{pk}/1")
    assert heard.status_code == 302
    assert bucket.request("GET", heard["Location"]).body == SOUND
    assert admin_client.get(f"/recordings/play/{pk}/3").status_code == 404


def test_a_part_is_heard_by_those_only_who_may_hear_recordings(
    recording, hang_up, client, django_user_model
):
    hang_up()
    client.force_login(django_user_model.objects.create_user("eve", is_staff=True))
    assert client.get(f"/recordings/play/{recording.pk}/1").status_code == 403


def test_a_plain_recording_has_no_list_of_parts(recording, hang_up, admin_client):
    hang_up()
    page = admin_client.get(f"/admin/telephony/call/{recording.call_id}/change/")
    assert "Where it came from" not in page.content.decode()
