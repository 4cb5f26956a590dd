"""The list of calls and the page of one, as a supervisor's browser gets them."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import escape

from agents.entries import END_REASONS
from recordings import wiring
from recordings.errors import ObjectWrong, StoreUnavailable
from recordings.lifecycle import RecordingState
from recordings.models import JournalEntry, Recording, Transcript
from recordings.storage import StoredObject
from telephony.models import Call
from tests.factories import make_call, make_plan

pytestmark = [pytest.mark.db, pytest.mark.django_db]

LONG_AGO = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
LIST = "/admin/telephony/call/"


class Shelf:
    """A store which has everything, or fails as told."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure

    def head(self, key: str) -> StoredObject:
        if self.failure:
            raise self.failure
        return StoredObject(size=1, sha256="")

    def play_link(self, key: str, *, content_type: str) -> str:
        return f"http://store.test/{key}?signed"


@pytest.fixture
def store(monkeypatch):
    shelf = Shelf()
    monkeypatch.setattr(wiring, "bucket", lambda: shelf)
    return shelf


def staff(*permissions: str, name: str = "ann") -> User:
    user = User.objects.create_user(name, is_staff=True)
    for permission in permissions:
        app, codename = permission.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app, codename=codename)
        )
    return user


@pytest.fixture
def reader(client):
    """A browser of somebody who may see and read calls, and nothing else."""
    client.force_login(staff("telephony.view_call", "recordings.view_transcript"))
    return client


def ended_call(**given: Any) -> Call:
    values: dict[str, Any] = {
        "state": "ended", "end_reason": "caller", "started_at": LONG_AGO,
        "answered_at": LONG_AGO + timedelta(seconds=1),
        "ended_at": LONG_AGO + timedelta(seconds=75), "caller": "+12025550111",
        "called": "+12025550100",
    } | given  # fmt: skip
    return make_call(**values)


def add_recording(call: Call, **values) -> Recording:
    values = {
        "recorder": "worker", "state": "stored", "object_key": f"shop/{call.room}.ogg", "size": 1,
        "starts_ms": 500, "duration_ms": 9000, "created_at": LONG_AGO, "stored_at": LONG_AGO,
    } | values  # fmt: skip
    return Recording.objects.create(call=call, **values)


def turn(who: str, text: str, start_ms: int, end_ms: int, **values) -> dict[str, Any]:
    return {
        "who": who, "text": text, "start_ms": start_ms, "end_ms": end_ms, "via": "speech",
        "interrupted": False, "latency": {},
    } | values  # fmt: skip


def add_transcript(call: Call, *segments: dict[str, Any]) -> Transcript:
    return Transcript.objects.create(call=call, segments=list(segments), built_at=LONG_AGO)


def add_entry(call: Call, n: int, kind: str, **data) -> None:
    JournalEntry.objects.create(
        call=call, journal="job", n=n, ms=n * 1000, at=LONG_AGO, kind=kind, data=data
    )


def page(client, call: Call) -> str:
    answer = client.get(reverse("admin:telephony_call_change", args=[call.pk]))
    assert answer.status_code == 200
    return str(answer.content.decode())


# --- who may --------------------------------------------------------------------------------------


def test_without_permission_neither_list_nor_page_nor_fragment_is_shown(client):
    call = ended_call()
    client.force_login(staff())
    for url in (LIST, f"{LIST}{call.pk}/change/", reverse("recordings:fragment", args=[call.pk])):
        assert client.get(url).status_code == 403


def test_a_stranger_is_sent_to_the_login(client):
    call = ended_call()
    for url in (
        reverse("recordings:fragment", args=[call.pk]),
        reverse("recordings:play", args=[add_recording(call).pk]),
    ):
        assert client.get(url).headers["Location"].startswith("/admin/login/")


def test_somebody_who_is_not_staff_hears_nothing_even_with_the_permission(client, store):
    user = staff("recordings.view_recording")
    User.objects.filter(pk=user.pk).update(is_staff=False)
    client.force_login(user)
    url = reverse("recordings:play", args=[add_recording(ended_call()).pk])
    assert client.get(url).status_code == 403


def test_who_may_read_calls_but_not_hear_them_gets_no_player(reader, store):
    call = ended_call()
    recording = add_recording(call)
    add_transcript(call, turn("caller", "Hello", 1000, 2000))
    html = page(reader, call)
    assert "<audio" not in html
    assert "Hello" in html
    assert reader.get(reverse("recordings:play", args=[recording.pk])).status_code == 403


def test_nobody_can_change_or_delete_a_call(admin_client):
    call = ended_call()
    assert admin_client.get(f"{LIST}add/").status_code == 403
    assert admin_client.post(f"{LIST}{call.pk}/delete/", {"post": "yes"}).status_code == 403
    assert admin_client.post(f"{LIST}{call.pk}/change/", {"caller": "x"}).status_code == 405
    assert Call.objects.get(pk=call.pk).caller == "+12025550111"


