"""Recording by LiveKit's egress: started once, believed only as far as the store has the file."""

from contextlib import suppress
from datetime import timedelta

import pytest
from celery.exceptions import Retry

from recordings import tasks
from recordings.journal import take_entries
from recordings.models import Recording, RecordingPart, Transcript
from telephony import services as telephony
from telephony import wiring as telephony_wiring
from telephony.errors import GatewayUnavailable
from telephony.lifecycle import CallState
from telephony.models import Call
from tests import hooks
from tests.factories import NOW, make_call, make_plan, make_project
from tests.fakes.egress import SOUND, EgressGateway, body_of
from tests.recordings.conftest import ROOM, opened, story

pytestmark = [pytest.mark.db, pytest.mark.django_db, pytest.mark.usefixtures("tasks_at_once")]

KEY = f"shop/2026/11/21/{ROOM}.ogg"


@pytest.fixture
def post_hook(client, django_capture_on_commit_callbacks):
    def post_hook(body: bytes) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            assert hooks.post(client, body).status_code == 204

    return post_hook


@pytest.fixture
def livekit(monkeypatch, bucket, clock, post_hook) -> EgressGateway:
    """A call rings."""
    fake = EgressGateway(bucket, post_hook=post_hook, now=NOW + timedelta(seconds=2))
    fake.ring(ROOM, at=NOW)
    monkeypatch.setattr(telephony_wiring, "gateway", lambda: fake)
    return fake


@pytest.fixture
def call() -> Call:
    plan = make_plan(make_project(recorder="egress"))
    return make_call(room=ROOM, project=plan.project, plan_digest=plan.digest)


@pytest.fixture
def want(call, livekit):
    def want() -> Recording:
        with suppress(Retry):  # which Celery would do later
            tasks.want_recording.delay(call_id=call.pk)
        return only()

    return want


@pytest.fixture
def hang_up(django_capture_on_commit_callbacks):
    def hang_up(*, answered: bool = True) -> None:
        with django_capture_on_commit_callbacks(execute=True):
            if answered:
                telephony.move_call(room=ROOM, to=CallState.TALKING, at=NOW)
            telephony.move_call(room=ROOM, to=CallState.ENDED, at=NOW + timedelta(seconds=5))

    return hang_up


def only() -> Recording:
    return Recording.objects.get()


def test_a_call_is_recorded_from_its_first_ring_until_it_is_over(want, hang_up, livekit, bucket):
    recording = want()
    assert (recording.state, recording.object_key) == ("running", KEY)
    hang_up()
    recording = only()
    assert livekit.stops == [recording.egress_id]
    assert (recording.state, recording.size, recording.duration_ms) == ("stored", 1000, 8140)
    assert bucket.objects == {KEY: SOUND}
    assert recording.stored_at


def test_however_often_it_is_wanted_it_is_started_once(want, livekit):
    recording = want()
    want()
    tasks.start_recording.delay(recording_id=recording.pk)
    tasks.sweep.delay()
    assert livekit.starts == 1


def test_where_the_sound_begins_is_told_on_the_journals_clock(want, hang_up, livekit, call):
    want()
    take_entries(journal="AJ_1", room=ROOM, entries=story(opened()), now=NOW)
    hang_up()
    assert only().starts_ms == 2000


def test_an_answer_lost_on_the_way_back_starts_no_second_egress(want, livekit):
    livekit.loses_answers = True
    assert (want().state, only().error) == ("wanted", "LiveKit cannot be reached.")
    tasks.start_recording.delay(recording_id=only().pk)
    assert (only().state, only().error) == ("running", "")
    assert livekit.starts == 1


def test_who_died_while_it_asked_is_followed_by_another(want, livekit, clock):
    """LiveKit was not asked yet: nobody knows, until the claim is old."""
    livekit.kill()
    want()
    Recording.objects.update(state="starting", egress_id="", claimed_at=clock.now)
    livekit.service_runs = True
    tasks.sweep.delay()
    assert only().state == "starting"
    clock.move(61)
    tasks.sweep.delay()
    assert (only().state, livekit.starts) == ("running", 1)
    assert RecordingPart.objects.count() == 1


def test_who_died_after_it_asked_has_its_egress_found_by_its_object(want, livekit, clock):
    recording = want()
    Recording.objects.update(state="starting", egress_id="")
    RecordingPart.objects.update(state="starting", egress_id="")
    tasks.sweep.delay()
    assert (only().state, only().egress_id) == ("running", recording.egress_id)
    assert livekit.starts == 1


def test_an_egress_service_which_comes_late_records_the_rest_of_the_call(want, livekit):
    livekit.kill()
    assert want().state == "wanted"
    livekit.service_runs = True
    tasks.sweep.delay()
    assert (only().state, only().attempts) == ("running", 2)


