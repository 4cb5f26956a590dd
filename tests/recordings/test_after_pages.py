"""What was found out about a call: on its page, over the API, from workers, and its settings."""

import json

import pytest
from django.urls import reverse

from recordings import tasks
from recordings.models import (
    AfterCall,
    AfterStep,
    Analysis,
    CallInsight,
    TranscriptVersion,
)
from recordings.transcripts import segments_of
from tests.factories import make_account, make_call, make_project
from tests.recordings.after_cases import HOSTILE, TALK, a_call, run, states, wanting
from tests.recordings.conftest import turn
from tests.recordings.test_after import GOOD, answer, talking  # noqa: F401 a fixture
from tests.recordings.test_api import store
from tests.recordings.test_call_page import staff
from tests.telephony.api_client import Api, make_key

pytestmark = [
    pytest.mark.db, pytest.mark.django_db, pytest.mark.usefixtures("livekit", "bucket"),
]  # fmt: skip


def page(client, call) -> str:
    return client.get(reverse("admin:telephony_call_change", args=[call.pk])).content.decode()


# --- the call page --------------------------------------------------------------------------------


def test_the_page_shows_each_value_and_who_found_it(talking, admin_client):  # noqa: F811
    call = a_call(*TALK, project=talking)
    run(call)
    assert "Ask the models: a worker is asked." in page(admin_client, call)
    answer(call)
    run(call)
    shown = page(admin_client, call)
    for words in (
        "Asked what a repair costs.", "Price", "Positive (+0.80)", "86 of 100", "Resolved",
        "Send the invoice.", "4711", "ann@example.com", "by OpenAI or compatible gpt-4.1-mini",
        "by rules, turn 4",
    ):  # fmt: skip
        assert words in shown, words


@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_words_are_shown_as_words(words, admin_client, talking):  # noqa: F811
    call = a_call(turn("caller", f"What is {words}?", 2000), *TALK[2:], project=talking)
    run(call)
    answer(call, GOOD | {"summary": words, "followups": [words] if words else []})
    run(call)
    shown = page(admin_client, call)
    assert "<script>alert" not in shown
    assert "<img src=x" not in shown


def test_a_step_which_failed_says_why(admin_client):
    call = a_call(*TALK)
    run(call)
    AfterStep.objects.filter(name="ask").update(state="failed", error="No worker took it.")
    assert "Ask the models: No worker took it." in page(admin_client, call)


def test_a_call_which_is_on_shows_nothing_of_it(admin_client):
    assert "What it was about" not in page(admin_client, make_call())


def test_all_is_found_out_again_by_whoever_may(client, django_capture_on_commit_callbacks):
    call = a_call(*TALK)
    run(call)
    url = reverse("recordings:after-again", args=[call.pk])
    client.force_login(staff("telephony.view_call"))
    assert client.post(url).status_code == 403
    assert "Find out again" not in page(client, call)
    client.force_login(staff("telephony.view_call", "recordings.change_callinsight", name="bob"))
    assert "Find out again" in page(client, call)
    assert client.get(url).status_code == 405
    assert client.post(url).status_code == 302
    assert set(states(call).values()) == {"wanted"}


# --- the API --------------------------------------------------------------------------------------


def test_the_api_tells_the_values_with_their_types():
    project = make_project()
    wanting(project)
    call = a_call(*TALK, project=project)
    api = Api(make_key())
    assert api("GET", f"/calls/{call.pk}/insight").status_code == 404
    run(call)
    told = api("GET", f"/calls/{call.pk}/insight").json()
    assert (told["is_complete"], told["disposition"], told["quality"]) == (True, "Price", 100)
    assert told["by"]["summary"] == "rules"
    mail, order = told["fields"]
    assert (mail["name"], mail["text"]) == ("mail", "ann@example.com")
    assert float(order["number"]) == 4711
    assert told["criteria"][2]["score"] is None


def test_a_key_without_the_scope_reads_nothing():
    call = a_call(*TALK)
    run(call)
    api = Api(make_key("calls:read"))
    assert api("GET", f"/calls/{call.pk}/insight").status_code == 403


# --- turns of a transcript ------------------------------------------------------------------------


