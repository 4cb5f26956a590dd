"""From draft to plan: what is refused, what is frozen, what workers may read."""

import json

import pytest
from django.conf import settings
from django.core.management import call_command

from agents import services
from agents.forms import ProviderAccountForm
from agents.models import FaqEntry, Project, ProviderAccount, PublishedPlan
from agents.plan import CallPlan, digest_of
from agents.seal import unseal
from telephony.models import DispatchRule, Trunk
from tests.agents.pages import shown
from tests.factories import NOW, make_account, make_plan, make_project

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def saved_account(form: ProviderAccountForm) -> ProviderAccount:
    assert form.is_valid(), form.errors
    return form.save()


def problems(**values) -> str:
    return " ".join(services.check_draft(project=make_project(**values)))


def test_a_complete_draft_has_no_problems():
    assert problems() == ""


def test_an_empty_faq_with_the_embedded_engine_is_refused():
    project = make_project(faq=False)
    with pytest.raises(services.DraftIncomplete, match="The FAQ is empty") as told:
        services.publish(project_id=project.pk, by="tests", now=NOW)
    assert "Add at least one question with its answer." in str(told.value)
    assert not PublishedPlan.objects.exists()


def test_an_empty_faq_is_fine_with_a_language_model():
    llm = make_account("openai-llm", base_url="http://llm:8000/v1")
    assert problems(faq=False, llm_account=llm) == ""


def test_an_account_without_key_is_named():
    assert "Account “Cloud” has no key." in problems(
        stt_account=make_account("deepgram-stt", name="Cloud")
    )


def test_an_account_of_the_wrong_role_is_named():
    assert "is for text to speech, not for speech to text" in problems(
        stt_account=make_account("flite")
    )


def test_a_provider_which_is_gone_from_the_catalogue_is_named():
    assert "“oldvendor”, which this version does not know" in problems(
        tts_account=make_account("oldvendor")
    )


def test_a_language_the_embedded_voice_cannot_speak_is_named():
    assert "the project's language is “de”" in problems(language="de")
    assert services.check_draft(project=make_project(slug="b", language="en-GB")) == []


def test_a_key_sealed_with_a_lost_secret_is_named():
    account = make_account("deepgram-stt", sealed_key="gAAAA-broken")
    assert "SEAL_KEY" in problems(stt_account=account)


def test_one_wording_in_two_entries_is_named():
    project = make_project()
    FaqEntry.objects.create(project=project, question="when are you  OPEN", answer="Never.")
    assert "belongs to two FAQ entries" in " ".join(services.check_draft(project=project))


@pytest.mark.parametrize("name", ["greeting", "ask_back", "apology", "handover", "goodbye"])
def test_nothing_the_bot_says_may_be_empty(name):
    assert "is empty, the caller would hear silence" in problems(**{name: "  "})


def test_a_plan_is_named_by_its_text():
    plan = make_plan()
    assert digest_of(plan.body) == plan.digest
    assert CallPlan.from_json(plan.body).faq[0].variants == ("What are your opening hours?",)


def test_publishing_twice_makes_one_version_and_a_change_another():
    project = make_project()
    first = make_plan(project)
    assert make_plan(project).pk == first.pk
    project.greeting = "Good morning."
    project.save()
    second = make_plan(project)
    assert (first.version, second.version) == (1, 2)
    assert (project.published_id, PublishedPlan.objects.count()) == (second.pk, 2)


def test_going_back_to_an_older_text_goes_back_to_its_version():
    project = make_project()
    first = make_plan(project)
    for greeting in ("Good morning.", "Hello, this is the shop."):
        project.greeting = greeting
        project.save()
        plan = make_plan(project)
    assert plan.pk == first.pk


def test_unpublished_changes_are_noticed_also_in_faq_and_account():
    project = make_project()
    make_plan(project)
    assert not services.has_unpublished_changes(project=project)
    FaqEntry.objects.filter(project=project).update(answer="Never.")
    assert services.has_unpublished_changes(project=project)
    make_plan(project)
    voice = project.members.get(role="tts").account_id
    ProviderAccount.objects.filter(pk=voice).update(model="other")
    assert services.has_unpublished_changes(project=Project.objects.get(pk=project.pk))


def test_a_plan_carries_only_options_which_are_set_and_only_sealed_keys():
    form = ProviderAccountForm(
        {"name": "Cloud", "provider": "openai-tts", "key": " sk-secret ", "model": "tts-x"}
    )
    plan = make_plan(make_project(tts_account=saved_account(form), voice="ash"))
    (tts,) = json.loads(plan.body)["tts"]
    assert tts["options"] == {"model": "tts-x", "voice": "ash"}
    assert json.loads(plan.body)["stt"][0]["options"] == {}
    assert unseal(tts["sealed_key"], keys=settings.SEAL_KEYS) == "sk-secret"
    assert "sk-secret" not in plan.body


def test_a_key_is_kept_when_left_empty_and_forgotten_when_asked():
    fields = {"name": "Cloud", "provider": "openai-tts"}
    account = saved_account(ProviderAccountForm(fields | {"key": "sk-secret"}))
    kept = account.sealed_key
    assert saved_account(ProviderAccountForm(fields, instance=account)).sealed_key == kept
    forgotten = saved_account(ProviderAccountForm(fields | {"forget_key": "on"}, instance=account))
    assert forgotten.sealed_key == ""


