"""Every reason for which a draft does not go live, in words which say what to do."""

import pytest

from agents import chains, draft
from agents.accounts import take_environment
from agents.models import Project
from agents.providers import PROVIDERS
from agents.services import check_draft
from tests.factories import make_account, make_member, make_plan, make_project

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def problems(project: Project) -> str:
    return " ".join(check_draft(project=project))


def with_account(role: str, account, **values) -> Project:
    return make_project(**{f"{role}_account": account}, **values)


# --- the account ----------------------------------------------------------------------------------


def test_a_missing_base_url_is_named():
    told = problems(with_account("stt", make_account("whisper", name="Mine")))
    assert "Account “Mine” has no base URL" in told
    assert "Enter its address there." in told


def test_the_providers_own_address_does_not_stand_for_a_key():
    own = make_account("openai-llm", name="Cloud", base_url="https://api.openai.com/v1")
    assert "Account “Cloud” has no key" in problems(with_account("llm", own))


def test_a_package_which_is_missing_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr(draft, "is_installed", lambda provider: not provider.package)
    told = problems(with_account("llm", make_account("groq-llm", sealed_key="")))
    assert "Groq needs the package livekit-plugins-groq" in told
    assert "make extras" in told


def test_a_package_is_looked_for_on_this_machine(monkeypatch):
    """Not only where a test says so: nobody installs a plugin for a vendor who is none."""
    from dataclasses import replace

    groq = replace(PROVIDERS["groq-llm"], package="livekit-plugins-nobody")
    monkeypatch.setattr(chains, "PROVIDERS", {**PROVIDERS, "groq-llm": groq})
    account = make_account("groq-llm", base_url="http://127.0.0.1/v1")
    assert "livekit-plugins-nobody" in problems(with_account("llm", account))


def test_an_account_whose_variable_is_gone_is_named(environ):
    environ(DEEPGRAM_API_KEY="dg")
    project = with_account("stt", take_environment()["deepgram-stt"])
    assert problems(project) == ""
    environ()
    told = problems(project)
    assert "“Deepgram (environment)” came from the environment, where DEEPGRAM_API_KEY" in told
    assert "has no key" not in told


# --- language -------------------------------------------------------------------------------------


def test_a_voice_of_another_language_is_named():
    project = make_project(own=False, language="de")
    kokoro = make_account("kokoro", base_url="http://kokoro:8880/v1")
    make_member(project, "tts", kokoro, voice="af_bella")
    assert "Kokoro server speaks en only with the voice af_bella" in problems(project)


def test_a_model_of_another_language_is_named():
    project = make_project(own=False, language="ja")
    account = make_account("assemblyai-stt", base_url="http://127.0.0.1/a")
    make_member(project, "stt", account, model="universal-streaming-english")
    assert "AssemblyAI speaks en only, the project's language is “ja”" in problems(project)


def test_nobody_in_the_environment_who_speaks_the_language_is_a_problem(environ):
    environ(KOKORO_URL="http://kokoro:8880/v1", KOKORO_VOICE="af_bella")
    assert "with the voice af_bella" in problems(make_project(own=False, language="de"))


def test_the_english_detector_is_for_english():
    project = make_project(turn_detector="english")
    assert problems(project) == ""
    project.language = "de"
    assert "“english” does not understand the project's language “de”" in problems(project)


# --- the chain ------------------------------------------------------------------------------------


def test_one_account_twice_is_named():
    project = make_project()
    make_member(project, "stt", make_account("sphinx"))
    assert "“Account sphinx” is twice in the chain for speech to text" in problems(project)


def test_two_accounts_of_one_provider_are_fine(environ):
    project = make_project()
    make_member(project, "stt", make_account("openai-stt", base_url="http://a/v1"))
    assert problems(project) == ""


def test_an_empty_chain_is_named(environ):
    environ(AGENT_MODE="project")
    told = problems(make_project(own=False))
    assert "Nobody is left for speech to text. This project names none itself" in told
    assert "Nobody is left for answers." in told
    assert "Nobody is left for text to speech." in told


def test_an_empty_chain_says_who_was_left_out(environ):
    environ(AGENT_MODE="api")
    told = problems(make_project(own=False))
    assert "Nobody is left for answers. OpenAI or compatible is left out: OPENAI_API_KEY" in told


def test_a_member_which_fails_is_named_wherever_it_stands():
    project = make_project()
    make_member(project, "stt", make_account("deepgram-stt", name="Second"))
    assert "Account “Second” has no key." in problems(project)


# --- the mode -------------------------------------------------------------------------------------


def test_nothing_leaves_the_house_in_the_mode_local():
    project = make_project(mode="local")
    assert problems(project) == ""
    make_member(project, "llm", make_account("openai-llm", name="Cloud", sealed_key=""))
    assert "Account “Cloud” works in the cloud, but nothing may leave the house" in problems(
        project
    )


def test_a_local_server_outside_is_not_local():
    away = make_account("whisper", name="Rented", base_url="https://gpu.example.com/v1")
    told = problems(with_account("stt", away, mode="local"))
    assert "Account “Rented” works at gpu.example.com" in told
    assert "private address" in told


def test_a_compatible_server_in_the_house_is_local():
    here = make_account("openai-llm", base_url="http://llm:8000/v1")
    assert problems(with_account("llm", here, mode="local")) == ""


def test_the_mode_of_the_environment_binds_as_well(environ):
    environ(AGENT_MODE="local")
    away = make_account("whisper", base_url="https://gpu.example.com/v1")
    project = with_account("stt", away)
    assert "nothing may leave the house" in problems(project)
    project.mode = "hybrid"
    assert problems(project) == ""


def test_a_tier_of_the_cloud_is_refused_in_the_mode_local(environ):
    environ(DEEPGRAM_API_KEY="dg", OPENAI_API_KEY="sk", CARTESIA_API_KEY="ca")
    told = problems(make_project(own=False, tier="ultra", mode="local"))
    assert "“Deepgram (environment)” works in the cloud" in told


def test_the_cloud_is_demanded_in_the_mode_api():
    told = problems(make_project(mode="api"))
    assert "nobody in it does speech to text" in told
    assert "Add a cloud provider, or choose another mode." in told


def test_a_tier_without_an_account_does_not_go_live(environ):
    environ(OPENAI_API_KEY="sk", CARTESIA_API_KEY="ca")
    told = problems(make_project(own=False, tier="ultra", mode="project"))
    assert "“Ultra” runs on Deepgram, for which there is no account. Set DEEPGRAM_API_KEY" in told
    assert "Nobody is left" not in told


# --- the number to fall back on -------------------------------------------------------------------


@pytest.mark.parametrize("number", ["0301234567", "+1", "+999123456789", "boss", "+1 202 555 0100"])
def test_a_fallback_number_which_nobody_can_call_is_named(number):
    told = problems(make_project(fallback_number=number))
    assert f"The fallback number “{number}” cannot be called." in told
    assert "+12025550100" in told


def test_a_fallback_number_with_its_country_is_fine():
    project = make_project(fallback_number="+4930123456")
    assert problems(project) == ""
    assert make_plan(project).body.count("+4930123456") == 1