def test_turns_know_their_confidence_and_their_provider():
    used = {"role": "stt", "provider": "deepgram-stt", "model": "nova-3"}
    left = {"role": "llm", "provider": "faq", "from": "faq", "to": "openai-llm"}
    call = a_call(
        TALK[0], ("usage", used), turn("caller", "One?", 3000, confidence=0.93),
        turn("agent", "Two.", 4000, via="answer"), ("switch", left),
        turn("caller", "Three?", 5000, confidence="high"),
        turn("agent", "Four.", 6000, via="answer"),
    )  # fmt: skip
    found = segments_of(call)
    assert [one["provider"] for one in found] == [
        "flite", "deepgram-stt", "faq", "deepgram-stt", "openai-llm",
    ]  # fmt: skip
    assert [one["confidence"] for one in found] == [None, 0.93, None, None, None]
    assert found[2]["providers"] == {"llm": "faq", "tts": "flite"}


# --- what workers ask -----------------------------------------------------------------------------


def test_a_worker_takes_and_tells_over_http(talking, post, tasks_at_once):  # noqa: F811
    call = a_call(*TALK, project=talking)
    tasks.sweep_after()
    assert post("analyses", "{}", token="wrong").status_code == 401
    (wish,) = post("analyses", "{}").json()["analyses"]
    assert wish["stages"][0]["sealed_key"]
    assert post("analyses", "{}").json() == {"analyses": []}
    assert post(f"analyses/{wish['id']}/back", "{}").json() == {"given_back": True}
    (wish,) = post("analyses", "{}").json()["analyses"]
    told = {"ok": True, "text": json.dumps(GOOD), "provider": "openai-llm", "usage": {}}
    assert post(f"analyses/{wish['id']}", json.dumps(told)).status_code == 200
    assert post(f"analyses/{wish['id']}", json.dumps(told)).status_code == 409
    assert post("analyses/4711", json.dumps(told)).status_code == 404
    assert CallInsight.objects.get(call=call).summary == GOOD["summary"]
    assert states(call)["tell"] == "done"


@pytest.mark.parametrize(
    "body",
    [
        "", "[]", "{}", '{"ok": "yes"}', '{"ok": true, "text": 3}', '{"ok": true, "turns": [1]}',
        '{"ok": true, "usage": []}', '{"ok": true, "text": NaN}',
    ],
)  # fmt: skip
def test_what_is_no_outcome_is_refused(body, talking, post):  # noqa: F811
    call = a_call(*TALK, project=talking)
    run(call)
    (wish,) = post("analyses", "{}").json()["analyses"]
    assert post(f"analyses/{wish['id']}", body).status_code == 400
    assert Analysis.objects.get().state == "running"


def test_usage_nobody_can_mean_costs_nothing(talking, post):  # noqa: F811
    call = a_call(*TALK, project=talking)
    run(call)
    (wish,) = post("analyses", "{}").json()["analyses"]
    told = {
        "ok": True, "text": json.dumps(GOOD), "provider": "deepgram-stt",
        "usage": {"input_tokens": -5, "output_tokens": True, "evil": 9},
    }  # fmt: skip
    post(f"analyses/{wish['id']}", json.dumps(told))
    assert Analysis.objects.get().usage == []


# --- transcribed again ----------------------------------------------------------------------------


@pytest.fixture
def retold(bucket):
    project = make_project()
    account = make_account("whisper", base_url="http://127.0.0.1:9000/v1")
    wanting(project, retranscribe_with=account)
    call = a_call(*TALK, project=project)
    store(call, bucket)
    return call