def test_a_call_over_before_any_egress_began_says_so(want, hang_up, livekit, clock):
    livekit.kill()
    want()
    hang_up()
    tasks.sweep.delay()
    assert only().state == "wanted"
    clock.move(100)
    tasks.sweep.delay()
    assert only().state == "failed"
    assert only().error.startswith("Egress was never started. Check that an egress service runs.")
    assert "no response from servers" in only().error


def test_a_refused_start_is_final_and_told_in_livekits_words(want, livekit):
    livekit.refusing = "LiveKit refused: no supported codec."
    assert (want().state, only().error) == ("failed", "LiveKit refused: no supported codec.")


def test_a_room_that_is_gone_is_not_recorded(want, livekit):
    livekit.delete_room(room=ROOM)
    recording = want()
    assert recording.state == "failed"
    assert "does not exist" in recording.error


def test_a_call_nobody_answered_needs_no_recording(want, hang_up, livekit, clock):
    livekit.kill()
    want()
    hang_up(answered=False)
    clock.move(90)  # a journal which tells of an answer would have come by now
    tasks.sweep.delay()
    assert only().state == "skipped"


# --- endings ------------------------------------------------------------------------------------


def test_started_has_no_status_and_ends_nothing(want, livekit, post_hook):
    recording = want()
    body = body_of("egress_started", livekit.egresses[recording.egress_id], status="starting")
    assert b"status" not in body
    post_hook(body)
    assert only().state == "running"


def test_hooks_late_repeated_and_out_of_order_change_nothing(want, hang_up, livekit, post_hook):
    recording = want()
    hang_up()
    stored_at = only().stored_at
    for status in ("complete", "ending", "active", "starting", "failed"):
        egress = livekit.egresses[recording.egress_id]
        for again in range(2):
            post_hook(body_of("egress_updated", egress, status=status, event_id=f"{status}{again}"))
    assert (only().state, only().stored_at) == ("stored", stored_at)


def test_a_hook_cannot_claim_an_end_livekit_does_not_know_of(want, livekit, post_hook):
    recording = want()
    post_hook(body_of("egress_ended", livekit.egresses[recording.egress_id], status="complete"))
    assert only().state == "running"


def test_a_lost_hook_is_asked_for(want, livekit):
    recording = want()
    livekit.complete(recording.egress_id, hook=False)
    assert only().state == "running"
    tasks.sweep.delay()
    assert only().state == "stored"


def test_an_end_before_the_id_was_noted_finds_its_recording(want, livekit):
    recording = want()
    Recording.objects.update(state="starting", egress_id="")
    RecordingPart.objects.update(state="starting", egress_id="")
    livekit.complete(recording.egress_id)
    assert (only().state, only().egress_id) == ("stored", recording.egress_id)


def test_complete_with_another_length_in_the_store_is_not_stored(want, livekit):
    recording = want()
    livekit.complete(recording.egress_id, body=SOUND[:10])
    assert only().state == "failed"
    assert "10 bytes in the store, 1000 were" in only().error


def test_complete_without_an_object_is_not_stored(want, livekit, bucket):
    recording = want()
    livekit.complete(recording.egress_id, hook=False)
    bucket.objects.clear()
    tasks.sweep.delay()
    assert only().state == "failed"
    assert "not in the bucket" in only().error


def test_failed_may_have_a_file_so_we_look_before_it_is_lost(want, hang_up, livekit):
    recording = want()
    livekit.stop_egress = lambda *, egress_id: None
    hang_up()
    livekit.interrupt(recording.egress_id)
    assert (only().state, only().size) == ("stored", 500)


def test_failed_before_it_ran_is_failed_with_egress_own_words(want, livekit):
    livekit.stuck = True
    recording = want()
    livekit.fail(recording.egress_id, "could not create element: faac")
    assert (only().state, only().error) == (
        "failed", "Egress failed: could not create element: faac",
    )  # fmt: skip


def test_a_missing_bucket_waits_for_a_person(want, livekit, bucket):
    recording = want()
    livekit.complete(recording.egress_id, hook=False)
    bucket.exists = False
    tasks.sweep.delay()
    assert only().state == "uploading"
    assert "makebucket" in only().error
    bucket.exists = True
    tasks.sweep.delay()
    assert (only().state, only().error) == ("stored", "")


def test_a_store_that_is_away_is_asked_again_until_it_answers(want, livekit, bucket):
    recording = want()
    bucket.away = True
    livekit.complete(recording.egress_id)
    assert only().state == "uploading"
    tasks.sweep.delay()
    assert only().state == "uploading"
    bucket.away = False
    tasks.sweep.delay()
    assert (only().state, only().error) == ("stored", "")


