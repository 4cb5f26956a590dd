"""Which providers a project gets: its own before its tier's before the environment's."""

import pytest

from agents import chains, pricebook
from agents.accounts import take_environment
from agents.chains import is_installed
from agents.effective import effective
from agents.house import is_private
from agents.models import Project
from agents.providers import PROVIDERS, Role
from agents.services import draft
from tests.factories import make_account, make_member, make_project

pytestmark = [pytest.mark.db, pytest.mark.django_db]

CLOUD = {"DEEPGRAM_API_KEY": "dg", "OPENAI_API_KEY": "sk", "CARTESIA_API_KEY": "ca"}
HOUSE = {
    "WHISPER_LOCAL_URL": "http://whisper:8000/v1",
    "LOCAL_LLM_URL": "http://ollama:11434/v1",
    "KOKORO_URL": "http://kokoro:8880/v1",
}


def make_plain(**values) -> Project:
    """A project which says nothing itself."""
    return make_project(own=False, **values)


def slugs(project: Project, role: Role = Role.STT) -> list[str]:
    return [one.slug for one in effective(project).chains[role].members]


def sources(project: Project) -> list[list[str]]:
    return [[one.source for one in chain.members] for chain in effective(project).chains.values()]


def notes(project: Project) -> str:
    return " ".join(effective(project).notes)


# --- the environment ------------------------------------------------------------------------------


def test_with_nothing_in_the_environment_it_is_the_embedded_providers():
    found = effective(make_plain())
    assert [one.slug for one in found.first] == ["sphinx", "faq", "flite"]
    assert {one.source for one in found.first} == {"embedded default"}


def test_hybrid_is_cloud_then_local(environ):
    environ(**CLOUD, **HOUSE)
    project = make_plain()
    assert [slugs(project, role) for role in Role] == [
        ["deepgram-stt", "whisper"],
        ["openai-llm", "ollama"],
        ["cartesia-tts", "kokoro"],
    ]
    assert sources(project) == [
        ["environment (STT_FALLBACK_ORDER)"] * 2,
        ["environment (LLM_FALLBACK_ORDER)"] * 2,
        ["environment (TTS_FALLBACK_ORDER)"] * 2,
    ]


def test_the_order_is_the_one_which_is_written(environ):
    environ(**CLOUD, **HOUSE, STT_FALLBACK_ORDER="local,openai,sphinx")
    assert slugs(make_plain()) == ["whisper", "openai-stt", "sphinx"]


def test_api_takes_the_cloud_only_and_local_the_house_only(environ):
    environ(**CLOUD, **HOUSE)
    project = make_plain()
    project.mode = "api"
    assert [slugs(project, role) for role in Role] == [
        ["deepgram-stt"],
        ["openai-llm"],
        ["cartesia-tts"],
    ]
    project.mode = "local"
    assert [slugs(project, role) for role in Role] == [["whisper"], ["ollama"], ["kokoro"]]


def test_an_order_without_the_kind_a_mode_wants_falls_back_on_the_provider_variable(environ):
    order = {"STT_FALLBACK_ORDER": "local", "STT_PROVIDER": "openai"}
    environ(**CLOUD, **HOUSE, **order, AGENT_MODE="api")
    assert slugs(make_plain()) == ["openai-stt"]
    environ(**CLOUD, **HOUSE, STT_FALLBACK_ORDER="deepgram", AGENT_MODE="local")
    assert slugs(Project.objects.get()) == ["whisper"]


def test_who_has_no_key_is_left_out_with_a_word(environ):
    environ(OPENAI_API_KEY="sk", STT_FALLBACK_ORDER="deepgram,openai")
    project = make_plain()
    assert slugs(project) == ["openai-stt"]
    assert "Deepgram is left out: DEEPGRAM_API_KEY is not set." in notes(project)


def test_a_local_server_nobody_named_is_left_out_with_a_word(environ):
    environ(DEEPGRAM_API_KEY="dg")
    project = make_plain()
    assert slugs(project) == ["deepgram-stt"]
    assert "is left out: WHISPER_LOCAL_URL is not set." in notes(project)


def test_who_is_not_installed_is_left_out_with_a_word(environ, monkeypatch):
    monkeypatch.setattr(chains, "is_installed", lambda provider: not provider.package)
    environ(GROQ_API_KEY="gsk", OPENAI_API_KEY="sk", LLM_FALLBACK_ORDER="groq,openai")
    project = make_plain()
    assert slugs(project, Role.LLM) == ["openai-llm"]
    assert "livekit-plugins-groq is not installed. Run `make extras`." in notes(project)