@pytest.mark.parametrize("url", ["ftp://host/v1", "host:8000", "http://"])
def test_a_base_url_which_is_none_is_refused(url):
    form = ProviderAccountForm({"name": "Own", "provider": "openai-llm", "base_url": url})
    assert "http://whisper:8000/v1" in form.errors["base_url"][0]


# --- what workers read --------------------------------------------------------------------------


def get(client, path: str, token: str = ""):
    token = token or settings.WORKER_TOKEN
    return client.get(path, headers={"Authorization": f"Bearer {token}"})


def test_workers_get_the_live_digests_and_the_exact_text(client):
    project = make_project()
    old = make_plan(project)
    project.greeting = "New."
    project.save()
    plan = make_plan(project)
    make_project(slug="draft", name="Draft")
    assert get(client, "/internal/plans/").json() == {"plans": [plan.digest]}
    for wanted in (plan, old):
        answer = get(client, f"/internal/plans/{wanted.digest}")
        assert (answer.content.decode(), answer["Content-Type"]) == (
            wanted.body,
            "application/json",
        )


def test_a_plan_nobody_published_is_not_found(client):
    answer = get(client, "/internal/plans/" + "0" * 64)
    assert (answer.status_code, list(answer.json())) == (404, ["error"])


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer guess"}, {"Authorization": "é"}])
def test_without_the_token_nothing_is_read(client, header):
    plan = make_plan()
    for path in ("/internal/plans/", f"/internal/plans/{plan.digest}"):
        assert client.get(path, headers=header).status_code == 401


# --- the desk -----------------------------------------------------------------------------------


def press_publish(admin_client, project: Project, **data):
    url = f"/admin/agents/project/{project.pk}/change/"
    fields = shown(admin_client.get(url)) | {"faq-0-answer": "From ten to four."}
    button = {"agents_project_publish": "1"}
    return admin_client.post(url, fields | data | button, follow=True)


def test_save_and_publish_takes_the_faq_of_the_same_page(admin_client):
    project = make_project()
    page = press_publish(admin_client, project, greeting="Good day.").content.decode()
    published = PublishedPlan.objects.get()
    plan = CallPlan.from_json(published.body)
    assert (plan.greeting, plan.faq[0].answer) == ("Good day.", "From ten to four.")
    assert "Version 1 is live" in page
    assert published.created_by == "admin"


def test_a_draft_with_problems_is_saved_but_not_published(admin_client):
    project = make_project()
    page = press_publish(admin_client, project, **{"faq-0-DELETE": "on"}).content.decode()
    assert "Saved, but not published." in page
    assert "The FAQ is empty" in page
    project.refresh_from_db()
    assert project.published is None


def test_publishing_needs_a_post(admin_client):
    project = make_project()
    admin_client.get(f"/admin/agents/project/{project.pk}/change/?agents_project_publish=1")
    project.refresh_from_db()
    assert project.published is None


def test_the_desk_says_what_is_live_and_what_is_not(admin_client):
    project = make_project()
    url = "/admin/agents/project/"
    assert "Never published" in admin_client.get(url).content.decode()
    make_plan(project)
    assert "Unpublished changes" not in admin_client.get(url).content.decode()
    project.greeting = "Changed."
    project.save()
    for page in (url, f"{url}{project.pk}/change/"):
        assert "Unpublished changes" in admin_client.get(page).content.decode()


def test_a_stored_key_is_on_no_page(admin_client):
    form = ProviderAccountForm({"name": "Cloud", "provider": "openai-tts", "key": "sk-secret"})
    account = saved_account(form)
    page = admin_client.get(f"/admin/agents/provideraccount/{account.pk}/change/").content.decode()
    assert "sk-secret" not in page
    assert account.sealed_key not in page


def test_a_published_plan_cannot_be_changed(admin_client):
    plan = make_plan()
    url = f"/admin/agents/publishedplan/{plan.pk}/change/"
    assert admin_client.get(url).status_code == 200
    assert admin_client.post(url, {"body": "{}"}).status_code == 403


# --- the demo project ---------------------------------------------------------------------------


def test_the_demo_project_is_published_and_has_a_line(monkeypatch, capsys):
    monkeypatch.setenv("ADMIN_PASSWORD", "secret-of-the-demo")
    call_command("demoproject")
    call_command("demoproject")
    plan = CallPlan.from_json(PublishedPlan.objects.get(project__slug="demo").body)
    assert len(plan.faq) >= 5
    assert {entry.digit for entry in plan.faq} >= {"1", "2", "3"}
    assert (Trunk.objects.count(), DispatchRule.objects.count()) == (1, 1)
    assert "secret-of-the-demo" not in capsys.readouterr().out


def test_the_demo_project_leaves_a_supervisors_changes_alone():
    call_command("demoproject")
    Project.objects.update(greeting="Mine.")
    Trunk.objects.update(enabled=False)
    call_command("demoproject")
    assert Project.objects.get().greeting == "Mine."
    assert not Trunk.objects.get().enabled


def test_the_login_of_the_demo_works_and_is_not_reset(monkeypatch, client):
    monkeypatch.setenv("ADMIN_PASSWORD", "first-password")
    call_command("demoproject")
    monkeypatch.setenv("ADMIN_PASSWORD", "second-password")
    call_command("demoproject")
    assert client.login(username="admin", password="first-password")
