"""“Try it” on the pages: who may, what is shown and heard, what is refused, what never leaves."""

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from agents import seal, trials
from agents.accounts import take_environment
from agents.models import ProviderAccount
from agents.models_trials import ProviderTrial
from agents.trials import Outcome
from tests.agents.pages import shown
from tests.agents.trials_cases import WAV, a_voice, taken
from tests.factories import NOW, make_account, make_member, make_project

pytestmark = [pytest.mark.db, pytest.mark.django_db]


# --- the page -------------------------------------------------------------------------------------


def url_of(account: ProviderAccount) -> str:
    return f"/admin/agents/provideraccount/{account.pk}/trials/"


def page_of(account: ProviderAccount) -> str:
    return f"/admin/agents/provideraccount/{account.pk}/change/"


def user_with(*permissions: str) -> User:
    user = User.objects.create_user("bob", password="p", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


VOICE = {"try-text": "Hello.", "try-voice": "af_sky", "try-model": "", "try-language": "en"}


def test_a_supervisor_asks_follows_and_hears(admin_client):
    account = a_voice()
    page = admin_client.post(url_of(account), VOICE).content.decode()
    trial = ProviderTrial.objects.get()
    assert (trial.text, trial.voice, trial.asked_by) == ("Hello.", "af_sky", "admin")
    assert f'data-asked="{trial.pk}"' in page
    assert "Waiting for a worker" in page
    trials.hand_out(now=timezone.now())
    assert "A worker is trying" in admin_client.get(url_of(account)).content.decode()
    told = Outcome(ok=True, ms=87, sound=WAV)
    trials.take_outcome(trial_id=trial.pk, outcome=told, now=timezone.now())
    assert "First sound after 87 ms" in admin_client.get(url_of(account)).content.decode()
    sound = admin_client.get(f"{url_of(account)}{trial.pk}/")
    assert (sound.content, sound["Content-Type"]) == (WAV, "audio/wav")


def test_what_was_understood_answered_or_went_wrong_is_shown(admin_client):
    key = seal.seal("k", keys=settings.SEAL_KEYS)
    mind = make_account("openai-llm", sealed_key=key)
    now = timezone.now()
    for outcome in (
        Outcome(ok=True, ms=301, text="<b>ready</b>"),
        Outcome(ok=False, ms=44, error="401: Invalid credentials."),
        Outcome(ok=True, ms=5),
    ):
        trial = taken(mind, at=now)
        trials.take_outcome(trial_id=trial.pk, outcome=outcome, now=now)
    page = admin_client.get(page_of(mind)).content.decode()
    for expected in (
        "First word after 301 ms", "&lt;b&gt;ready&lt;/b&gt;", "Failed after 44 ms",
        "401: Invalid credentials.", "The key is not accepted.", "Nothing, although",
    ):  # fmt: skip
        assert expected in page, expected


@pytest.mark.parametrize(
    ("slug", "fields"),
    [
        ("whisper", {"text", "model"}),
        ("ollama", {"text", "model"}),
        ("kokoro", {"text", "voice", "model", "language"}),
        ("flite", {"text", "voice", "language"}),
    ],
)
def test_the_fields_fit_the_role(admin_client, slug, fields):
    url = "" if slug == "flite" else "http://server:1/v1"
    page = admin_client.get(page_of(make_account(slug, base_url=url)))
    assert set(page.context["try_it"].form.fields) == fields


def test_the_page_begins_with_what_its_address_says(admin_client):
    account = a_voice()
    query = {"voice": "bm_fable", "language": "en-GB", "text": "x" * 400, "key": "no"}
    form = admin_client.get(page_of(account), query).context["try_it"].form
    began = {name: field.initial for name, field in form.fields.items()}
    assert (began["voice"], began["language"], began["text"]) == ("bm_fable", "en-GB", "x" * 300)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"try-text": " "}, "Text it speaks: This field is required."),
        ({"try-text": "x" * 301}, "at most 300 characters"),
        ({"try-language": "English!"}, "Write a language tag"),
    ],
)
def test_what_cannot_be_said_is_refused(admin_client, changes, told):
    answer = admin_client.post(url_of(a_voice()), VOICE | changes)
    assert (answer.status_code, answer["Content-Type"][:10]) == (400, "text/plain")
    assert told in answer.content.decode()
    assert not ProviderTrial.objects.exists()


