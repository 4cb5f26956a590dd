"""Transcripts and recordings over the API, and the webhooks which tell that they are there."""

import hashlib
import json

import pytest

from recordings import services
from recordings.models import Recording, Transcript
from recordings.transcripts import build_transcript
from telephony import subscribing
from telephony.models import Call, OutgoingEvent, Subscription
from tests.factories import NOW, make_call, make_plan
from tests.recordings.conftest import A_CALL, JOB, ROOM, opened, story
from tests.telephony.api_client import Api, make_key

pytestmark = [pytest.mark.db, pytest.mark.django_db]

SOUND = b"OggS and more"
FACTS = {
    "sha256": hashlib.sha256(SOUND).hexdigest(), "size": len(SOUND), "duration_ms": 9000,
    "starts_ms": 0, "content_type": "audio/ogg",
}  # fmt: skip


@pytest.fixture
def api() -> Api:
    return Api(make_key())


@pytest.fixture
def told():
    """What subscribers of everything are told."""
    hook = Subscription(
        name="All", url="https://example.com/h", created_at=NOW,
        events=["call.recording_stored", "call.transcript_ready"],
    )  # fmt: skip
    subscribing.give_secret(hook, now=NOW)
    hook.save()
    return lambda: [json.loads(e.body) for e in OutgoingEvent.objects.order_by("pk")]


def journaled(*more) -> Call:
    from recordings.journal import take_entries

    plan = make_plan()
    entries = story(opened(plan=plan.digest), *A_CALL[1:-1], *more, A_CALL[-1])
    take_entries(journal=JOB, room=ROOM, entries=entries, now=NOW)
    return Call.objects.get()


def store(call: Call, bucket) -> Recording:
    recording, link = services.offer_upload(call_id=call.pk, facts=FACTS, bucket=bucket, now=NOW)
    assert link
    assert bucket.request("PUT", link.url, body=SOUND, headers=link.headers).status == 200
    return services.close_recording(recording_id=recording.pk, bucket=bucket, now=NOW)


def test_a_transcript_is_read(api, livekit):
    call = journaled()
    path = f"/calls/{call.pk}/transcript"
    before = api("GET", path).json()
    assert (before["is_complete"], before["built_at"]) == (False, None)
    build_transcript(call_id=call.pk, now=NOW)
    after = api("GET", path).json()
    assert (after["is_complete"], after["language"]) == (True, "en")
    assert before["segments"] == after["segments"]
    assert [(s["who"], s["text"]) for s in after["segments"]][1:] == [
        ("caller", "When are you open?"), ("agent", "From nine to six."),
    ]  # fmt: skip


def test_a_recording_has_a_link_once_it_is_stored(api, livekit, bucket, caplog):
    caplog.set_level("INFO")
    call = journaled()
    path = f"/calls/{call.pk}/recording"
    services.want_recording(call_id=call.pk, now=NOW)
    assert api("GET", path).json()["url"] == ""
    store(call, bucket)
    answer = api("GET", path).json()
    assert (answer["state"], answer["size"], answer["sha256"]) == (
        "stored", len(SOUND), FACTS["sha256"],
    )  # fmt: skip
    assert Recording.objects.get().object_key in answer["url"]
    assert [r.message for r in caplog.records].count("recording opened") == 1
    unrecorded = make_call(room="call_2")
    assert api("GET", f"/calls/{unrecorded.pk}/recording").status_code == 404


def test_that_it_is_stored_is_told_once(told, livekit, bucket):
    call = journaled()
    recording = store(call, bucket)
    services.close_recording(recording_id=recording.pk, bucket=bucket, now=NOW)
    (event,) = told()
    assert event["type"] == "call.recording_stored"
    assert event["data"]["call"]["id"] == call.pk
    assert event["data"]["recording"]["sha256"] == FACTS["sha256"]
    assert "http" not in json.dumps(event)


def test_a_transcript_is_told_when_it_says_something_new(told, livekit):
    call = journaled()
    for _ in range(3):
        build_transcript(call_id=call.pk, now=NOW)
    Transcript.objects.update(segments=[])  # as if entries had come late
    build_transcript(call_id=call.pk, now=NOW)
    assert [e["type"] for e in told()] == ["call.transcript_ready"] * 2
    assert [e["data"]["sequence"] for e in told()] == [1, 2]
    assert told()[0]["data"]["transcript"] == {"language": "en", "segments": 3}
    assert "nine to six" not in json.dumps(told())
