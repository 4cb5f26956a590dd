"""The page to search in conversations, and the same over the API."""

import re
from datetime import timedelta
from html import unescape
from itertools import count
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.urls import reverse

from agents.entries import END_REASONS
from recordings import search, spoken, spoken_index
from recordings.models import CallInsight, Recording, SpokenTurn
from telephony.models import Call
from tests.factories import NOW, make_call, make_project
from tests.telephony.api_client import Api, make_key

pytestmark = [pytest.mark.db, pytest.mark.django_db]

PAGE = "/admin/recordings/spokenturn/"
rooms = count(1)


def said(*texts: str, before: timedelta = timedelta(0), **values) -> Call:
    values = {"caller": "+12025550111", "called": "+12025550100"} | values
    call = make_call(room=f"page_{next(rooms)}", started_at=NOW - before, **values)
    segments = [
        {"who": ("caller", "agent")[n % 2], "text": text, "start_ms": 1000 + n * 4000}
        for n, text in enumerate(texts)
    ]
    spoken.write(call_id=call.pk, segments=segments)
    return call


def shown(client, **asked) -> str:
    answer = client.get(PAGE, asked)
    assert answer.status_code == 200
    return answer.content.decode()


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", "", html)).split())


def older(html: str) -> str:
    [href] = re.findall(r'rel="next" href="([^"]+)"', html)
    return unescape(href)


def test_what_was_found_is_marked_and_leads_to_its_line(admin_client):
    call = said("When are you open?", "We are open from nine to six.")
    Recording.objects.create(
        call=call, recorder="worker", object_key="k", created_at=NOW, starts_ms=1000
    )
    html = shown(admin_client, q="open nine")
    assert "We are <mark>open</mark> from <mark>nine</mark> to six." in html
    link = f"{reverse('admin:telephony_call_change', args=[call.pk])}#t5000"
    assert f'href="{link}"' in html
    assert "0:04" in text_of(html)  # counted from the recording's first sample, as on that page
    assert "When are" not in html


def test_the_line_it_leads_to_is_on_the_call_page(admin_client):
    from recordings.models import Transcript

    call = said("When are you open?")
    segments = [{"who": "caller", "text": "When are you open?", "start_ms": 1000, "end_ms": 1500}]
    Transcript.objects.create(call=call, segments=segments, built_at=NOW)
    html = admin_client.get(reverse("admin:telephony_call_change", args=[call.pk])).content.decode()
    assert 'id="t1000"' in html


def test_a_hostile_turn_is_shown_as_text(admin_client):
    said("<script>alert(1)</script> & <b>bold</b>", caller="<i>x</i>")
    html = shown(admin_client, q="alert")
    assert "&lt;script&gt;<mark>alert</mark>(1)&lt;/script&gt; &amp; &lt;b&gt;bold" in html
    assert "<b>bold" not in html
    assert "<i>x" not in html
    assert "<script>alert(2)" not in shown(admin_client, q="<script>alert(2)</script>")


def test_older_hits_are_on_the_next_page_with_the_same_filters(admin_client):
    for n in range(60):
        said(f"word {n}", before=timedelta(hours=n), end_reason="caller")
    said("word filtered", end_reason="bot")
    html = shown(admin_client, q="word", end="caller")
    assert len(re.findall("<mark>word</mark>", html)) == 50
    query = older(html)
    answer = admin_client.get(PAGE + query).content.decode()
    assert len(re.findall("<mark>word</mark>", answer)) == 10
    assert "filtered" not in html + answer
    assert "Newest" in answer
    assert 'rel="next"' not in answer


def test_a_page_which_looked_at_the_newest_calls_only_says_so(admin_client, monkeypatch):
    monkeypatch.setattr(spoken_index, "is_rare", lambda query: False)
    monkeypatch.setattr(search, "STEPS", (1,))
    said("other")
    said("word", before=timedelta(days=1))
    html = shown(admin_client, q="word")
    assert "Nothing in the newest calls" in html
    assert "Look further back" in html
    query = older(html)
    assert "<mark>word</mark>" in admin_client.get(PAGE + query).content.decode()


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({}, "every word which begins so"),
        ({"q": "nobody"}, "Search for words which begin so"),
        ({"q": "nobody", "who": "agent"}, "Search without filters"),
        ({"q": "-word"}, "Write at least one word"),
        ({"q": "word", "number": "55"}, "Write at least 3 digits."),
    ],
)
def test_a_page_without_hits_says_what_to_do(admin_client, asked, words):
    said("word")
    assert words in unescape(shown(admin_client, **asked))


