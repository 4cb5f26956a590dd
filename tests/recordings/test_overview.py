"""Pictures of calls: from hours, right however often a call is counted, and of what was asked."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from agents.models import FaqEntry
from recordings import overview, questions, rollup
from recordings.figures import Span
from recordings.models import AskedQuestion, HourFigure, Transcript
from recordings.rollup import roll_up
from recordings.tally import tally
from telephony.models import Call, ProjectLimit
from tests.factories import NOW, make_call, make_plan, make_project

pytestmark = [pytest.mark.db, pytest.mark.django_db, pytest.mark.usefixtures("livekit")]

PAGE = "admin:recordings_hourfigure_changelist"


@pytest.fixture
def plan():
    return make_plan()


def over(n: int, plan, *, said=(), **values) -> Call:
    """A call of two minutes which is over and counted. `said`: (caller's, bot's, via)."""
    began = values.pop("began", NOW + timedelta(minutes=n))
    values = {"answered_at": began + timedelta(seconds=1), "end_reason": "caller"} | values
    call = make_call(
        room=f"call_{n}_x", project=plan.project, plan_digest=plan.digest, state="ended",
        started_at=began, ended_at=began + timedelta(minutes=2),
        **({"caller": f"+1202555{n:04}"} | values),
    )  # fmt: skip
    segments = []
    for caller, bot, via in said:
        segments += [
            {"who": "caller", "text": caller, "start_ms": 1000, "via": "speech"},
            {"who": "agent", "text": bot, "start_ms": 2000, "via": via},
        ]
    Transcript.objects.create(call=call, segments=segments, built_at=NOW)
    tally(call_id=call.pk, now=NOW)
    return call


def span(plan=None) -> Span:
    return Span(NOW.date(), NOW.date(), plan.project if plan else None)


BACK = "Sorry, I did not get that. Could you say it another way?"


def test_calls_are_counted_into_their_hour_by_what_became_of_them(plan):
    over(1, plan)
    over(2, plan, handover_requested=True)
    over(3, plan, end_reason="transferred")
    over(4, plan, answered_at=None, end_reason="abandoned")
    over(5, plan, caller="+12025550001", began=NOW + timedelta(hours=1))
    over(6, plan, caller="+12025550001", began=NOW + timedelta(hours=2))
    found = overview.hours(span(plan))
    assert {name: n for name, n in found.totals.items() if name != "seconds"} == {
        "calls": 6, "answered": 5, "abandoned": 1, "contained": 3, "transferred": 1,
        "handover": 1, "repeated": 2,
    }  # fmt: skip
    (row,) = found.rows
    assert [row.cells[hour].calls for hour in (9, 10, 11, 12)] == [0, 4, 1, 1]
    assert row.cells[10].share == 1.0


def test_a_call_counted_again_is_counted_once_and_as_it_is_now(plan):
    call = over(1, plan)
    roll_up(call_id=call.pk)
    Call.objects.update(end_reason="transferred")
    tally(call_id=call.pk, now=NOW)
    totals = overview.hours(span()).totals
    assert (totals["calls"], totals["contained"], totals["transferred"]) == (1, 0, 1)
    assert HourFigure.objects.count() == 1


def test_calls_of_no_project_are_counted_too(plan):
    call = over(1, plan)
    Call.objects.update(project=None)
    roll_up(call_id=call.pk)
    assert overview.hours(span()).totals["calls"] == 1
    assert overview.hours(span(plan)).totals["calls"] == 0


@pytest.mark.parametrize(
    ("bot", "via", "how"),
    [
        (BACK, "prompt", "lost"),
        (BACK, "answer", "lost"),
        ("From nine to six.", "cache", "known"),
        ("From nine to six.", "answer", "known"),
        ("Let me think about it.", "answer", "answered"),
    ],
)
def test_how_a_question_was_taken_is_seen_by_the_next_words(bot, via, how):
    segments: list[dict[str, object]] = [
        {"who": "agent", "text": "Hello.", "via": "greeting"},
        {"who": "caller", "text": "When are you open?", "start_ms": 3},
        {"who": "agent", "text": "One moment.", "via": "filler"},
        {"who": "agent", "text": bot, "via": via},
    ]
    known = frozenset({questions.plain("From nine to six.")})
    (found,) = questions.asked(segments, ask_back=BACK, answers=known)
    assert (found.text, found.how, found.at_ms) == ("When are you open?", how, 3)


def test_noise_digits_and_single_words_are_no_questions():
    segments = [
        turn
        for text, via in (("[unclear]", "speech"), ("[5]", "dtmf"), ("yes", "speech"))
        for turn in (
            {"who": "caller", "text": text, "via": via},
            {"who": "agent", "text": BACK, "via": "prompt"},
        )
    ]
    assert list(questions.asked(segments, ask_back=BACK)) == []


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("When do you open on Sundays?", "On Sunday, when are you opening?", True),
        ("Where can I park my car", "can I park the cars here, please", True),
        ("Where can I park?", "Where can I pay?", False),
    ],
)
def test_questions_of_the_same_meaning_words_are_alike(one, other, alike):
    assert (questions.cluster(one) == questions.cluster(other)) is alike


LOST = [
    ("Where can I park my car?", BACK, "prompt"),
]


def test_what_was_not_understood_is_grouped_with_its_calls(plan):
    calls = [over(n, plan, said=LOST) for n in (1, 2)]
    calls.append(over(3, plan, said=[("Can I park the car here?", BACK, "prompt")]))
    over(4, plan, said=[("When are you open?", "From nine to six.", "cache")])
    (found,) = overview.top(span(plan), "lost")
    assert (found.text, found.n) == ("Where can I park my car?", 3)
    assert found.variants == ("Can I park the car here?",)
    assert set(found.calls) == {call.pk for call in calls}
    (asked,) = overview.top(span(plan), "known", "answered")
    assert asked.text == "When are you open?"


def test_one_click_makes_it_an_entry_which_waits_for_its_answer(admin_client, plan):
    over(1, plan, said=LOST)
    over(2, plan, said=[*LOST, ("Can I park the car here?", BACK, "prompt")])
    page = admin_client.get(reverse(PAGE), {"first": "2026-11-21", "last": "2026-11-21"})
    assert "Make this an FAQ entry" in page.content.decode()
    (found,) = overview.top(span(plan), "lost")
    form = {"project": plan.project.pk, "cluster": found.cluster}
    for _ in range(2):
        answer = admin_client.post(reverse("admin:recordings_make_faq"), form)
    assert (
        answer.url == reverse("admin:agents_project_change", args=[plan.project.pk]) + "#faq-group"
    )
    entry = FaqEntry.objects.get(answer="")
    assert (entry.question, entry.variants) == (
        "Where can I park my car?", "Can I park the car here?",
    )  # fmt: skip
    opened = admin_client.get(answer.url).content.decode()
    assert "Where can I park my car?" in opened
    assert 'id="faq-group"' in opened


def test_only_who_may_change_projects_makes_entries(client, django_user_model, plan):
    over(1, plan, said=LOST)
    user = django_user_model.objects.create_user("bob", password="x", is_staff=True)
    user.user_permissions.add(
        *Permission.objects.filter(codename__in=["view_hourfigure", "view_transcript"])
    )
    client.force_login(user)
    page = client.get(reverse(PAGE), {"first": "2026-11-21", "last": "2026-11-21"}).content.decode()
    assert "Where can I park my car?" in page
    assert "Make this an FAQ entry" not in page
    form = {"project": plan.project.pk, "cluster": AskedQuestion.objects.get().cluster}
    assert client.post(reverse("admin:recordings_make_faq"), form).status_code == 403
    assert not FaqEntry.objects.filter(answer="")


def test_what_callers_said_is_not_shown_without_permission(client, django_user_model, plan):
    over(1, plan, said=LOST)
    user = django_user_model.objects.create_user("bob", password="x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_hourfigure"))
    client.force_login(user)
    page = client.get(reverse(PAGE), {"first": "2026-11-21", "last": "2026-11-21"}).content.decode()
    assert "What became of them" in page
    assert "park" not in page


@pytest.mark.parametrize("page", [PAGE, "admin:recordings_turnfigure_changelist"])
def test_whoever_is_limited_to_projects_sees_those_only(client, django_user_model, plan, page):
    other = make_plan(make_project(slug="bank", name="Bank"))
    over(1, plan, said=[("Where is my blue bicycle", BACK, "speech")])
    over(2, other, said=[("Where is my red lorry", BACK, "speech")])
    user = django_user_model.objects.create_user("eve", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.all())
    ProjectLimit.objects.create(user=user).projects.add(other.project)
    client.force_login(user)
    days = {"first": "2026-11-21", "last": "2026-11-21"}
    for asked in ({}, {"project": plan.project.pk}, {"project": other.project.pk}):
        shown = client.get(reverse(page), days | asked).content.decode()
        assert "blue bicycle" not in shown
        assert ("red lorry" in shown) == (page == PAGE)
        assert f">{plan.project.name}<" not in shown
        assert "1 in all" in shown or page != PAGE
    form = {"project": plan.project.pk, "cluster": "bicycle blue"}
    assert client.post(reverse("admin:recordings_make_faq"), form).status_code == 404


def test_hostile_words_are_shown_harmlessly(admin_client, plan):
    over(1, plan, said=[("<script>alert(1)</script> drop tables", BACK, "prompt")])
    page = admin_client.get(reverse(PAGE), {"first": "2026-11-21", "last": "2026-11-21"})
    assert "<script>alert(1)" not in page.content.decode()
    assert "&lt;script&gt;alert(1)" in page.content.decode()


def test_days_without_calls_say_so(admin_client):
    assert "No calls in these days" in admin_client.get(reverse(PAGE)).content.decode()


def test_the_page_asks_as_often_for_many_calls_as_for_one(
    admin_client, plan, django_assert_max_num_queries
):
    for n in range(1, 9):
        over(n, plan, said=[(f"What about number {n} of things", BACK, "prompt")])
    with django_assert_max_num_queries(45):
        admin_client.get(reverse(PAGE), {"first": "2026-11-21", "last": "2026-11-21"})


def test_calls_of_an_older_release_are_drawn_too(plan):
    from recordings.models import CountedCall
    from recordings.tasks_checks import roll_up_missed

    over(1, plan)
    CountedCall.objects.all().delete()
    HourFigure.objects.all().delete()
    roll_up_missed()
    assert overview.hours(span()).totals["calls"] == 1
    assert rollup.COLUMNS
