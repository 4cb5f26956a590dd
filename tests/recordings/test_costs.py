"""What calls cost, and what follows when a project's month is spent."""

import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.utils import timezone

from agents.budget import cheaper, is_cheaper, normal_plan, use_cheaper
from agents.models import CheaperOrder, PriceEntry, PublishedPlan
from agents.plan import CallPlan, Stage
from agents.services import go_live, publish
from recordings import budgets, costs, tasks
from recordings.journal import take_entries
from recordings.models import CallCost, Counter, ProjectBudget, Transcript, TurnFigure
from recordings.tally import tally
from telephony.models import Call, ProjectLimit
from tests.factories import NOW, make_call, make_plan, make_project
from tests.recordings.conftest import ANSWERED, JOB, ROOM, closed, opened, story, turn

pytestmark = [
    pytest.mark.db,
    pytest.mark.django_db,
    pytest.mark.usefixtures("livekit", "tasks_at_once", "bucket"),
]


def usage(role: str, provider: str, model: str = "", **used: Any) -> tuple[str, dict[str, Any]]:
    return "usage", {"role": role, "provider": provider, "model": model, "account": "Ours"} | used


HEARD = usage("stt", "deepgram-stt", "nova-3", audio_ms=30_000)  # 0.0024
THOUGHT = usage("llm", "openai-llm", "gpt-4o-mini", input_tokens=1000, output_tokens=100)  # 0.00021
SPOKEN = usage("tts", "cartesia-tts", "sonic-3", characters=200)  # 0.01


@pytest.fixture
def told(django_capture_on_commit_callbacks):
    """A call which is told to the end, with these entries between answer and end."""

    def told(*entries: tuple[str, dict[str, Any]], room: str = ROOM, job: str = JOB) -> Call:
        all_of_it = story(opened(room=room), ANSWERED, *entries, closed())
        with django_capture_on_commit_callbacks(execute=True):
            take_entries(journal=job, room=room, entries=all_of_it, now=NOW)
        return Call.objects.get(room=room)

    return told


def cost_of(call: Call) -> CallCost:
    return CallCost.objects.get(call=call)


# --- one call -------------------------------------------------------------------------------------


def test_usage_before_a_turn_belongs_to_it_and_later_usage_to_the_call(told):
    call = told(
        SPOKEN,
        turn("agent", "Hello, this is the shop.", 1000, via="greeting"),
        turn("caller", "When are you open?", 3000),
        HEARD, THOUGHT, SPOKEN,
        turn("agent", "From nine to six.", 5000),
        HEARD,
    )  # fmt: skip
    turns = TurnFigure.objects.filter(call=call).order_by("n").values_list("n", "cost")
    assert list(turns) == [(1, Decimal("0.01")), (2, Decimal("0.01261"))]
    cost = cost_of(call)
    assert cost.amount == Decimal("0.02501")
    assert {role: Decimal(amount) for role, amount in cost.by_role.items()} == {
        "stt": Decimal("0.0048"), "llm": Decimal("0.00021"), "tts": Decimal("0.02"),
    }  # fmt: skip
    assert not cost.unpriced
    assert cost.seconds == 9  # from the answer to the end


def test_cached_tokens_cost_less_and_are_part_of_the_input(told):
    used = {"input_tokens": 1000, "cached_tokens": 800, "output_tokens": 0}
    call = told(usage("llm", "openai-llm", "gpt-4o-mini", **used), turn("agent", "Yes."))
    assert cost_of(call).amount == Decimal("0.00009")  # 200 × 0.15 + 800 × 0.075 a million


def test_what_came_from_the_cache_is_free(told):
    call = told(usage("tts", "cartesia-tts", characters=500, cached=True), turn("agent", "Yes."))
    assert cost_of(call).amount == 0
    assert not cost_of(call).unpriced


@pytest.mark.parametrize(
    ("entry", "missing"),
    [
        (usage("llm", "openai-llm", "gpt-9", output_tokens=10), ["openai-llm gpt-9"]),
        (usage("stt", "nobody", audio_ms=10), ["nobody"]),
        (usage("tts", "cartesia-tts", "sonic-3", audio_ms=10), ["cartesia-tts sonic-3"]),
    ],
)
def test_what_has_no_price_is_said_and_the_rest_is_counted(told, entry, missing):
    call = told(THOUGHT, entry, turn("agent", "Yes."))
    cost = cost_of(call)
    assert cost.unpriced
    assert cost.missing == missing
    assert cost.amount == Decimal("0.00021")