def test_days_are_those_of_the_installation(admin_client, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    for n, hour in enumerate((-12, -11, 12, 13)):  # at 23:00 and 24:00 in Berlin
        said(f"word {n}", before=-timedelta(hours=hour))
    html = text_of(shown(admin_client, q="word", first="2026-11-21", last="2026-11-21"))
    assert [n for n in range(4) if f"word {n}" in html] == [1, 2]


def test_odd_values_are_told_and_filter_nothing(admin_client):
    project = make_project()
    said("word", project=project, end_reason="caller")
    odd = {
        "project": "x", "first": "rubbish", "last": "9999-12-31", "longer_s": "-1", "fault": "all",
        "who": "x", "end": "x", "provider": "\0", "after": "é",
    }  # fmt: skip
    html = shown(admin_client, q="word", **odd)
    assert "<mark>word</mark>" in html
    assert html.count('class="say-error"') >= 7
    assert "<mark>word</mark>" in shown(
        admin_client, q="word", project=project.pk, end="caller", number="555-0111", shorter_s=""
    )


def test_only_who_may_read_transcripts_sees_the_page(client):
    user = User.objects.create_user("ann", is_staff=True)
    client.force_login(user)
    assert client.get(PAGE).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename="view_transcript"))
    said("word")
    html = shown(client, q="word")
    assert "<mark>word</mark>" in html
    assert "/admin/telephony/call/" not in html  # he may read, not open calls
    pk = SpokenTurn.objects.get().pk
    for path in (f"{pk}/change/", f"{pk}/history/", f"{pk}/delete/", "add/"):
        assert client.get(PAGE + path).status_code in {302, 403}


def test_a_page_costs_the_same_however_much_is_found(admin_client, django_assert_max_num_queries):
    for n in range(30):
        said("word", "word", before=timedelta(hours=n), project=make_project(slug=f"p{n}"))
    shown(admin_client, q="word")
    with django_assert_max_num_queries(11):
        shown(admin_client, q="word")


# --- over the API --------------------------------------------------------------------------------


@pytest.fixture
def api() -> Api:
    return Api(make_key("recordings:read"))


def test_a_program_searches_page_by_page(api):
    for n in range(5):
        said(f"<b>word</b> {n}", before=timedelta(days=n))
    answer = api("GET", "/search/turns?q=word&limit=3").json()
    assert [item["text"] for item in answer["items"]] == [f"<b>word</b> {n}" for n in range(3)]
    assert answer["items"][0]["segments"] == [
        {"text": "<b>", "is_match": False}, {"text": "word", "is_match": True},
        {"text": "</b> 0", "is_match": False},
    ]  # fmt: skip
    assert answer["items"][0]["call"]["caller"] == "+12025550111"
    assert answer["searched_back_to"] is None
    rest = api("GET", f"/search/turns?q=word&limit=3&cursor={answer['next_cursor']}").json()
    assert [item["text"] for item in rest["items"]] == ["<b>word</b> 3", "<b>word</b> 4"]
    assert rest["next_cursor"] == ""


def test_a_program_narrows_what_it_searches(api):
    project = make_project()
    said("word one", project=project, ended_at=NOW + timedelta(seconds=90), state="ended")
    said("word two", before=timedelta(days=2))
    for asked in (
        f"project_id={project.pk}", "since=2026-11-21T00:00:00Z", "longer_s=60", "shorter_s=90"
    ):  # fmt: skip
        answer = api("GET", f"/search/turns?q=word&{asked}").json()
        assert [item["text"] for item in answer["items"]] == ["word one"], asked
    assert api("GET", "/search/turns?q=word&who=agent&number=0111").json()["items"] == []


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ("", 422),  # without q
        ("q=%22%00(*-", 200),
        ("q=word&cursor=x", 422),
        ("q=word&since=yesterday", 422),
        ("q=word&number=%00", 422),
        ("q=word&fault=all", 422),
        ("q=word&end=%27%3B%20DROP", 200),
        ("q=" + "a" * 501, 422),
    ],
)
def test_odd_requests_are_answered_in_words(api, asked, status):
    assert api("GET", f"/search/turns?{asked}").status_code == status


@pytest.mark.parametrize(("label", "found"), [("negative", 1), ("positive", 0)])
def test_what_was_found_out_after_calls_narrows_the_search(api, label, found):
    call = said("a word")
    CallInsight.objects.create(call=call, at=call.started_at, sentiment_label=label)
    answer = api("GET", "/search/turns?q=word&sentiment=negative").json()
    assert len(answer["items"]) == found


def test_a_key_without_the_scope_finds_nothing():
    assert Api(make_key("calls:read"))("GET", "/search/turns?q=word").status_code == 403


def test_every_end_can_be_chosen():
    from recordings.forms_search import SearchForm

    field: Any = SearchForm({}).fields["end"]
    assert set(END_REASONS) - {"unknown"} < {value for value, _ in field.choices}