def test_a_recording_is_transcribed_again_and_the_first_transcript_kept(retold, post):
    assert run(retold)["retranscribe"] == "asked"
    (wish,) = post("analyses", "{}").json()["analyses"]
    assert (wish["kind"], wish["stages"][0]["provider"]) == ("retell", "whisper")
    assert "Signature" in wish["url"]
    turns = [
        {"who": "caller", "text": "I complain about 4711", "start_ms": 900, "end_ms": 2000,
         "confidence": 0.8},
        {"who": "mixed", "text": "Hello <b>", "start_ms": 1800, "end_ms": 2600},
        {"who": "caller", "text": "", "start_ms": True, "end_ms": -4},
    ]  # fmt: skip
    told = {"ok": True, "turns": turns, "provider": "whisper", "usage": {"audio_ms": 2000}}
    assert post(f"analyses/{wish['id']}", json.dumps(told)).status_code == 200
    run(retold)
    version = TranscriptVersion.objects.get(call=retold, kind="retold")
    assert [(one["who"], one["text"]) for one in version.segments] == [
        ("caller", "I complain about 4711"), ("agent", "Hello <b>"),
    ]  # fmt: skip
    assert version.segments[0]["confidence"] == 0.8
    assert "repair" in retold.transcript.text
    insight = CallInsight.objects.get()
    assert "complain" in insight.summary
    assert Analysis.objects.get().usage[0]["audio_ms"] == 2000


@pytest.mark.parametrize("missing", ["recording", "fit"])
def test_what_cannot_be_transcribed_again_is_left_out_in_words(missing, retold):
    if missing == "recording":
        retold.recording.delete()
    else:
        retold.project.after_call.retranscribe_with = make_account("sphinx")
        retold.project.after_call.save()
    found = run(retold)
    assert (found["retranscribe"], found["tell"]) == ("skipped", "done")
    assert AfterStep.objects.get(name="retranscribe").error


def test_a_recording_which_is_on_its_way_is_waited_for(retold):
    retold.recording.state = "uploading"
    retold.recording.save()
    assert run(retold)["retranscribe"] == "wanted"
    assert "not in the store yet" in AfterStep.objects.get(name="retranscribe").error


# --- settings -------------------------------------------------------------------------------------


def filled(project, **changes) -> dict:
    inlines = ("dispositions", "fields", "criteria")
    form = {f"{name}-{part}_FORMS": 0 for name in inlines for part in ("TOTAL", "INITIAL")}
    values = {"project": project.pk, "steps": ["summary", "fields"], "engine": "rules"}
    return form | values | {"retranscribe_with": ""} | changes


def a_field(**changes) -> dict:
    values = {
        "name": "order_no", "type": "text", "position": 0, "description": "", "choices": "",
        "words": "", "pattern": "",
    } | changes  # fmt: skip
    return {"fields-TOTAL_FORMS": 1} | {f"fields-0-{name}": v for name, v in values.items()}


def test_settings_are_made_on_a_page_and_counted(admin_client):
    project = make_project()
    url = reverse("admin:recordings_aftercall_add")
    assert "What is found out" in admin_client.get(url).content.decode()
    pattern = a_field(pattern=r"\d{4}")
    assert admin_client.post(url, filled(project, **pattern)).status_code == 302
    made = AfterCall.objects.get()
    assert (made.steps, made.version, made.fields.get().pattern) == (
        ["summary", "fields"], 1, r"\d{4}",
    )  # fmt: skip
    change = reverse("admin:recordings_aftercall_change", args=[made.pk])
    more = {
        "fields-INITIAL_FORMS": 1,
        "fields-0-id": made.fields.get().pk,
        "fields-0-after": made.pk,
    }
    admin_client.post(change, filled(project, **pattern) | more)
    assert AfterCall.objects.get().version == 1  # nothing changed
    admin_client.post(change, filled(project, **pattern, engine="chain") | more)
    assert AfterCall.objects.get().version == 2


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (a_field(pattern="(a+)+"), "can take for ever"),
        (a_field(pattern="("), "no regular expression"),
        (a_field(type="choice"), "what there is to choose from"),
        (a_field(name="Order No"), "short name"),
    ],
)
def test_settings_which_cannot_work_are_refused_in_words(wrong, words, admin_client):
    url = reverse("admin:recordings_aftercall_add")
    shown = admin_client.post(url, filled(make_project(), **wrong)).content.decode()
    assert words in shown
    assert not AfterCall.objects.exists()


def test_an_empty_list_says_what_happens_without(admin_client):
    shown = admin_client.get(reverse("admin:recordings_aftercall_changelist")).content.decode()
    assert "Calls are understood by rules" in shown
