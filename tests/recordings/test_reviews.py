"""Reviewing calls: who has one, what became of it, what was written about it, what comes next."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from kombu.exceptions import OperationalError

from recordings import review_queue, reviews, tasks_review
from recordings.models import CallTag, JournalEntry, Remark, Review, SoundShape, Tag
from recordings.review_queue import Wish
from telephony.models import Call, ProjectLimit
from tests.factories import NOW, make_call, make_project
from tests.recordings.test_call_page import add_recording, add_transcript, page, staff, turn
from tests.sounds import ogg

pytestmark = [pytest.mark.db, pytest.mark.django_db]

ANYBODY = AnonymousUser()  # limited to no projects

REVIEWER = (
    "telephony.view_call", "recordings.view_transcript", "recordings.view_recording",
    "recordings.view_review",
    "recordings.change_review", "recordings.add_remark", "recordings.add_calltag",
)  # fmt: skip
FETCH = {"X-Requested-With": "fetch"}


@pytest.fixture
def ann() -> User:
    return staff(*REVIEWER)


@pytest.fixture
def bob() -> User:
    return staff(*REVIEWER, name="bob")


@pytest.fixture
def browser(client, ann):
    client.force_login(ann)
    return client


def answered(n: int = 1, **values) -> Call:
    began = NOW - timedelta(hours=n)
    values = {
        "state": "ended", "end_reason": "caller", "caller": f"+1202555{n:04}", "started_at": began,
        "answered_at": began, "ended_at": began + timedelta(seconds=60),
    } | values  # fmt: skip
    return make_call(room=f"call_{n}", **values)


# --- one reviewer a call --------------------------------------------------------------------------


def test_two_reviewers_cannot_take_the_same_call(ann, bob):
    call = answered()
    assert reviews.take(call_id=call.pk, user=ann, now=NOW)
    assert not reviews.take(call_id=call.pk, user=bob, now=NOW)
    assert reviews.take(call_id=call.pk, user=ann, now=NOW)  # it is hers already
    assert not reviews.finish(call_id=call.pk, user=bob, verdict="ok", now=NOW)
    assert not reviews.release(call_id=call.pk, user=bob)
    assert reviews.finish(call_id=call.pk, user=ann, verdict="escalate", now=NOW)
    review = Review.objects.get()
    assert (review.state, review.verdict, review.reviewer_name) == ("done", "escalate", "ann")
    assert not reviews.take(call_id=call.pk, user=bob, now=NOW)


def test_a_call_given_back_is_anybodys(ann, bob):
    call = answered()
    reviews.take(call_id=call.pk, user=ann, now=NOW)
    assert reviews.release(call_id=call.pk, user=ann)
    assert reviews.take(call_id=call.pk, user=bob, now=NOW)


def test_a_call_somebody_forgot_returns_to_the_queue_after_a_day(ann, bob):
    call = answered()
    reviews.take(call_id=call.pk, user=ann, now=NOW)
    later = NOW + reviews.FORGOTTEN + timedelta(minutes=1)
    assert list(review_queue.waiting(Wish(), user=ANYBODY, now=later)) == [call]
    assert reviews.release_forgotten(now=later) == 1
    assert Review.objects.get().state == "open"
    assert reviews.release_forgotten(now=later) == 0


def test_a_reviewed_call_can_be_reviewed_again(ann, bob):
    call = answered()
    reviews.take(call_id=call.pk, user=ann, now=NOW)
    reviews.finish(call_id=call.pk, user=ann, verdict="ok", now=NOW)
    assert reviews.reopen(call_id=call.pk)
    assert reviews.take(call_id=call.pk, user=bob, now=NOW)


def test_a_verdict_nobody_knows_is_refused(ann):
    call = answered()
    reviews.take(call_id=call.pk, user=ann, now=NOW)
    with pytest.raises(reviews.ReviewError, match="verdict"):
        reviews.finish(call_id=call.pk, user=ann, verdict="brilliant", now=NOW)


def test_the_page_says_whose_review_it_is_and_what_came_of_it(browser, bob):
    call = answered()
    assert "Unreviewed" in page(browser, call)
    reviews.take(call_id=call.pk, user=bob, now=NOW)
    html = page(browser, call)
    assert re.search(r"By bob, since", html)
    assert 'value="take"' not in html
    reviews.finish(call_id=call.pk, user=bob, verdict="needs_work", now=NOW)
    assert "Reviewed: Needs work" in page(browser, call)


def test_a_review_is_taken_and_finished_without_javascript(browser):
    call = answered()
    url = reverse("recordings:review", args=[call.pk])
    for do in ("take", "ok"):
        answer = browser.post(url, {"do": do}, follow=True)
        assert answer.redirect_chain[-1][0] == f"/admin/telephony/call/{call.pk}/change/"
    assert Review.objects.get().verdict == "ok"
    assert "Reviewed: OK" in answer.content.decode()


def test_a_script_gets_the_panel_alone_and_a_refusal_as_409(browser, bob, clock):
    call = answered()
    url = reverse("recordings:review", args=[call.pk])
    reviews.take(call_id=call.pk, user=bob, now=NOW)
    answer = browser.post(url, {"do": "take"}, headers=FETCH)
    assert answer.status_code == 409
    assert "Somebody else has taken this call" in answer.content.decode()
    assert "<html" not in answer.content.decode()


# --- permissions ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "needed"),
    [("review", "change_review"), ("add_remark", "add_remark"), ("add_tags", "add_calltag"),
     ("add_share", "add_sharelink")],
)  # fmt: skip
def test_each_act_needs_its_own_permission_and_the_right_to_read_calls(client, name, needed):
    call = answered()
    url = reverse(f"recordings:{name}", args=[call.pk])
    assert client.post(url).headers["Location"].startswith("/admin/login/")
    for user in (
        staff("telephony.view_call", "recordings.view_review", name="reader"),
        staff(f"recordings.{needed}", name="blind"),
    ):
        client.force_login(user)
        assert client.post(url, {"do": "take", "text": "x", "tags": "x"}).status_code == 403
    assert not Review.objects.exists()
    assert not Remark.objects.exists()
    assert not CallTag.objects.exists()


def test_who_may_not_see_reviews_sees_neither_panel_nor_comments(client, ann):
    call = answered()
    reviews.add_remark(call_id=call.pk, user=ann, text="A secret opinion", at_ms=0, now=NOW)
    client.force_login(staff("telephony.view_call", name="reader"))
    html = page(client, call)
    assert "A secret opinion" not in html
    assert "Unreviewed" not in html


def test_the_waveform_needs_the_permission_to_hear(client, bucket):
    add_recording(call := answered())
    url = reverse("recordings:shape", args=[call.pk])
    client.force_login(staff("telephony.view_call", name="reader"))
    assert client.get(url).status_code == 403


# --- the waveform ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("tasks_at_once")
def test_whoever_opens_an_old_call_has_its_picture_made(browser, bucket):
    row = add_recording(call := answered())
    bucket.objects[row.object_key] = ogg(seconds=4, bot=[(0, 1)])
    url = reverse("recordings:shape", args=[call.pk])
    assert browser.get(url).status_code == 202
    told = browser.get(url).json()
    assert len(told["peaks"]) == 2
    assert abs(told["duration_ms"] - 4000) < 50
    assert told["silences"]
    assert SoundShape.objects.get().recording == row


def test_the_same_picture_is_queued_once_however_often_it_is_asked_for(
    browser, bucket, monkeypatch
):
    add_recording(call := answered())
    queued = []
    monkeypatch.setattr(tasks_review.draw_sound, "delay", lambda **told: queued.append(told))
    for _ in range(3):
        assert browser.get(reverse("recordings:shape", args=[call.pk])).status_code == 202
    assert len(queued) == 1


def test_without_a_broker_the_picture_is_asked_for_again(browser, bucket, monkeypatch):
    add_recording(call := answered())
    tries = []

    def away(**told):
        tries.append(told)
        raise OperationalError

    monkeypatch.setattr(tasks_review.draw_sound, "delay", away)
    for _ in range(2):
        assert browser.get(reverse("recordings:shape", args=[call.pk])).status_code == 202
    assert len(tries) == 2


# --- comments, notes, tags ------------------------------------------------------------------------


def remark(browser, call: Call, **values):
    return browser.post(reverse("recordings:add_remark", args=[call.pk]), values, follow=True)


def test_a_comment_lies_at_its_moment_in_the_timeline_and_among_the_markers(browser):
    call = answered()
    add_recording(call, starts_ms=500)
    add_transcript(call, turn("agent", "Hello", 1000, 2000), turn("caller", "Bye", 9000, 9500))
    html = remark(browser, call, at="0:05", text="He sounds cross").content.decode()
    assert Remark.objects.get().at_ms == 5500  # on the journal's clock
    talk = html.partition('data-part="talk"')[2]
    assert talk.index("Hello") < talk.index("He sounds cross") < talk.index("Bye")
    assert 'data-mark="comment" data-at="5000"' in html


def test_a_note_is_about_the_whole_call(browser):
    html = remark(browser, call := answered(), kind="note", text="Call her back").content.decode()
    assert Remark.objects.get(call=call).at_ms is None
    assert "Call her back" in html
    assert 'data-mark="comment"' not in html


@pytest.mark.parametrize(
    ("values", "words"),
    [({"at": "0:05", "text": " "}, "Nothing was written"),
     ({"at": "soon", "text": "x"}, "Write the moment as 1:23"),
     ({"at": "nan", "text": "x"}, "Write the moment as 1:23"),
     ({"at": "", "text": "x"}, "Write the moment as 1:23"),
     ({"at": "99:99:99", "text": "x"}, "no longer than a day"),
     ({"at": "1", "text": "x" * 4001}, "Shorten it")],
)  # fmt: skip
def test_a_comment_which_cannot_be_is_refused_in_words(browser, values, words):
    assert words in remark(browser, answered(), **values).content.decode()
    assert not Remark.objects.exists()


@pytest.mark.parametrize(
    ("text", "ms"), [("1:23", 83_000), ("1:00:01", 3_601_000), ("7.5", 7500), ("0:07,25", 7250)]
)
def test_a_moment_is_written_as_people_write_it(browser, text, ms):
    remark(browser, answered(), at=text, text="x")
    assert Remark.objects.get().at_ms == ms


def test_people_change_and_delete_what_they_wrote_and_nobody_elses(browser, ann, bob):
    call = answered()
    mine = reviews.add_remark(call_id=call.pk, user=ann, text="one", at_ms=0, now=NOW)
    his = reviews.add_remark(call_id=call.pk, user=bob, text="two", at_ms=0, now=NOW)
    edit, delete = (f"recordings:{what}_remark" for what in ("edit", "delete"))
    for what in (edit, delete):
        assert browser.get(reverse(what, args=[his.pk])).status_code == 403
        assert browser.post(reverse(what, args=[his.pk]), {"text": "x"}).status_code == 403
    assert (
        browser.post(reverse(edit, args=[mine.pk]), {"text": "one and a half"}).status_code == 302
    )
    mine.refresh_from_db()
    assert mine.text == "one and a half"
    assert mine.edited_at
    assert "Delete what you wrote?" in browser.get(reverse(delete, args=[mine.pk])).content.decode()
    assert Remark.objects.count() == 2  # the question deletes nothing
    browser.post(reverse(delete, args=[mine.pk]))
    assert list(Remark.objects.all()) == [his]


def test_tags_are_free_words_of_one_spelling(browser):
    call = answered()
    url = reverse("recordings:add_tags", args=[call.pk])
    html = browser.post(url, {"tags": "Billing,  Very   Rude , billing, شكوى"}, follow=True)
    assert set(Tag.objects.values_list("name", flat=True)) == {"billing", "very rude", "شكوى"}
    assert "very rude" in html.content.decode()
    browser.post(url, {"tags": "BILLING"})
    assert CallTag.objects.count() == 3
    found = browser.get(reverse("recordings:tags"), {"q": "Bil"}).json()
    assert found == {"tags": ["billing"]}


def test_a_word_no_call_has_any_more_is_not_suggested(browser, ann):
    one, two = answered(1), answered(2)
    for call in (one, two):
        reviews.add_tags(call_id=call.pk, user=ann, words="rude", now=NOW)
    browser.post(reverse("recordings:remove_tag", args=[one.tags.get().pk]))
    assert reviews.tags_like("r") == ["rude"]
    browser.post(reverse("recordings:remove_tag", args=[two.tags.get().pk]))
    assert reviews.tags_like("r") == []


def test_tags_have_limits(browser, ann):
    call = answered()
    with pytest.raises(reviews.ReviewError, match="40 letters"):
        reviews.add_tags(call_id=call.pk, user=ann, words="x" * 41, now=NOW)
    many = ",".join(map(str, range(21)))
    with pytest.raises(reviews.ReviewError, match="at most 20"):
        reviews.add_tags(call_id=call.pk, user=ann, words=many, now=NOW)
    assert not CallTag.objects.exists()


HOSTILE = "</textarea><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def test_what_people_write_and_callers_say_is_text_everywhere(browser, ann):
    call = answered()
    add_recording(call)
    add_transcript(call, turn("caller", HOSTILE, 0, 900, interrupted=True))
    entry = {"journal": "j", "n": 1, "ms": 5, "at": NOW, "kind": "consent"}
    JournalEntry.objects.create(call=call, data={"outcome": HOSTILE}, **entry)
    reviews.add_remark(call_id=call.pk, user=ann, text=HOSTILE, at_ms=5, now=NOW)
    note = reviews.add_remark(call_id=call.pk, user=ann, text=HOSTILE, at_ms=None, now=NOW)
    reviews.add_tags(call_id=call.pk, user=ann, words="<img src=x>", now=NOW)
    pages = [page(browser, call)]
    for what in ("edit", "delete"):
        answer = browser.get(reverse(f"recordings:{what}_remark", args=[note.pk]))
        pages.append(answer.content.decode())
    pages.append(browser.get("/admin/telephony/call/").content.decode())
    for html in pages:
        assert "<script>alert" not in html
        assert "<img src=x" not in html
    assert 'dir="auto">&lt;/textarea&gt;&lt;script&gt;' in pages[0]


# --- next in the queue ----------------------------------------------------------------------------


def queue(wish: Wish) -> list[Call]:
    return list(review_queue.waiting(wish, user=ANYBODY, now=NOW))


def test_the_queue_holds_answered_calls_nobody_has_reviewed(ann):
    fresh, old, done = answered(1), answered(2), answered(3)
    answered(4, answered_at=None)
    make_call(room="on", state="talking", answered_at=NOW)
    reviews.take(call_id=done.pk, user=ann, now=NOW)
    assert queue(Wish()) == [fresh, old]
    assert queue(Wish(order="oldest")) == [old, fresh]


def test_the_queue_is_of_a_project_and_some_days(ann):
    shop = make_project()
    inside, outside = answered(1, project=shop), answered(24 * 20, project=shop)
    answered(2)
    assert queue(Wish(project=shop.pk)) == [inside, outside]
    assert queue(Wish(project=shop.pk, days=7)) == [inside]


def test_who_is_limited_to_projects_gets_no_call_of_others(ann):
    shop = make_project()
    mine, _theirs = answered(1, project=shop), answered(2)
    ProjectLimit.objects.create(user=ann).projects.add(shop)
    assert list(review_queue.waiting(Wish(), user=ann, now=NOW)) == [mine]
    assert review_queue.length(Wish(), user=ann, now=NOW) == 1


def test_a_sample_is_about_as_large_as_asked_and_the_same_for_everybody():
    Call.objects.bulk_create(
        Call(
            room=f"r{n}", state="ended", started_at=NOW - timedelta(minutes=n),
            answered_at=NOW, ended_at=NOW, last_seen_at=NOW,
        )
        for n in range(2000)
    )  # fmt: skip
    wish = Wish(percent=10)
    first, again = ({call.pk for call in queue(wish)} for _ in range(2))
    assert first == again
    assert 150 < len(first) < 250
    wider = {call.pk for call in queue(Wish(percent=50))}
    assert first < wider
    gaps = [b - a for a, b in zip(sorted(first), sorted(first)[1:], strict=False)]
    assert len(set(gaps)) > 3  # not every tenth call


def test_the_next_call_is_taken_at_once_so_that_nobody_else_gets_it(ann, bob):
    one, two = answered(1), answered(2)
    assert review_queue.take_next(wish=Wish(), user=ann, now=NOW) == one
    assert review_queue.take_next(wish=Wish(), user=bob, now=NOW) == two
    assert review_queue.take_next(wish=Wish(), user=ann, now=NOW) is None


def test_who_loses_the_race_for_a_call_gets_the_one_after(ann, bob, monkeypatch):
    one, two = answered(1), answered(2)
    real = reviews.take

    def late(*, call_id, user, now):
        if call_id == one.pk:
            real(call_id=call_id, user=bob, now=now)  # a moment before us
        return real(call_id=call_id, user=user, now=now)

    monkeypatch.setattr(reviews, "take", late)
    assert review_queue.take_next(wish=Wish(), user=ann, now=NOW) == two


def test_next_goes_to_the_call_and_remembers_the_queue(browser, clock):
    new, old = answered(1), answered(2)
    answer = browser.post(reverse("recordings:next"), {"order": "oldest", "percent": "100"})
    assert answer.headers["Location"] == f"/admin/telephony/call/{old.pk}/change/"
    assert (
        browser.post(reverse("recordings:next")).headers["Location"].endswith(f"/{new.pk}/change/")
    )
    last = browser.post(reverse("recordings:next"), follow=True)
    assert "Nothing is left in this queue" in last.content.decode()


def test_the_queue_page_counts_what_waits_and_leads_into_it(browser, ann, clock):
    call = answered(1, caller="+12025550111")
    html = browser.get("/admin/recordings/review/").content.decode()
    assert "1 call waits" in html
    assert "+1 202-555-0111" in html
    assert "Low quality first" in html
    reviews.take(call_id=call.pk, user=ann, now=NOW)
    html = browser.get("/admin/recordings/review/").content.decode()
    assert "Nothing waits" in html
    assert "You have taken" in html


@pytest.mark.parametrize(
    "query", ["order=x&days=-1&percent=500&project=abc", "order=worst&days=9e9"]
)
def test_a_mangled_address_falls_back_to_the_usual_queue(browser, query):
    assert browser.get(f"/admin/recordings/review/?{query}").status_code == 200


# --- the list of calls ----------------------------------------------------------------------------


def test_the_list_shows_and_filters_review_and_tags(browser, ann):
    done, other = answered(1), answered(2)
    reviews.take(call_id=done.pk, user=ann, now=NOW)
    reviews.finish(call_id=done.pk, user=ann, verdict="escalate", now=NOW)
    reviews.add_tags(call_id=done.pk, user=ann, words="rude, billing", now=NOW)

    def shown(**query) -> set[int]:
        html = browser.get("/admin/telephony/call/", query).content.decode()
        return {call.pk for call in (done, other) if f"/call/{call.pk}/change/" in html}

    html = browser.get("/admin/telephony/call/").content.decode()
    assert "billing, rude" in html
    assert "Escalate" in html
    assert shown(review="escalate") == {done.pk}
    assert shown(review="none") == {other.pk}
    assert shown(review="taken") == set()
    assert shown(tag="rude") == {done.pk}
    assert shown(tag="nobody wrote this") == set()


def test_the_list_takes_at_most_ten_queries_however_many_tags_there_are(browser, ann):
    for n in range(1, 40):
        call = answered(n)
        reviews.take(call_id=call.pk, user=ann, now=NOW)
        reviews.add_tags(call_id=call.pk, user=ann, words=f"a{n}, b{n}", now=NOW)
    browser.get("/admin/telephony/call/")
    with CaptureQueriesContext(connection) as seen:
        assert browser.get("/admin/telephony/call/").status_code == 200
    assert len(seen) <= 10
