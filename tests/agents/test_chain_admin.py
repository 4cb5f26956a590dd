"""The pages of chains and accounts: what they show, what they take, what they refuse."""

import pytest

from agents import admin_accounts, seal
from agents.accounts import take_environment
from agents.models import ChainMember, Project, ProviderAccount
from agents.tiers import tiers
from tests.agents.pages import new_row, shown
from tests.factories import make_account, make_member, make_plan, make_project

pytestmark = [pytest.mark.db, pytest.mark.django_db]

ACCOUNTS = "/admin/agents/provideraccount/"


def page_of(project: Project) -> str:
    return f"/admin/agents/project/{project.pk}/change/"


def text_of(client, url: str) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


# --- what calls will run on -----------------------------------------------------------------------


def test_the_project_page_shows_what_calls_will_run_on(admin_client, environ):
    environ(
        DEEPGRAM_API_KEY="dg", OPENAI_API_KEY="sk", CARTESIA_API_KEY="ca",
        WHISPER_LOCAL_URL="http://whisper.lan:8000/v1", WHISPER_DEVICE="cuda", LLM_MODEL="gpt-x",
    )  # fmt: skip
    page = text_of(admin_client, page_of(make_project(own=False, vad_preset="noisy")))
    for expected in (
        "What calls will run on", "Deepgram (environment)", "environment (STT_FALLBACK_ORDER)",
        "gpt-x", "whisper.lan", "faster-whisper on cuda int8", "threshold 0.7", "this project",
        "environment (ENABLE_PREWARM)", "KOKORO_URL is not set", "about", "a minute",
    ):  # fmt: skip
        assert expected in page, expected


def test_the_project_page_says_what_hinders_publishing(admin_client):
    project = make_project(fallback_number="boss")
    assert "“boss” cannot be called" in text_of(admin_client, page_of(project))


def test_a_new_project_has_nothing_to_show_yet(admin_client):
    page = text_of(admin_client, "/admin/agents/project/add/")
    assert "What calls will run on" not in page


def test_each_speed_stands_with_time_and_price(admin_client):
    page = text_of(admin_client, page_of(make_project()))
    for tier in tiers():
        assert str(tier).replace("+", "+") in page


def test_an_empty_choice_says_what_it_means_now(admin_client, environ):
    environ(AGENT_MODE="local", VAD_THRESHOLD="0.61", ENABLE_CACHING="false")
    page = text_of(admin_client, page_of(make_project()))
    assert "As AGENT_MODE says: local" in page
    assert "0.61, 200 and 500 ms" in page
    assert "Off: environment (ENABLE_CACHING)" in page
    assert "On: environment (ENABLE_PREWARM)" in page


# --- saving ---------------------------------------------------------------------------------------


def test_every_field_of_the_form_is_saved(admin_client):
    project = make_project()
    url = page_of(project)
    changes = {
        "mode": "hybrid", "tier": "local", "vad_preset": "", "turn_detector": "english",
        "use_prewarm": "false", "use_filler": "true", "use_eager_end": "unknown",
        "filler": "Wait.", "fallback_number": "+49 30 123456", "faq-0-live": "on",
    }  # fmt: skip
    data = shown(admin_client.get(url)) | changes
    assert admin_client.post(url, data).status_code == 302
    project.refresh_from_db()
    assert (project.mode, project.tier, project.vad_preset) == ("hybrid", "local", "")
    assert (project.use_prewarm, project.use_filler, project.use_eager_end) == (False, True, None)
    assert (project.filler, project.fallback_number) == ("Wait.", "+4930123456")
    assert project.turn_detector == "english"
    assert project.faq.get().live


def test_a_page_saved_as_it_is_changes_nothing(admin_client):
    """Three-way switches and empty choices come back as they went."""
    project = make_project(use_prewarm=True, use_filler=False, mode="local", tier="local")
    make_plan_of = make_plan(project).digest
    url = page_of(project)
    assert admin_client.post(url, shown(admin_client.get(url))).status_code == 302
    assert make_plan(Project.objects.get()).digest == make_plan_of


