"""Latency of answers: one call's waterfall, and the figures of many calls."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from recordings import figures, latency, money, percentiles, switches
from recordings.admin_figures import span_of
from recordings.compare import Comparison, OwnServer
from recordings.figures import Span
from recordings.journal import take_entries
from recordings.models import CallCost, ProjectBudget, TurnFigure
from tests.factories import NOW, make_call, make_plan, make_project
from tests.recordings.conftest import ANSWERED, JOB, ROOM, closed, opened, story, turn

pytestmark = [pytest.mark.db, pytest.mark.django_db]

TODAY = date(2026, 11, 21)
PAGES = ("turnfigure", "monthlycost", "ownservers", "callcost", "projectbudget")


def admin(name: str) -> str:
    return f"/admin/recordings/{name}/"


# --- one answer -----------------------------------------------------------------------------------


def steps(own: dict[str, Any], heard: dict[str, Any] | None = None) -> dict[str, latency.Part]:
    found = latency.latency(own, heard or {})
    assert found
    return {step.name: step for step in found.steps}


def test_each_step_is_held_against_its_share_of_the_budget():
    found = steps(
        {"total": 900, "llm": 320, "tts": 80}, {"stt": 120, "end_of_turn": 480}
    )  # 480 + 320 + 80 leave 20
    shown = {name: (step.ms, step.budget_ms, step.verdict) for name, step in found.items()}
    assert shown == {
        "stt": (120, 150, "within"),
        "end_of_turn": (360, 150, "over by 210 ms"),
        "llm": (320, 300, "over by 20 ms"),
        "tts": (80, 100, "within"),
        "other": (20, 30, "within"),
    }


@pytest.mark.parametrize(
    ("total", "grade", "verdict"),
    [(499, "excellent", "excellent"), (500, "good", "good"), (799, "good", "good"),
     (800, "slow", "at the limit"), (950, "slow", "over by 150 ms")],
)  # fmt: skip
def test_the_whole_answer_is_graded(total, grade, verdict):
    found = latency.latency({"total": total}, {})
    assert found
    assert (found.grade, found.verdict) == (grade, verdict)


def test_the_target_is_the_installations_own(admin_client, settings):
    settings.AGENT_DEFAULTS = replace(settings.AGENT_DEFAULTS, target_latency_ms=450)
    found = latency.latency({"total": 470}, {}, good_ms=450)
    assert found
    assert (found.grade, found.verdict) == ("slow", "over by 20 ms")
    add_turns(make_project(), [400, 470])
    html = admin_client.get(
        admin("turnfigure"), {"first": "2026-11-21", "last": "2026-11-21"}
    ).content.decode()
    assert "Within 450 ms" in html
    assert "50 %" in html


def test_what_began_early_overlaps_the_wait():
    found = steps({"total": 600, "llm": 400, "tts": 100}, {"stt": 100, "end_of_turn": 500})
    wait, llm, tts = found["end_of_turn"], found["llm"], found["tts"]
    assert llm.x < wait.x + wait.width  # the model began before the turn was surely over
    assert tts.x + tts.width == pytest.approx(100, abs=0.1)
    assert llm.x + llm.width == pytest.approx(tts.x, abs=0.1)
    assert "other" not in found


def test_names_of_newer_workers_are_told_apart():
    found = steps(
        {"total": 700, "llm": 200, "tts": 100, "pipeline": 40},
        {"vad": 160, "stt": 100, "end_of_turn": 300},
    )
    assert found["vad"].verdict == "over by 10 ms"
    assert found["end_of_turn"].budget_ms is None  # the share is that of noticing silence
    assert found["pipeline"].verdict == "over by 10 ms"
    assert (found["other"].ms, found["other"].budget_ms) == (60, None)


@pytest.mark.parametrize("odd", [None, "fast", True, -5, [1]])
def test_odd_values_count_as_not_measured(odd):
    assert latency.measured({"total": odd, "llm": odd}, {"stt": odd}) == {}
    assert latency.latency({"total": odd}, {}) is None


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"role": "stt", "from": "deepgram-stt", "to": "whisper", "reason": "stalled",
          "lost_ms": 640},
         "Speech to text moved from Deepgram to Whisper server: no answer in time (lost 640 ms)."),
        ({"role": "llm", "from": "Our OpenAI", "to": "", "provider": "openai-llm",
          "reason": "failed", "lost_ms": 0},
         "Answers lost Our OpenAI and nothing is left: it failed."),
        ({"role": "tts", "from": "A", "to": "B", "reason": "skipped"},
         "The voice moved from A to B: known to be down."),
        ({}, "A provider lost  and nothing is left: nobody told why."),
    ],
)  # fmt: skip
def test_a_switch_is_told_in_words(data, words):
    assert switches.words(data) == words


@pytest.mark.parametrize("reason", ["refused", "stalled", "broke_off", "limited", "failed"])
def test_every_reason_has_words(reason):
    said = switches.words({"role": "stt", "from": "A", "to": "B", "reason": reason})
    assert reason not in said or reason in {"refused", "failed"}
    assert "_" not in said


@pytest.mark.parametrize(
    ("amount", "words"),
    [("0", "0.00 USD"), ("0.000012", "0.000012 USD"), ("0.0123", "0.0123 USD"),
     ("1234.5", "1,234.50 USD")],
)  # fmt: skip
def test_money(amount, words):
    assert money.usd(Decimal(amount)) == words


# --- percentiles ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "found"),
    [([], None), ([7], (1, 7, 7, 7)), ([10, 20], (2, 15, 20, 20)),
     (list(range(1, 102)), (101, 51, 96, 100))],
)  # fmt: skip
def test_percentiles_lie_between_values_in_proportion(values, found):
    of = percentiles.of(values)
    assert of is None if found is None else of == percentiles.Percentiles(*found)


def add_turns(project, totals: list[int], at: datetime = NOW, **values: Any) -> None:
    number = TurnFigure.objects.count()
    call = make_call(room=f"call_{number}", project=project, started_at=at)
    TurnFigure.objects.bulk_create(
        TurnFigure(
            call=call, n=n, project=project, at=at, total_ms=total,
            **({"stt": "deepgram-stt", "llm": "openai-llm", "tts": "cartesia-tts",
                "llm_ms": total // 2} | values),
        )
        for n, total in enumerate(totals, start=1)
    )  # fmt: skip
    CallCost.objects.create(
        call=call, project=project, at=at, amount="0.5", seconds=60, computed_at=at
    )


def test_percentiles_by_group_are_the_same_in_sql_and_here():
    """On PostgreSQL this compares both ways; on SQLite it is one of them."""
    shop, bank = make_project(), make_project(slug="bank", name="Bank")
    add_turns(shop, [100, 200, 300, 400])
    add_turns(bank, [50], llm_ms=None)
    rows = TurnFigure.objects.all()
    columns = ["total_ms", "llm_ms", "vad_ms"]
    for by in ("project", ""):
        found = percentiles.percentiles(rows, columns, by=by)
        assert found == percentiles._here(rows, columns, by)
    assert found[None]["total_ms"] == percentiles.Percentiles(5, 200, 380, 396)
    assert "vad_ms" not in found[None]


# --- what a call leaves ---------------------------------------------------------------------------


@pytest.mark.usefixtures("livekit", "tasks_at_once", "bucket")
def test_a_call_leaves_a_figure_for_each_turn_of_the_bot(
    django_capture_on_commit_callbacks, admin_client
):
    plan = make_plan()
    told = story(
        opened(plan=plan.digest), ANSWERED,
        turn("agent", "Hello.", 1000, via="greeting"),
        turn("caller", "When?", 2000, latency={"stt": 120, "end_of_turn": 500}),
        ("usage", {"role": "llm", "provider": "faq", "input_tokens": 9}),
        ("switch", {"role": "tts", "from": "Voice", "to": "flite", "provider": "cartesia-tts",
                    "reason": "stalled", "lost_ms": 900}),
        turn("agent", "At nine.", 4000, latency={"total": 910, "llm": 30, "tts": 250}),
        closed(),
    )  # fmt: skip
    with django_capture_on_commit_callbacks(execute=True):
        take_entries(journal=JOB, room=ROOM, entries=told, now=NOW)
    first, second = TurnFigure.objects.order_by("n")
    assert (first.total_ms, first.switched, first.stt) == (None, False, "sphinx")
    assert (second.total_ms, second.stt_ms, second.end_of_turn_ms) == (910, 120, 500)
    assert (second.llm, second.tts, second.switched) == ("faq", "flite", True)
    assert second.at == NOW + timedelta(milliseconds=4000)

    html = admin_client.get(f"/admin/telephony/call/{first.call_id}/change/").content.decode()
    assert "The voice moved from Voice to flite: no answer in time (lost 900 ms)." in html
    assert "over by 230 ms" in html  # the wait
    assert "over by 110 ms" in html  # the whole
    assert "0.00 USD" in html


# --- pages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_for_those_who_may_see_them(client, name):
    user = User.objects.create_user("ann", is_staff=True)
    client.force_login(user)
    assert client.get(admin(name)).status_code == 403
    user.user_permissions.add(Permission.objects.get(codename=f"view_{name}"))
    assert client.get(admin(name)).status_code == 200
    assert f'href="{admin(name)}"' in client.get("/admin/").content.decode()  # the way there


@pytest.mark.parametrize(
    ("query", "first", "last"),
    [
        ("", "2026-11-15", "2026-11-21"),
        ("first=2026-11-01&last=2026-11-03", "2026-11-01", "2026-11-03"),
        ("first=2026-11-03&last=2026-11-01", "2026-11-01", "2026-11-03"),
        ("last=2099-01-01", "2026-11-15", "2026-11-21"),
        ("first=yesterday&last=2026-02-31", "2026-11-15", "2026-11-21"),
        ("first=1999-01-01", "2025-11-20", "2026-11-21"),
        ("project=x", "2026-11-15", "2026-11-21"),
    ],
)
def test_the_days_asked_for(query, first, last):
    span = span_of(QueryDict(query), TODAY)
    assert (str(span.first), str(span.last)) == (first, last)


def test_a_page_without_figures_says_how_they_come(admin_client):
    html = admin_client.get(admin("turnfigure")).content.decode()
    assert "No figures for these days" in html
    assert "Nothing in this month" in admin_client.get(admin("monthlycost")).content.decode()


def test_figures_by_stage_project_provider_and_day(admin_client):
    shop, bank = make_project(), make_project(slug="bank", name="Bank")
    add_turns(shop, [400, 600, 1000])
    add_turns(bank, [300], llm="anthropic-llm", switched=True)
    add_turns(shop, [5000], at=NOW - timedelta(days=2))
    html = admin_client.get(
        admin("turnfigure"), {"first": "2026-11-19", "last": "2026-11-21"}
    ).content.decode()
    for words in ("Shop", "Bank", "Anthropic", "2026-11-19", "Until the bot spoke", "60 %"):
        assert words in html, words
    span = Span(TODAY, TODAY)
    overview = figures.overview(span)
    assert (overview.turns, overview.good, overview.switched) == (4, 3, 1)
    (total, _) = figures.stages(span)
    assert (total.figures.n, total.figures.p50, total.is_over) == (4, 500, True)
    assert [group.label for group in figures.by_project(span)] == ["Bank", "Shop"]
    assert figures.overview(Span(TODAY, TODAY, bank)).turns == 1
    (costs, *_) = figures.costs(Span(date(2026, 11, 19), TODAY))
    assert (costs.label, costs.calls, costs.amount) == ("Shop", 2, Decimal(1))
    assert [amount for _, _, amount in costs.by_day] == [Decimal("0.5"), 0, Decimal("0.5")]


def test_projects_of_one_name_stay_apart(admin_client):
    for slug in ("one", "two"):
        add_turns(make_project(slug=slug, name="Shop"), [400])
    assert len(figures.costs(Span(TODAY, TODAY))) == 2


def test_a_page_takes_the_same_number_of_queries_for_any_number_of_turns(admin_client):
    shop = make_project()
    add_turns(shop, [400])

    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            admin_client.get(admin("turnfigure"), {"first": "2026-11-15", "last": "2026-11-21"})
        return len(seen)

    queries()
    few = queries()
    for day in range(5):
        add_turns(shop, list(range(100, 400)), at=NOW - timedelta(days=day))
    assert queries() == few <= 20


def test_costs_of_a_month_with_what_has_no_price(admin_client):
    shop = make_project()
    add_turns(shop, [400], at=datetime(2026, 10, 31, 23, 0, tzinfo=UTC))
    add_turns(shop, [400])
    add_turns(None, [400])
    CallCost.objects.filter(project=None).update(
        unpriced=True, missing=["openai-llm gpt-9"], by_role={"stt": "0.5"}
    )
    html = admin_client.get(admin("monthlycost"), {"month": "2026-11"}).content.decode()
    assert "No project" in html
    assert "1.00 USD" in html
    assert "OpenAI or compatible gpt-9" in html
    html = admin_client.get(admin("monthlycost"), {"month": "2026-10"}).content.decode()
    assert "0.5000 USD" in html
    assert "No project" not in html
    assert admin_client.get(admin("monthlycost"), {"month": "soon"}).status_code == 200


def test_calls_and_budgets_are_lists(admin_client):
    shop = make_project()
    add_turns(shop, [400], at=datetime.now(UTC))
    assert "0.5000 USD" in admin_client.get(admin("callcost")).content.decode()
    budget = ProjectBudget.objects.create(project=shop, monthly_usd="0.5")
    html = admin_client.get(admin("projectbudget")).content.decode()
    assert "100 %" in html
    assert "Spent" in html
    page = f"{admin('projectbudget')}{budget.pk}/change/"
    answer = admin_client.post(page, {"project": shop.pk, "monthly_usd": "-1", "warn_at": "80"})
    assert "greater than or equal to 0" in answer.content.decode()


# --- cloud or own servers -------------------------------------------------------------------------


def test_own_servers_are_cheaper_from_the_break_even_on():
    server = OwnServer(rent_usd=Decimal(200), watts=Decimal(400), kwh_usd=Decimal("0.25"), boxes=2)
    assert server.power_usd == Decimal("146.1")  # 2 × 0.4 kW × 730.5 h × 0.25
    assert server.month_usd == Decimal("546.1")
    few = Comparison(minutes=Decimal(1000), cloud_minute=Decimal("0.05"), own_month=Decimal(546))
    assert few.break_even == 10_920
    assert few.own_is_cheaper is False
    assert few.difference == Decimal(496)
    many = Comparison(minutes=Decimal(20_000), cloud_minute=Decimal("0.05"), own_month=Decimal(546))
    assert many.own_is_cheaper is True
    assert many.own_minute == Decimal("0.0273")


@pytest.mark.parametrize("minute", [None, Decimal(0)])
def test_what_costs_nothing_is_never_beaten(minute):
    none = Comparison(minutes=Decimal(0), cloud_minute=minute, own_month=Decimal(100))
    assert none.break_even is None
    assert none.own_minute is None


def test_the_comparison_measures_the_operators_own_traffic(admin_client):
    page = admin("ownservers")
    html = admin_client.get(page).content.decode()
    assert "typical minute" in html
    assert "estimate" in html
    for _ in range(3):
        add_turns(make_project(slug=f"p{TurnFigure.objects.count()}"), [400], at=datetime.now(UTC))
    mine = {"rent_usd": "100", "watts": "0", "kwh_usd": "0.3", "boxes": "1"}
    html = admin_client.get(page, mine).content.decode()
    assert "Measured on 3 calls" in html
    assert "<strong>200 minutes</strong>" in html  # 100 USD at 0.5 USD a minute
    assert 'value="100"' in admin_client.get(page).content.decode()  # remembered
    html = admin_client.get(page, mine | {"rent_usd": "-1"}).content.decode()
    assert "greater than or equal to 0" in html