def test_an_unknown_call_leads_back_instead_of_failing(admin_client):
    assert admin_client.get(f"{LIST}4711/change/").status_code == 302


# --- playing --------------------------------------------------------------------------------------


def test_play_leads_to_the_stores_link_and_the_access_is_logged(client, store, caplog):
    user = staff("recordings.view_recording")
    client.force_login(user)
    recording = add_recording(ended_call())
    with caplog.at_level(logging.INFO, "recordings.views"):
        answer = client.get(reverse("recordings:play", args=[recording.pk]))
    assert answer.headers["Location"] == f"http://store.test/{recording.object_key}?signed"
    assert "no-store" in answer.headers["Cache-Control"]
    (record,) = (r for r in caplog.records if r.message == "recording opened")
    assert (record.user_id, record.recording_id) == (user.pk, recording.pk)


@pytest.mark.parametrize(
    ("failure", "status"),
    [(StoreUnavailable("The store sleeps."), 503), (ObjectWrong("It is not there."), 502)],
)
def test_a_store_which_cannot_deliver_is_explained(admin_client, store, failure, status):
    store.failure = failure
    answer = admin_client.get(reverse("recordings:play", args=[add_recording(ended_call()).pk]))
    assert answer.status_code == status
    assert str(failure) in answer.content.decode()


def test_a_recording_which_is_not_stored_cannot_be_played(admin_client, store):
    recording = add_recording(ended_call(), state="uploading", stored_at=None)
    answer = admin_client.get(reverse("recordings:play", args=[recording.pk]))
    assert answer.status_code == 404
    assert "on its way to the store" in answer.content.decode()


# --- what the page says ---------------------------------------------------------------------------


@pytest.mark.parametrize(("reason", "words"), END_REASONS.items())
def test_the_end_of_a_call_is_said_in_words(reader, reason, words):
    assert escape(words) in page(reader, ended_call(end_reason=reason))


@pytest.mark.parametrize(
    ("state", "error", "words"),
    [
        (RecordingState.WANTED, "", "nothing has arrived yet"),
        (RecordingState.UPLOADING, "", "on its way to the store"),
        (RecordingState.SKIPPED, "", "the call was never answered"),
        (RecordingState.FAILED, "The disk is full.", "The recording failed. The disk is full."),
    ],
)
def test_without_a_player_the_page_says_why(admin_client, state, error, words):
    call = ended_call()
    add_recording(call, state=state, error=error, stored_at=None)
    html = page(admin_client, call)
    assert words in html
    assert "<audio" not in html


def test_a_call_without_recording_says_so(reader):
    assert "This call was not recorded." in page(reader, ended_call())


def test_what_a_caller_said_is_text_and_never_markup(admin_client):
    call = ended_call(caller='"><img src=x onerror=1>')
    add_transcript(call, turn("caller", "<script>alert(1)</script>", 0, 900))
    add_entry(call, 1, "error", what="<b>stt</b>", detail="<i>x</i>")
    html = page(admin_client, call)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    for raw in ("<script>alert(1)", "<img src=x", "<b>stt", "<i>x"):
        assert raw not in html


def test_the_plan_leads_to_the_published_version_this_call_ran_on(admin_client):
    plan = make_plan()
    html = page(admin_client, ended_call(project=plan.project, plan_digest=plan.digest))
    assert f'href="/admin/agents/publishedplan/{plan.pk}/change/"' in html
    assert f"Version {plan.version}" in html
    assert f'href="/admin/agents/project/{plan.project.pk}/change/"' in html


def test_who_may_not_see_projects_reads_their_names_without_links(reader):
    plan = make_plan()
    html = page(reader, ended_call(project=plan.project, plan_digest=plan.digest))
    assert plan.project.name in html
    assert "/admin/agents/" not in html


def test_a_plan_which_is_gone_is_still_named(reader):
    assert "abcdef012345, no longer here" in page(
        reader, ended_call(plan_digest="abcdef0123456789")
    )


def test_a_line_knows_where_it_lies_in_the_recording(admin_client):
    call = ended_call()
    add_recording(call, starts_ms=500)
    add_transcript(call, turn("caller", "Hello", 2500, 3200))
    html = page(admin_client, call)
    assert 'data-seek="2000" data-until="2700"' in html


def test_a_line_before_the_first_sample_leads_to_the_beginning(admin_client):
    call = ended_call()
    add_recording(call, starts_ms=500)
    add_transcript(call, turn("agent", "Hello", 300, 1500, via="greeting"))
    assert 'data-seek="0" data-until="1000"' in page(admin_client, call)


def test_latency_is_shown_with_its_parts_and_summed_up(reader):
    call = ended_call()
    add_transcript(
        call,
        turn("caller", "When?", 0, 900, latency={"stt": 120, "end_of_turn": 500}),
        turn("agent", "Now.", 1600, 2000, latency={"total": 700, "llm": 30, "tts": 20}),
        turn("caller", "Why?", 3000, 3900),
        turn("agent", "So.", 4900, 5000, latency={"total": 1000}, interrupted=True),
    )
    html = page(reader, call)
    assert "speech to text 120 ms, waiting for the end 380 ms" in html
    assert "the rest 150 ms" in html
    assert 'call-good">700 ms' in html
    assert 'call-slow">1000 ms' in html
    assert 'call-good">850 ms' not in html
    assert 'call-slow">850 ms' in html  # the median
    assert "1 of 2" in html
    assert "interrupted" in html