def test_one_key_alone_completes_itself_with_embedded_providers(environ):
    environ(DEEPGRAM_API_KEY="dg")
    project = make_plain()
    assert [slugs(project, role) for role in Role] == [["deepgram-stt"], ["faq"], ["flite"]]


def test_api_never_falls_back_on_embedded_providers(environ):
    environ(AGENT_MODE="api")
    assert slugs(make_plain()) == []


def test_who_does_not_speak_the_language_is_left_out_with_a_word(environ):
    environ(**CLOUD, **HOUSE)
    project = make_plain(language="de")
    assert slugs(project, Role.TTS) == ["cartesia-tts"]
    assert "Kokoro server is left out: it does not speak “de”." in notes(project)


def test_a_project_decides_alone_in_the_mode_project(environ):
    environ(**CLOUD, AGENT_MODE="project")
    assert slugs(make_plain()) == []
    assert slugs(make_project(slug="own")) == ["sphinx"]


# --- the project before the environment -----------------------------------------------------------


def test_own_members_win_role_by_role(environ):
    environ(**CLOUD)
    project = make_plain()
    make_member(project, "stt", make_account("whisper", base_url="http://mine:8000/v1"))
    assert slugs(project) == ["whisper"]
    assert sources(project)[0] == ["this project"]
    assert slugs(project, Role.LLM) == ["openai-llm"]


def test_own_members_keep_their_order(environ):
    project = make_plain()
    make_member(project, "stt", make_account("sphinx"), position=2)
    make_member(project, "stt", make_account("openai-stt", base_url="http://a/v1"), position=1)
    assert slugs(project) == ["openai-stt", "sphinx"]


# --- tiers ----------------------------------------------------------------------------------------


def test_a_tier_fills_all_three_roles_and_the_house_stays_behind_it(environ):
    environ(**CLOUD, **HOUSE)
    project = make_plain(tier="ultra")
    assert [slugs(project, role) for role in Role] == [
        ["deepgram-stt", "whisper"],
        ["openai-llm", "ollama"],
        ["cartesia-tts", "kokoro"],
    ]
    assert sources(project)[0] == ["tier ultra", "environment (STT_FALLBACK_ORDER)"]
    models = [one.model for one in effective(project).first]
    assert models == [pricebook.tiers()["ultra"][role][1] for role in Role]


def test_a_tier_wins_over_the_environments_model(environ):
    environ(**CLOUD, LLM_MODEL="something-else", ELEVENLABS_API_KEY="el")
    (llm,) = effective(make_plain(tier="fast")).chains[Role.LLM].members
    assert llm.model == pricebook.tiers()["fast"][Role.LLM][1]


def test_a_project_wins_over_its_tier(environ):
    environ(**CLOUD)
    project = make_plain(tier="ultra")
    make_member(project, "tts", make_account("flite"))
    assert slugs(project, Role.TTS) == ["flite"]
    assert sources(project)[0] == ["tier ultra"]


def test_a_tier_takes_a_supervisors_account_where_the_environment_has_none(environ):
    environ(OPENAI_API_KEY="sk", CARTESIA_API_KEY="ca")
    make_account("deepgram-stt", name="Empty")
    chosen = make_account("cartesia-tts", name="Unused")
    project = make_plain(tier="ultra")
    first = effective(project).first
    assert first[0].name == "Empty"
    assert first[2].account != chosen


def test_a_tier_without_an_account_says_what_is_missing(environ):
    environ(OPENAI_API_KEY="sk", CARTESIA_API_KEY="ca")
    chain = effective(make_plain(tier="ultra")).chains[Role.STT]
    assert chain.members == ()
    assert "“Ultra” runs on Deepgram" in chain.problems[0]
    assert "DEEPGRAM_API_KEY" in chain.problems[0]


def test_the_local_tier_takes_the_kind_of_server_which_runs_here(environ):
    environ(**HOUSE, LOCAL_LLM_API_TYPE="vllm")
    (llm,) = effective(make_plain(tier="local")).chains[Role.LLM].members
    assert (llm.slug, llm.model) == ("vllm", pricebook.default_model("vllm"))


def test_in_the_mode_project_a_tier_is_a_projects_own_choice(environ):
    environ(**CLOUD, **HOUSE, AGENT_MODE="project")
    assert slugs(make_plain(tier="ultra")) == ["deepgram-stt"]


# --- models and voices ----------------------------------------------------------------------------


