"""What calls will run on: each value, and where it comes from; and how the page shows it."""

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from agents import effective as module
from agents import pricebook
from agents.effective import BUDGET_MS, SWITCHES, effective
from agents.models import PriceEntry, Project, PublishedPlan
from agents.plan import CallPlan, Speed, Vad
from agents.presets import VAD_PRESETS
from agents.providers import Role
from agents.services import draft
from agents.tiers import tiers
from tests.factories import make_account, make_member, make_plan, make_project

pytestmark = [pytest.mark.db, pytest.mark.django_db]

CLOUD = {"DEEPGRAM_API_KEY": "dg", "OPENAI_API_KEY": "sk", "CARTESIA_API_KEY": "ca"}


# --- single values --------------------------------------------------------------------------------


def test_the_mode_is_the_projects_or_the_environments(environ):
    environ(AGENT_MODE="local")
    found = effective(make_project())
    assert (found.mode, found.mode_source) == ("local", "environment (AGENT_MODE)")
    found = effective(make_project(slug="b", mode="hybrid"))
    assert (found.mode, found.mode_source) == ("hybrid", "this project")


def test_a_plan_is_told_what_its_own_providers_make_of_the_mode_project(environ):
    environ(AGENT_MODE="project")
    project = make_project()
    assert draft(project=project).mode == "local"
    make_member(project, "llm", make_account("openai-llm", base_url="http://a/v1"))
    assert draft(project=project).mode == "hybrid"
    cloud = make_project(slug="cloud", own=False)
    for role, slug in (("stt", "deepgram-stt"), ("llm", "openai-llm"), ("tts", "cartesia-tts")):
        make_member(cloud, role, make_account(slug, base_url="http://a/v1"))
    assert draft(project=cloud).mode == "api"


def test_listening_is_the_presets_or_the_environments(environ):
    environ(VAD_THRESHOLD="0.7", VAD_MIN_SILENCE_DURATION="0.35")
    project = make_project()
    found = effective(project)
    assert found.vad == Vad(threshold=0.7, min_speech_ms=200, min_silence_ms=350)
    assert found.vad_source == "environment (VAD_…)"
    project.vad_preset = "noisy"
    found = effective(project)
    assert (found.vad, found.vad_source) == (VAD_PRESETS["noisy"], "this project")


def test_the_end_of_turn_is_the_projects_or_the_environments(environ):
    environ(TURN_DETECTOR_MODEL="english")
    project = make_project()
    assert draft(project=project).turn_detector == "english"
    project.turn_detector = "v1-mini"
    assert draft(project=project).turn_detector == "v1-mini"


def test_an_english_detector_is_not_forced_upon_another_language(environ):
    environ(TURN_DETECTOR_MODEL="english")
    found = effective(make_project(language="de"))
    assert found.turn_detector == "multilingual"
    assert "does not fit" in found.turn_detector_source


def test_every_switch_of_the_plan_can_be_set_and_none_is_forgotten():
    assert set(SWITCHES) == set(Speed.__slots__)
    assert effective(make_project()).speed == Speed()


@pytest.mark.parametrize(
    ("variable", "names"),
    [
        ("ENABLE_PREWARM", {"prewarm"}),
        ("ENABLE_CACHING", {"faq_cache"}),
        ("ENABLE_STREAMING", {"preemptive_llm", "preemptive_tts", "eager_end", "first_clause"}),
    ],
)
def test_the_environment_switches_off_what_belongs_together(environ, variable, names):
    environ(**{variable: "false"})
    found = effective(make_project())
    off = {name for name in SWITCHES if getattr(found.speed, name) != getattr(Speed(), name)}
    assert off == names
    assert {found.speed_sources[name] for name in names} == {f"environment ({variable})"}


@pytest.mark.parametrize("name", SWITCHES)
def test_a_project_has_the_last_word_on_each_switch(environ, name):
    environ(ENABLE_PREWARM="false", ENABLE_CACHING="false", ENABLE_STREAMING="false")
    for wanted in (True, False):
        project = make_project(slug=f"p{int(wanted)}")
        setattr(project, f"use_{name}", wanted)
        assert getattr(draft(project=project).speed, name) is wanted
        assert effective(project).speed_sources[name] == "this project"


def test_filler_number_and_live_answers_are_in_the_plan():
    project = make_project(filler="Just a second.", fallback_number="+4930123456")
    project.faq.update(live=True)
    plan = CallPlan.from_json(make_plan(project).body)
    assert (plan.filler, plan.fallback_number) == ("Just a second.", "+4930123456")
    assert plan.faq[0].live


# --- estimates ------------------------------------------------------------------------------------


def test_the_estimate_is_the_first_members_and_the_budget(environ):
    environ(**CLOUD)
    found = effective(make_project(own=False))
    parts = [pricebook.estimate_ms(one.slug, one.model) for one in found.first]
    assert all(parts)
    assert found.estimated_ms == sum(parts) + sum(BUDGET_MS.values())
    assert found.per_minute == pricebook.per_minute([(m.slug, m.model) for m in found.first])


def test_an_estimate_with_an_unknown_part_is_none(environ):
    environ(**CLOUD)
    project = make_project(own=False)
    PriceEntry.objects.create(provider="openai-llm", model="new", estimate_ms=0)
    make_member(project, "llm", make_account("openai-llm", base_url="http://a/v1"), model="new")
    assert effective(project).estimated_ms is None


def test_a_model_which_ends_soon_is_noted(environ):
    environ(**CLOUD)
    soon = timezone.localdate() + timedelta(days=30)
    call_command("loadprices", verbosity=0)
    PriceEntry.objects.filter(provider="openai-llm").update(retires=soon)
    pricebook.forget()
    notes = " ".join(effective(make_project(own=False)).notes)
    assert f"off on {soon:%Y-%m-%d}. Choose another model." in notes
    PriceEntry.objects.filter(provider="openai-llm").update(retires=soon + module.RETIRING)
    pricebook.forget()
    assert not [n for n in effective(Project.objects.get()).notes if "openai" in n.casefold()]


def test_each_tier_shows_who_how_soon_and_for_how_much():
    found = {tier.name: tier for tier in tiers()}
    assert list(found) == ["ultra", "fast", "balanced", "local"]
    ultra = str(found["ultra"])
    assert "Deepgram nova-3" in ultra
    assert f"about {found['ultra'].estimated_ms} ms" in ultra
    assert f"${found['ultra'].per_minute:.3f} a minute" in ultra
    assert found["local"].per_minute == 0


# --- the demo -------------------------------------------------------------------------------------


def test_the_demo_stays_embedded_whatever_the_environment_says(environ):
    environ(**CLOUD, AGENT_MODE="api", TURN_DETECTOR_MODEL="multilingual", VAD_THRESHOLD="0.9")
    call_command("demoproject")
    plan = CallPlan.from_json(PublishedPlan.objects.get().body)
    chains = (plan.stt, plan.llm, plan.tts)
    assert [[one.provider for one in chain] for chain in chains] == [["sphinx"], ["faq"], ["flite"]]
    assert (plan.mode, plan.turn_detector) == ("local", "v1-mini")
    assert plan.vad == VAD_PRESETS["fast_qa"]
    assert not [stage for chain in chains for stage in chain if stage.sealed_key]


def test_the_demo_takes_the_environments_accounts_for_other_projects(environ):
    environ(**CLOUD)
    call_command("demoproject")
    assert effective(make_project(own=False)).chains[Role.STT].members[0].slug == "deepgram-stt"