def test_a_number_nobody_can_call_is_refused_on_the_form(admin_client):
    url = page_of(make_project())
    data = shown(admin_client.get(url)) | {"fallback_number": "0301234"}
    assert "Write the number with its country code" in admin_client.post(url, data).content.decode()


def own_chain(project: Project, role: str = "stt") -> list[str]:
    return [m.account.name for m in project.members.filter(role=role).order_by("position", "pk")]


def test_a_new_member_goes_to_the_end_of_its_own_role(admin_client):
    project = make_project()
    make_member(project, "stt", make_account("deepgram-stt", base_url="http://a/d"))
    extra = make_account("openai-stt", base_url="http://a/v1")
    url = page_of(project)
    data = new_row(admin_client.get(url), "stt", account=extra.pk, model="whisper-1", position=0)
    assert admin_client.post(url, data).status_code == 302
    assert own_chain(project) == ["Account sphinx", "Account deepgram-stt", "Account openai-stt"]
    assert own_chain(project, "llm") == ["Account faq"]
    assert ChainMember.objects.get(account=extra).model == "whisper-1"


def test_a_new_member_takes_the_place_it_is_given(admin_client):
    project = make_project()
    extra = make_account("openai-stt", base_url="http://a/v1")
    url = page_of(project)
    data = new_row(admin_client.get(url), "stt", account=extra.pk, position=0)
    data["stt-0-position"] = 1
    assert admin_client.post(url, data).status_code == 302
    assert own_chain(project) == ["Account openai-stt", "Account sphinx"]


def test_a_member_can_be_taken_out(admin_client):
    project = make_project()
    url = page_of(project)
    data = shown(admin_client.get(url)) | {"stt-0-DELETE": "on"}
    assert admin_client.post(url, data).status_code == 302
    assert own_chain(project) == []


def test_a_chain_offers_accounts_of_its_role_only(admin_client):
    make_account("openai-tts", name="A voice")
    page = admin_client.get(page_of(make_project()))
    offered = {
        inline.formset.prefix: str(inline.formset.empty_form["account"])
        for inline in page.context["inline_admin_formsets"]
        if inline.formset.prefix in {"stt", "llm", "tts"}
    }
    assert list(offered) == ["stt", "llm", "tts"]
    assert [role for role, select in offered.items() if "A voice" in select] == ["tts"]


# --- accounts -------------------------------------------------------------------------------------


def fields_of(client, url: str) -> set[str]:
    return set(client.get(url).context["adminform"].form.fields)


@pytest.mark.parametrize(
    ("slug", "fields"),
    [
        ("flite", {"name", "provider"}),
        ("kokoro", {"name", "provider", "base_url", "model"}),
        ("deepgram-stt", {"name", "provider", "base_url", "model", "key"}),
        ("", {"name", "provider", "base_url", "model", "key"}),
    ],
)
def test_a_new_account_shows_the_fields_which_fit(admin_client, slug, fields):
    page = admin_client.get(f"{ACCOUNTS}add/?provider={slug}")
    rows = {f.field.name for fs in page.context["adminform"] for line in fs for f in line}
    assert rows == fields


def test_addresses_and_models_are_suggested(admin_client):
    page = text_of(admin_client, f"{ACCOUNTS}add/?provider=kokoro")
    assert 'placeholder="http://localhost:8880/v1"' in page
    page = text_of(admin_client, f"{ACCOUNTS}{make_account('groq-llm').pk}/change/")
    assert 'placeholder="https://api.groq.com/openai/v1"' in page


def test_a_package_which_is_missing_is_said_before_anything_is_typed(admin_client, monkeypatch):
    monkeypatch.setattr(admin_accounts, "is_installed", lambda provider: not provider.package)
    account = make_account("groq-llm")
    for url in (f"{ACCOUNTS}add/?provider=groq-llm", f"{ACCOUNTS}{account.pk}/change/"):
        assert "Run `make extras`" in text_of(admin_client, url)
    assert "Package missing" in text_of(admin_client, ACCOUNTS)
    assert "make extras" not in text_of(admin_client, f"{ACCOUNTS}add/?provider=openai-llm")


