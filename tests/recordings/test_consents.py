"""Nobody is recorded before he agreed, and whoever refused is not recorded, provably."""

import json
from datetime import timedelta

import pytest

from agents.consent import Consent, wording_of
from agents.models import PublishedPlan
from agents.plan import CallPlan
from recordings import consents, egress, page, pauses, services, tasks
from recordings.journal import take_entries
from recordings.models import Recording
from recordings.reading import recording_words
from telephony import events
from telephony.errors import GatewayUnavailable
from telephony.models import Call
from tests.factories import NOW, make_call, make_plan, make_project
from tests.recordings.conftest import ANSWERED, JOB, ROOM, closed, opened, story

pytestmark = [pytest.mark.db, pytest.mark.django_db, pytest.mark.usefixtures("tasks_at_once")]

WORDS = "May we record you?"


@pytest.fixture
def call(livekit, bucket) -> Call:
    plan = make_plan(make_project(recorder="egress", consent="question", consent_words=WORDS))
    livekit.ring(ROOM)
    livekit.answer(ROOM)
    return make_call(room=ROOM, project=plan.project, plan_digest=plan.digest)


@pytest.fixture
def tell(call, django_capture_on_commit_callbacks):
    """The worker's journal, entry by entry."""
    told: list = []

    def tell(*entries) -> None:
        told.extend(entries)
        with django_capture_on_commit_callbacks(execute=True):
            take_entries(journal=JOB, room=ROOM, entries=story(*told), now=NOW)

    tell(opened(plan=call.plan_digest), ANSWERED)
    return tell


def consent(outcome: str, how: str = "key"):
    return "consent", {"outcome": outcome, "wording": wording_of(WORDS), "how": how}


def test_the_plan_holds_the_question_and_its_wording(call):
    plan = CallPlan.from_json(PublishedPlan.objects.get().body)
    assert plan.consent == Consent(
        mode="question", words=WORDS, refused="All right, this call is not recorded."
    )
    assert plan.consent.wording == wording_of(WORDS)
    assert wording_of(WORDS + "!") != wording_of(WORDS)


def test_no_egress_begins_before_the_caller_agreed(call, tell, livekit):
    tasks.want_recording.delay(call_id=call.pk)
    tasks.sweep.delay()
    assert not Recording.objects.exists()
    assert livekit.egresses == {}
    tell(consent("given"))
    assert Recording.objects.get().state == "starting"
    assert len(livekit.egresses) == 1


@pytest.mark.parametrize(("outcome", "why"), sorted(consents.WHY.items()))
def test_who_does_not_agree_is_never_recorded(call, tell, livekit, outcome, why):
    tell(consent(outcome))
    tasks.want_recording.delay(call_id=call.pk)
    tasks.sweep.delay()
    recording = Recording.objects.get()
    assert (recording.state, recording.error) == ("skipped", why)
    assert recording_words(recording, is_open=True) == f"There is no recording: {why}"
    assert livekit.egresses == {}
    tell(closed())
    recording.refresh_from_db()
    assert recording.state == "skipped"


def test_a_file_of_a_caller_who_refused_is_not_taken(call, tell, post, bucket):
    tell(consent("refused"), closed())
    facts = {
        "room": ROOM, "journal": JOB, "sha256": "0" * 64, "size": 9, "duration_ms": 1,
        "starts_ms": 0, "content_type": "audio/ogg",
    }  # fmt: skip
    answer = post("recordings", json.dumps(facts))
    assert answer.json()["state"] == "unwanted"
    assert "upload" not in answer.json()
    assert Recording.objects.get().state == "skipped"


def test_a_call_which_nobody_was_asked_in_says_only_that(call, tell):
    tell(closed())
    assert not Recording.objects.exists()


def test_what_an_egress_wrote_too_early_is_thrown_away(
    call, tell, bucket, django_capture_on_commit_callbacks
):
    """By the rule's plan, before the worker told of the number's own."""
    key = services.object_key(call)
    Recording.objects.create(
        call=call, recorder="egress", state="uploading", object_key=key, created_at=NOW
    )
    bucket.objects[key] = b"OggS"
    tell(consent("refused"))
    Recording.objects.update(state="stored", size=4, stored_at=NOW)
    with django_capture_on_commit_callbacks(execute=True):
        events.emit("recording_stored", payload={"call": call.pk})
    recording = Recording.objects.get()
    assert (recording.state, recording.error, recording.size) == (
        "skipped", consents.WHY["refused"], None,
    )  # fmt: skip
    assert bucket.objects == {}


def test_a_refusal_outlives_a_second_worker(call, tell):
    tell(consent("refused"))
    take_entries(
        journal="AJ_two", room=ROOM, now=NOW + timedelta(seconds=9),
        entries=story(opened(plan=call.plan_digest), consent("given")),
    )  # fmt: skip
    assert consents.is_refused(call.pk)
    assert Recording.objects.get().state == "skipped"


def test_the_page_tells_consent_and_pauses():
    told = [
        (0, *consent("given")),
        (10, "pause", {"what": "begin", "why": "card", "by": "pay"}),
        (20, "pause", {"what": "end", "why": "card", "by": "pay"}),
        (30, "pause", {"what": "begin", "why": "api", "by": "api: <crm>"}),
    ]
    lines = page.timeline([], told, starts_ms=0, audible=False)
    assert [(line.who, line.text) for line in lines] == [
        ("Consent", f"The caller agreed to be recorded. By a key. Wording {wording_of(WORDS)}."),
        ("Recording", "The recording paused, while a card was entered; nothing was heard either."),
        ("Recording", "The recording went on."),
        ("Recording", "The recording paused, by another system (api: <crm>)."),
    ]


# --- the egress pauses ----------------------------------------------------------------------------


def asks(post, what="begin", room=ROOM):
    return post("recordings/pause", json.dumps({"room": room, "what": what}))


def test_a_worker_is_told_whether_the_egress_stands_still(call, tell, post, monkeypatch):
    tell(consent("given"))
    told: list = []

    def verb(name, says):
        def do(recording_id, **_):
            told.append((name, recording_id))
            if isinstance(says, Exception):
                raise says
            return says

        monkeypatch.setattr(egress, name, do)

    verb("pause_egress", True)
    verb("resume_egress", True)
    assert asks(post).json() == {"done": True}
    assert asks(post, "end").json() == {"done": True}
    pk = Recording.objects.get().pk
    assert told == [("pause_egress", pk), ("resume_egress", pk)]
    verb("pause_egress", False)
    assert asks(post).json() == {"done": False}
    verb("pause_egress", GatewayUnavailable("LiveKit cannot be reached."))
    assert asks(post).json() == {"done": False}


def test_what_no_egress_records_stands_still_already(call, tell, post, livekit):
    assert asks(post, room="call_unknown_1").json() == {"done": True}
    tell(consent("refused"))
    assert pauses.pause(room=ROOM, begin=True, now=NOW, recorder=livekit)


@pytest.mark.parametrize("body", ["{}", "[]", '{"room": "a b", "what": "begin"}', "x",
                                  json.dumps({"room": ROOM, "what": "stop"})])  # fmt: skip
def test_a_question_nobody_can_read_is_refused(post, livekit, body):
    assert post("recordings/pause", body).status_code == 400
    assert post("recordings/pause", body, token="no").status_code == 401