@pytest.mark.parametrize("odd", ["many", None, -5, True, [1], {}])
def test_odd_counts_of_a_journal_cost_nothing_and_stop_nothing(told, odd):
    entry = usage("llm", "openai-llm", "gpt-4o-mini", input_tokens=odd, output_tokens=odd)
    call = told(entry, usage(str(odd), "x", characters=odd), turn("agent", "Yes."))
    assert cost_of(call).amount == 0
    assert Transcript.objects.filter(call=call).exists()


def test_servers_of_ones_own_and_embedded_parts_are_free(told):
    call = told(
        usage("stt", "whisper", "large-v3", audio_ms=60_000),
        usage("llm", "ollama", "our-own", input_tokens=999, output_tokens=99),
        usage("tts", "flite", characters=400),
        turn("agent", "Yes."),
    )
    assert (cost_of(call).amount, cost_of(call).unpriced) == (Decimal(0), False)


def test_a_call_keeps_the_prices_of_its_day(told):
    call_command("loadprices")
    PriceEntry.objects.create(
        provider="cartesia-tts", model="sonic-3", characters_m=1, valid_from=NOW + timedelta(days=1)
    )
    call = told(SPOKEN, turn("agent", "Yes."))
    assert cost_of(call).amount == Decimal("0.01")
    Call.objects.filter(pk=call.pk).update(started_at=NOW + timedelta(days=2))
    tally(call_id=call.pk, now=NOW)
    assert cost_of(call).amount == Decimal("0.0002")


def test_counting_again_changes_nothing_and_late_entries_are_added(
    told, django_capture_on_commit_callbacks
):
    call = told(THOUGHT, SPOKEN, turn("agent", "Yes.", 900, latency={"total": 450}))
    before = dict(Counter.objects.values_list("key", "value"))
    tasks.build_transcript(call_id=call.pk)
    tally(call_id=call.pk, now=NOW)
    assert dict(Counter.objects.values_list("key", "value")) == before
    assert TurnFigure.objects.count() == 1

    late = story(opened(), SPOKEN, turn("agent", "And good-bye.", 9000), closed("shutdown"))
    with django_capture_on_commit_callbacks(execute=True):
        take_entries(journal="AJ_two", room=ROOM, entries=late, now=NOW)
    assert cost_of(call).amount == Decimal("0.02021")
    assert TurnFigure.objects.count() == 2
    after = dict(Counter.objects.values_list("key", "value"))
    assert after["cost|"] == Decimal("0.02021")
    assert sum(value for key, value in after.items() if key.startswith("sessions")) == 1


def test_calls_of_an_older_release_are_counted_later(told):
    call = told(SPOKEN, turn("agent", "Yes."))
    CallCost.objects.all().delete()
    tasks.count_calls()
    assert cost_of(call).amount == Decimal("0.01")


def test_an_old_call_without_transcript_is_found_by_the_slower_look():
    """What looks every ten seconds passes over old calls: among millions that took a second."""
    begun = timezone.now() - timedelta(days=5)
    for room, at in (("call_old", begun), ("call_new", timezone.now() - timedelta(hours=1))):
        make_call(room=room, state="ended", started_at=at, ended_at=at)
    tasks._build_transcripts(timezone.now())
    assert [t.call.room for t in Transcript.objects.all()] == ["call_new"]
    tasks.count_calls()
    assert Transcript.objects.filter(call__room="call_old").exists()


# --- months and budgets ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("month", "first", "after"),
    [("2026-11", "2026-11-01", "2026-12-01"), ("2026-12", "2026-12-01", "2027-01-01")],
)
def test_a_month_has_bounds(month, first, after):
    bounds = costs.month_bounds(datetime.fromisoformat(f"{month}-01").date())
    assert [f"{moment:%Y-%m-%d %H:%M}" for moment in bounds] == [f"{first} 00:00", f"{after} 00:00"]


def stage(provider: str, model: str) -> Stage:
    return Stage(provider=provider, options={"model": model}, account=f"{provider} account")