@pytest.mark.parametrize(("left", "state"), [(b"", "failed"), (SOUND, "stored")])
def test_a_killed_service_says_nothing_so_we_end_it_ourselves(
    want, hang_up, livekit, bucket, clock, left, state
):
    want()
    livekit.kill()
    hang_up()
    if left:
        bucket.objects[KEY] = left
    tasks.sweep.delay()
    assert only().state == "running"
    clock.move(100)
    tasks.sweep.delay()
    assert only().state == state
    assert ("killed" in only().error) == (state == "failed")


@pytest.mark.parametrize("hook", [True, False])
def test_a_service_killed_in_a_call_is_missed_and_followed_by_another(want, hang_up, livekit, hook):
    """By the hook of its leaving, or by the sweep if that got lost."""
    first = want().egress_id
    livekit.kill()
    livekit.service_runs = True  # started again, and knows nothing of the first
    tasks.sweep.delay()
    assert only().egress_id == first
    livekit.miss(hook=hook)
    if not hook:
        assert only().egress_id == first
        tasks.sweep.delay()
    second = only().egress_id
    assert second not in {"", first}
    tasks.sweep.delay()
    assert (only().state, livekit.starts) == ("running", 2)
    notes = dict(RecordingPart.objects.values_list("egress_id", "note"))
    assert "was killed while it recorded" in notes[first]
    assert notes[second] == ""
    hang_up()
    tasks.sweep.delay()
    assert only().state == "stored"


def test_an_egress_whose_listing_redis_lost_is_alive(want, livekit):
    want()
    livekit.forgetful.add(ROOM)
    tasks.sweep.delay()
    assert (only().state, livekit.starts) == ("running", 1)


def test_nobody_is_missed_while_livekit_is_away(want, livekit, monkeypatch):
    def away(**_):
        raise GatewayUnavailable("LiveKit cannot be reached.")

    want()
    livekit.miss(hook=False)
    monkeypatch.setattr(livekit, "list_participants", away)
    tasks.sweep.delay()
    assert (only().state, livekit.starts) == ("running", 1)


@pytest.mark.parametrize("died", ["kill_handler", "interrupt"])
def test_an_egress_which_dies_in_a_call_is_followed_by_another(want, hang_up, livekit, died):
    """Told by a hook, in the moment it comes."""
    first = want().egress_id
    getattr(livekit, died)(first)
    second = only().egress_id
    assert second not in {"", first}
    assert livekit.starts == 2
    tasks.sweep.delay()
    assert only().state == "running"
    hang_up()
    assert (only().state, only().egress_id, only().size) == ("stored", second, len(SOUND))
    parts = list(RecordingPart.objects.order_by("n").values_list("egress_id", "state", "note"))
    assert [part[0] for part in parts] == [first, second]
    assert parts[0][1] == {"kill_handler": "failed", "interrupt": "stored"}[died]
    assert parts[0][2]
    assert parts[1][1:] == ("stored", "")


def test_the_lost_hook_of_an_egress_which_died_is_asked_for(want, livekit):
    first = want().egress_id
    livekit._end(livekit.egresses[first], "failed", hook=False, error="signal: killed")
    tasks.sweep.delay()
    assert livekit.starts == 2
    assert only().egress_id != first


def test_an_egress_service_which_is_away_then_is_asked_until_it_is_back(want, livekit):
    first = want().egress_id
    livekit.service_runs = False
    with suppress(Retry):
        livekit.kill_handler(first)
    assert only().state == "wanted"
    livekit.service_runs = True
    tasks.sweep.delay()
    assert (only().state, livekit.starts) == ("running", 2)


def test_an_egress_which_dies_when_the_call_is_over_is_not_followed(want, hang_up, livekit):
    first = want().egress_id
    livekit.stuck = True
    livekit.stop_egress = lambda *, egress_id: None
    hang_up()
    livekit.kill_handler(first)
    assert (only().state, livekit.starts) == ("failed", 1)


def test_an_egress_which_dies_again_and_again_is_given_up(want, livekit):
    want()
    for _ in range(30):
        if egress_id := only().egress_id:
            livekit.kill_handler(egress_id)
        tasks.sweep.delay()
    assert only().state == "failed"
    assert livekit.starts == RecordingPart.objects.count() == 12


def test_livekit_away_does_not_stop_the_rest_of_the_sweep(want, hang_up, livekit, clock, bucket):
    want()
    hang_up()
    Recording.objects.update(state="running")
    livekit.away = True
    clock.move(100)
    tasks.sweep.delay()
    assert Transcript.objects.exists()