def test_an_account_is_made_and_its_key_changed_without_being_shown(admin_client):
    url = f"{ACCOUNTS}add/?provider=deepgram-stt"
    data = {"name": "Mine", "provider": "deepgram-stt", "key": "dg-1", "base_url": "", "model": ""}
    assert admin_client.post(url, data).status_code == 302
    account = ProviderAccount.objects.get(name="Mine")
    change = f"{ACCOUNTS}{account.pk}/change/"
    assert admin_client.post(change, {"name": "Mine", "key": "dg-2"}).status_code == 302
    account.refresh_from_db()
    from django.conf import settings

    assert seal.unseal(account.sealed_key, keys=settings.SEAL_KEYS) == "dg-2"
    assert account.provider == "deepgram-stt"
    assert admin_client.post(change, {"name": "Mine", "forget_key": "on"}).status_code == 302
    account.refresh_from_db()
    assert account.sealed_key == ""


def test_a_saved_account_keeps_its_provider(admin_client):
    """Its key must not reach another one."""
    account = make_account("deepgram-stt", sealed_key="x")
    url = f"{ACCOUNTS}{account.pk}/change/"
    assert "provider" not in fields_of(admin_client, url)
    admin_client.post(url, {"name": "Mine", "provider": "openai-stt"})
    account.refresh_from_db()
    assert (account.name, account.provider) == ("Mine", "deepgram-stt")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ({"provider": "whisper"}, "Write where your server listens, as http://localhost:8000/v1."),
        ({"provider": "kokoro", "base_url": "tcp://kokoro:1"}, "is reached by HTTP"),
        (
            {"provider": "openai-llm", "base_url": "http://me:pw@llm/v1"},
            "without name and password",
        ),
        ({"provider": "flite", "key": "k"}, "runs on this machine"),
    ],
)
def test_what_cannot_work_is_refused(admin_client, data, told):
    page = admin_client.post(f"{ACCOUNTS}add/", {"name": "Mine"} | data)
    assert told in page.content.decode()
    assert not ProviderAccount.objects.exists()


def test_wyoming_is_for_piper(admin_client):
    data = {"name": "Mine", "provider": "piper", "base_url": "tcp://piper:10200"}
    assert admin_client.post(f"{ACCOUNTS}add/", data).status_code == 302


def test_an_account_of_the_environment_can_be_looked_at_only(admin_client, environ):
    environ(DEEPGRAM_API_KEY="dg-1")
    text_of(admin_client, ACCOUNTS)  # takes it
    account = ProviderAccount.objects.get(provider="deepgram-stt")
    url = f"{ACCOUNTS}{account.pk}/change/"
    page = text_of(admin_client, url)
    assert "DEEPGRAM_API_KEY, DEEPGRAM_BASE_URL" in page
    assert 'name="key"' not in page
    assert admin_client.post(url, {"name": "Mine"}).status_code == 403
    assert admin_client.post(f"{ACCOUNTS}{account.pk}/delete/", {"post": "yes"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": account.pk, "post": "yes"}
    admin_client.post(ACCOUNTS, action)
    account.refresh_from_db()
    assert account.name == "Deepgram (environment)"


def test_the_list_says_in_which_state_accounts_are(admin_client, environ):
    environ(DEEPGRAM_API_KEY="dg-1")
    make_member(make_project(own=False), "stt", take_environment()["deepgram-stt"])
    make_account("openai-llm", name="Keyless")
    make_account("whisper", name="Nowhere")
    make_account("oldvendor", name="Old")
    environ()
    page = text_of(admin_client, ACCOUNTS)
    for state in ("Gone from the environment", "No key", "No base URL", "Unknown provider"):
        assert state in page, state