@pytest.fixture
def plan() -> PublishedPlan:
    """A live plan whose chains begin with dear providers."""
    published = make_plan()
    body = CallPlan.from_json(published.body)
    chains = {
        "stt": (stage("deepgram-stt", "nova-3"), stage("groq-stt", "whisper-large-v3-turbo")),
        "llm": (stage("openai-llm", "gpt-9"), stage("openai-llm", "gpt-4o"),
                stage("anthropic-llm", "claude-haiku-5-5")),
        "tts": (stage("elevenlabs-tts", "eleven_flash_v2_5"), stage("flite", "")),
    }  # fmt: skip
    raw: Any = {name: getattr(body, name) for name in CallPlan.__dataclass_fields__} | chains
    return go_live(published.project, CallPlan(**raw), by="ann", now=NOW)


def live(plan: PublishedPlan) -> CallPlan:
    plan.project.refresh_from_db()
    assert plan.project.published
    return CallPlan.from_json(plan.project.published.body)


def models(chain: tuple[Stage, ...]) -> list[Any]:
    return [member.options["model"] for member in chain]


def spend(project, amount: str, at: datetime = NOW, room: str = "") -> None:
    number = CallCost.objects.count()
    call = make_call(room=room or f"call_spent_{number}", project=project, started_at=at)
    CallCost.objects.create(call=call, project=project, at=at, amount=amount, computed_at=at)


def test_the_cheapest_come_first_and_what_has_no_price_last(plan):
    order = cheaper(CallPlan.from_json(plan.body), on=NOW.date())
    assert models(order.stt) == ["whisper-large-v3-turbo", "nova-3"]
    assert models(order.llm) == ["claude-haiku-5-5", "gpt-4o", "gpt-9"]
    assert models(order.tts) == ["", "eleven_flash_v2_5"]


def test_the_cheaper_order_comes_and_goes_and_may_be_asked_for_again(plan):
    project = plan.project
    assert use_cheaper(project.pk, True, now=NOW)
    assert models(live(plan).stt) == ["whisper-large-v3-turbo", "nova-3"]
    assert is_cheaper(project)
    assert normal_plan(project) == plan
    made = project.published
    assert made
    assert made.created_by == "budget"
    assert not use_cheaper(project.pk, True, now=NOW)  # nothing more to do
    assert PublishedPlan.objects.count() == 3

    assert use_cheaper(project.pk, False, now=NOW)
    project.refresh_from_db()
    assert project.published == plan
    assert not use_cheaper(project.pk, False, now=NOW)


def test_a_plan_published_meanwhile_is_reordered_and_is_gone_back_to(plan):
    project = plan.project
    use_cheaper(project.pk, True, now=NOW)
    newer = go_live(
        project,
        CallPlan(**{**_fields(CallPlan.from_json(plan.body)), "greeting": "Good morning."}),
        by="ann",
        now=NOW,
    )
    assert use_cheaper(project.pk, True, now=NOW)
    assert live(plan).greeting == "Good morning."
    assert models(live(plan).tts) == ["", "eleven_flash_v2_5"]
    use_cheaper(project.pk, False, now=NOW)
    project.refresh_from_db()
    assert project.published == newer


def _fields(plan: CallPlan) -> dict[str, Any]:
    return {name: getattr(plan, name) for name in CallPlan.__dataclass_fields__}


def test_publishing_while_it_is_cheaper_is_followed_at_once(
    plan, django_capture_on_commit_callbacks
):
    ProjectBudget.objects.create(project=plan.project, monthly_usd=0)
    budgets.watch(now=NOW)
    newer = CallPlan(**{**_fields(CallPlan.from_json(plan.body)), "greeting": "Good morning."})
    with django_capture_on_commit_callbacks(execute=True):
        go_live(plan.project, newer, by="ann", now=NOW)
    assert live(plan).greeting == "Good morning."
    assert models(live(plan).stt) == ["whisper-large-v3-turbo", "nova-3"]


def test_a_plan_which_is_the_cheapest_already_stays(caplog):
    published = make_plan()
    assert not use_cheaper(published.project.pk, True, now=NOW)
    assert not CheaperOrder.objects.exists()
    project = published.project
    project.published = None
    project.save()
    assert not use_cheaper(project.pk, True, now=NOW)