def model_of(project: Project, role: Role = Role.LLM) -> str:
    return effective(project).chains[role].members[0].model


def test_the_model_is_the_members_the_accounts_the_environments_or_the_price_books(environ):
    environ(OPENAI_API_KEY="sk")
    project = make_plain()
    assert model_of(project) == pricebook.default_model("openai-llm")
    environ(OPENAI_API_KEY="sk", LLM_MODEL="from-environment")
    assert model_of(project) == "from-environment"
    account = make_account("openai-llm", name="Mine", model="from-account", base_url="http://a/v1")
    member = make_member(project, "llm", account)
    assert model_of(project) == "from-account"
    member.model = "from-member"
    member.save()
    assert model_of(project) == "from-member"


def test_the_model_of_a_local_server_comes_from_its_own_variable(environ):
    environ(**HOUSE, WHISPER_MODEL="large-v3-turbo", LOCAL_LLM_MODEL="qwen2.5:7b")
    project = make_plain()
    assert model_of(project, Role.STT) == "large-v3-turbo"
    assert model_of(project) == "qwen2.5:7b"


def voice_of(project: Project) -> str:
    return effective(project).chains[Role.TTS].members[0].voice


def test_the_voice_is_the_members_the_environments_or_the_price_books(environ):
    environ(**HOUSE)
    project = make_plain()
    assert voice_of(project) == pricebook.default_voice("kokoro", "en")
    environ(**HOUSE, KOKORO_VOICE="am_adam")
    assert voice_of(project) == "am_adam"
    make_member(project, "tts", take_environment()["kokoro"], voice="bf_emma")
    assert voice_of(project) == "bf_emma"


def test_a_voice_nobody_chose_fits_the_language(environ):
    environ(PIPER_URL="http://piper:10200", TTS_IMPLEMENTATION="piper")
    voice = voice_of(make_plain(language="de"))
    assert voice == pricebook.default_voice("piper", "de")
    assert voice.startswith("de_")


def test_a_model_nobody_chose_fits_the_language():
    project = make_plain(language="de")
    make_member(project, "stt", make_account("deepgram-flux", sealed_key="x"))
    assert model_of(project, Role.STT) == "flux-general-multi"


def test_deepgrams_voices_are_models():
    project = make_plain(language="de")
    member = make_member(project, "tts", make_account("deepgram-tts", sealed_key="x"))
    (one,) = effective(project).chains[Role.TTS].members
    assert one.model == one.voice == pricebook.default_voice("deepgram-tts", "de")
    member.model = "aura-2-thalia-en"
    member.save()
    (one,) = effective(project).chains[Role.TTS].members
    assert one.model == one.voice == "aura-2-thalia-en"


def test_only_a_voice_has_a_voice(environ):
    environ(**CLOUD)
    found = effective(make_plain())
    assert [bool(one.voice) for one in found.first] == [False, False, True]


# --- as the plan has it ---------------------------------------------------------------------------


def test_the_plan_holds_chains_with_accounts_models_and_estimates(environ):
    environ(**CLOUD, **HOUSE)
    project = make_plain()
    cloud, house = draft(project=project).stt
    assert (cloud.provider, cloud.account) == ("deepgram-stt", "Deepgram (environment)")
    model = pricebook.default_model("deepgram-stt")
    assert cloud.options == {"model": model}
    assert cloud.sealed_key == take_environment()["deepgram-stt"].sealed_key
    assert cloud.expected_ms == pricebook.estimate_ms("deepgram-stt", model)
    assert house.options["base_url"] == "http://whisper:8000/v1"


# --- small judgements -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("localhost", True), ("127.0.0.1", True), ("::1", True), ("10.1.2.3", True),
        ("192.168.0.9", True), ("whisper", True), ("stt.internal", True), ("gpu.lan", True),
        ("whisper.speech.svc", True), ("api.deepgram.com", False), ("8.8.8.8", False),
        ("2606:4700::1111", False), ("internal.example.com", False),
    ],
)  # fmt: skip
def test_what_is_in_the_house_is_told_by_its_name(host, inside):
    assert is_private(host) is inside


def test_an_installed_package_is_seen_and_a_missing_one_too(monkeypatch):
    from dataclasses import replace

    assert is_installed(PROVIDERS["deepgram-stt"])
    assert is_installed(replace(PROVIDERS["groq-stt"], package="livekit-plugins-deepgram"))
    assert not is_installed(replace(PROVIDERS["groq-stt"], package="livekit-plugins-nobody"))