def test_keys_tools_handover_and_errors_are_lines_in_the_order_of_time(reader):
    call = ended_call()
    add_transcript(
        call,
        turn("caller", "[1]", 500, 500, via="dtmf", digit="1"),
        turn("agent", "From nine to six.", 1500, 2500),
    )
    add_entry(call, 1, "handover")
    add_entry(call, 2, "tool", name="end_call", outcome="done")
    add_entry(call, 3, "error", what="tts", detail="APIStatusError (status 500)")
    html = page(reader, call).partition('data-part="talk"')[2]
    places = [
        html.index(words)
        for words in (
            "The caller pressed 1.",
            "The caller asked for a person.",
            "From nine to six.",
            "end_call: done",
            "tts: APIStatusError (status 500)",
        )
    ]
    assert places == sorted(places)


def test_a_call_in_which_nothing_was_said(reader):
    call = ended_call()
    add_transcript(call)
    assert "Nothing was said." in page(reader, call)


# --- while something is still to come -------------------------------------------------------------


def fragment(client, call: Call) -> str:
    return str(client.get(reverse("recordings:fragment", args=[call.pk])).content.decode())


def test_a_call_which_is_on_shows_what_was_said_so_far_and_asks_again(reader):
    call = make_call(state="talking", caller="+12025550111")
    add_entry(call, 1, "turn", who="agent", text="Hello, this is the shop.", start_ms=0, end_ms=9)
    html = fragment(reader, call)
    assert 'data-live="yes"' in html
    assert "Hello, this is the shop." in html
    assert "<html" not in html


@pytest.mark.parametrize(
    ("recording", "transcript", "live"),
    [("stored", True, "no"), ("failed", True, "no"), ("uploading", True, "yes"), ("", True, "no")],
)
def test_the_page_asks_again_until_recording_and_transcript_are_there(
    reader, recording, transcript, live
):
    call = ended_call()
    if recording:
        add_recording(call, state=recording)
    if transcript:
        add_transcript(call)
    assert f'data-live="{live}"' in fragment(reader, call)


def test_a_transcript_is_awaited_after_a_call_but_not_for_ever(reader):
    assert 'data-live="no"' in fragment(reader, ended_call())
    now = datetime.now(UTC)
    late = ended_call(room="call_2_abc", started_at=now - timedelta(minutes=1), ended_at=now)
    html = fragment(reader, late)
    assert 'data-live="yes"' in html
    assert "being put together" in html


# --- the list -------------------------------------------------------------------------------------


def test_the_list_takes_the_same_number_of_queries_for_any_number_of_calls(admin_client):
    plan = make_plan()

    def add(numbers: range) -> None:
        for n in numbers:
            call = ended_call(room=f"call_{n}", project=plan.project, plan_digest=plan.digest)
            if n % 2:
                add_recording(call)

    add(range(2))
    admin_client.get(LIST)  # content types are remembered from now on
    few = _queries(admin_client)
    add(range(2, 50))
    assert _queries(admin_client) == few <= 8


def _queries(client) -> int:
    with CaptureQueriesContext(connection) as seen:
        answer = client.get(LIST)
    assert answer.status_code == 200
    return len(seen)


def test_the_list_does_not_read_transcripts(admin_client):
    add_transcript(ended_call(), turn("caller", "A long story", 0, 1))
    with CaptureQueriesContext(connection) as seen:
        admin_client.get(LIST)
    assert not [query for query in seen if "segments" in query["sql"]]


@pytest.mark.parametrize("words", ["0111", "550100", "SCL_x1"])
def test_calls_are_found_by_their_numbers_and_leg(admin_client, words):
    ended_call(sip_call_id="SCL_x1")
    ended_call(room="call_2", caller="+4930999", called="+4930888")
    html = admin_client.get(LIST, {"q": words}).content.decode()
    assert "+1 202-555-0111" in html
    assert "+4930999" not in html


def test_calls_are_filtered_by_state(admin_client):
    ended_call()
    make_call(room="call_2", caller="+493012345678", state="talking")
    html = admin_client.get(LIST, {"state": "talking"}).content.decode()
    assert "+49 30 12345678" in html
    assert "202-555-0111" not in html


def test_an_empty_list_says_how_calls_come_in(admin_client):
    html = admin_client.get(LIST).content.decode()
    assert "No calls yet" in html


def test_the_list_says_state_reason_length_and_recording_in_words(admin_client):
    add_recording(ended_call())
    html = admin_client.get(LIST).content.decode()
    for words in ("The caller hung up.", "1:15", "Stored", "Ended", "2026-11-20 09:00:00"):
        assert words in html