@pytest.mark.parametrize(
    ("spent", "level", "cheap"),
    [("7.99", "fine", False), ("8.00", "warned", False), ("9.99", "warned", False),
     ("10.00", "over", True)],
)  # fmt: skip
def test_a_budget_warns_and_then_changes_the_order(plan, caplog, spent, level, cheap):
    ProjectBudget.objects.create(project=plan.project, monthly_usd=10)
    spend(plan.project, spent)
    with caplog.at_level(logging.WARNING, "recordings.budgets"):
        budgets.watch(now=NOW)
        budgets.watch(now=NOW)
    (standing,) = budgets.standings(now=NOW)
    assert standing.level == level
    assert standing.is_cheaper is cheap
    assert costs.over_budget(plan.project, now=NOW) is cheap
    said = [record for record in caplog.records if record.message == "budget"]
    assert len(said) == (level != "fine")  # once a month


def test_the_order_goes_back_at_the_turn_of_the_month(plan):
    ProjectBudget.objects.create(project=plan.project, monthly_usd=10)
    spend(plan.project, "11", at=datetime(2026, 11, 30, 23, 59, tzinfo=UTC))
    budgets.watch(now=datetime(2026, 11, 30, 23, 59, 30, tzinfo=UTC))
    assert is_cheaper_now(plan)
    budgets.watch(now=datetime(2026, 12, 1, 0, 1, tzinfo=UTC))
    assert not is_cheaper_now(plan)


def is_cheaper_now(plan: PublishedPlan) -> bool:
    plan.project.refresh_from_db()
    return is_cheaper(plan.project)


def test_a_larger_budget_and_a_deleted_one_end_it(plan):
    budget = ProjectBudget.objects.create(project=plan.project, monthly_usd=10)
    spend(plan.project, "11")
    budgets.watch(now=NOW)
    assert is_cheaper_now(plan)
    ProjectBudget.objects.filter(pk=budget.pk).update(monthly_usd=20)
    budgets.watch(now=NOW)
    assert not is_cheaper_now(plan)
    ProjectBudget.objects.filter(pk=budget.pk).update(monthly_usd=10)
    budgets.watch(now=NOW)
    assert is_cheaper_now(plan)
    budget.delete()
    tasks.watch_budgets()
    assert not is_cheaper_now(plan)


def test_the_call_which_spends_the_rest_is_the_last_one_in_the_dear_order(plan, told):
    ProjectBudget.objects.create(project=plan.project, monthly_usd="0.01")
    call = make_call(room=ROOM, project=plan.project, plan_digest=plan.digest)
    told(SPOKEN, turn("agent", "Yes."))
    assert cost_of(call).project == plan.project
    assert is_cheaper_now(plan)


def test_the_list_of_projects_warns(plan, admin_client, monkeypatch):
    page = "/admin/agents/project/"
    assert "of 10.00 USD" not in admin_client.get(page).content.decode()
    ProjectBudget.objects.create(project=plan.project, monthly_usd=10)
    spend(plan.project, "8.5", at=datetime.now(UTC))
    html = admin_client.get(page).content.decode()
    assert "has spent 8.50 of 10.00 USD this month (85 %)" in html


def test_publishing_does_not_look_like_a_change_while_the_order_is_cheaper(plan):
    published = publish(project_id=plan.project.pk, by="ann", now=NOW)
    use_cheaper(plan.project.pk, True, now=NOW)
    plan.project.refresh_from_db()
    assert normal_plan(plan.project) == published


def test_whoever_is_limited_to_projects_sees_what_those_cost(client, django_user_model, plan):
    other = make_plan(make_project(slug="bank", name="Bank"))
    for each, amount in ((plan, "8.51"), (other, "3.25")):
        ProjectBudget.objects.create(project=each.project, monthly_usd=10)
        spend(each.project, amount, at=datetime.now(UTC))
    user = django_user_model.objects.create_user("eve", password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.all())
    ProjectLimit.objects.create(user=user).projects.add(other.project)
    client.force_login(user)
    for page in ("monthlycost", "projectbudget", "ownservers"):
        html = client.get(f"/admin/recordings/{page}/").content.decode()
        assert "8.51" not in html, page
        assert f">{plan.project.name}<" not in html
        assert "11.76" not in html, page  # both together
        assert page == "ownservers" or "3.25" in html
    added = client.get("/admin/recordings/projectbudget/add/").content.decode()
    assert f">{plan.project}<" not in added
    mine = ProjectBudget.objects.get(project=plan.project)
    assert client.get(f"/admin/recordings/projectbudget/{mine.pk}/change/").status_code == 302