def test_who_may_only_look_may_not_try(client):
    account = a_voice()
    trial = taken(account)
    trials.take_outcome(trial_id=trial.pk, outcome=Outcome(ok=True, sound=WAV), now=NOW)
    client.force_login(user_with("view_provideraccount", "view_providertrial"))
    assert client.get(url_of(account)).status_code == 403
    assert client.post(url_of(account), VOICE).status_code == 403
    assert client.get(f"{url_of(account)}{trial.pk}/").status_code == 403
    page = client.get(page_of(account))
    assert page.status_code == 200
    assert "Try it" not in page.content.decode()


def test_who_may_change_accounts_may_try_the_environments_too(client, environ):
    environ(KOKORO_URL="http://kokoro:8880/v1")
    account = take_environment()["kokoro"]
    client.force_login(user_with("view_provideraccount", "change_provideraccount"))
    assert "try-form" in client.get(page_of(account)).content.decode()
    assert client.post(url_of(account), VOICE).status_code == 200
    assert ProviderTrial.objects.get().account == account


def test_who_is_signed_out_is_sent_to_sign_in(client):
    answer = client.post(url_of(a_voice()), VOICE)
    assert answer.status_code == 302
    assert "/login/" in answer["Location"]


def test_another_site_cannot_ask(admin_user):
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert client.post(url_of(a_voice()), VOICE).status_code == 403
    assert not ProviderTrial.objects.exists()


def test_a_sound_belongs_to_its_account(admin_client):
    trial = taken()
    trials.take_outcome(trial_id=trial.pk, outcome=Outcome(ok=True, sound=WAV), now=NOW)
    assert admin_client.get(f"{url_of(make_account('flite'))}{trial.pk}/").status_code == 404
    failed = taken()
    trials.take_outcome(trial_id=failed.pk, outcome=Outcome(ok=False, error="no"), now=NOW)
    assert admin_client.get(f"{url_of(failed.account)}{failed.pk}/").status_code == 404


def test_a_browser_never_gets_a_key_sealed_or_not(admin_client):
    sealed = seal.seal("sk-canary", keys=settings.SEAL_KEYS)
    account = make_account("cartesia-tts", sealed_key=sealed)
    answers = [admin_client.post(url_of(account), VOICE)]
    (told,) = trials.hand_out(now=timezone.now())
    assert told["stage"]["sealed_key"] == sealed
    answers += [admin_client.get(url_of(account)), admin_client.get(page_of(account))]
    for answer in answers:
        assert answer.status_code == 200
        assert sealed not in answer.content.decode()
        assert "sk-canary" not in answer.content.decode()
    rows = str(list(ProviderTrial.objects.values()))
    assert sealed not in rows


def test_an_account_is_deleted_with_its_trials(admin_client):
    account = a_voice()
    taken(account)
    url = f"/admin/agents/provideraccount/{account.pk}/delete/"
    assert admin_client.post(url, {"post": "yes"}).status_code == 302
    assert not ProviderTrial.objects.exists()


# --- from a project -------------------------------------------------------------------------------


def test_each_voice_of_a_project_can_be_heard(admin_client):
    project = make_project(own=False, language="en-GB", greeting="Good day & welcome!")
    account = a_voice()
    make_member(project, "tts", account, voice="bm_fable")
    page = admin_client.get(f"/admin/agents/project/{project.pk}/change/").content.decode()
    query = "language=en-GB&amp;text=Good+day+%26+welcome%21#try-it"
    assert page.count(f"{page_of(account)}?voice=bm_fable&amp;{query}") == 1  # in its row
    assert page.count(f"{page_of(account)}?voice=bm_fable&amp;model=kokoro&amp;{query}") == 1


def test_who_may_not_try_is_offered_nothing(client):
    project = make_project(own=False)
    make_member(project, "tts", a_voice())
    client.force_login(user_with("view_project", "change_project", "change_chainmember"))
    page = client.get(f"/admin/agents/project/{project.pk}/change/").content.decode()
    assert "What calls will run on" in page
    assert "Hear it" not in page


def test_a_project_is_saved_as_before(admin_client):
    project = make_project(voice="slt")
    url = f"/admin/agents/project/{project.pk}/change/"
    assert admin_client.post(url, shown(admin_client.get(url))).status_code == 302
    assert project.members.get(role="tts").voice == "slt"
