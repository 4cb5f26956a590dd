"""Accounts which the environment brings."""

import pytest
from django.conf import settings
from django.core.management import call_command

from agents import accounts, seal
from agents.accounts import take_environment
from agents.models import ProviderAccount
from agents.providers import PROVIDERS
from tests.factories import make_account, make_member, make_project

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def key_of(account: ProviderAccount) -> str:
    return seal.unseal(account.sealed_key, keys=settings.SEAL_KEYS)


def test_a_key_makes_an_account_for_each_part_of_the_provider(environ):
    environ(GROQ_API_KEY="gsk-1", DEEPGRAM_API_KEY="dg-1")
    taken = take_environment()
    assert {slug: account.name for slug, account in taken.items()} == {
        "deepgram-stt": "Deepgram (environment)",
        "deepgram-flux": "Deepgram Flux (environment)",
        "deepgram-tts": "Deepgram Aura (environment)",
        "groq-stt": "Groq, speech to text (environment)",
        "groq-llm": "Groq, answers (environment)",
    }
    assert {key_of(a) for a in taken.values()} == {"gsk-1", "dg-1"}
    assert {a.source for a in ProviderAccount.objects.all()} == {"environment"}


def test_the_address_is_taken_too(environ):
    environ(OPENAI_API_KEY="sk", OPENAI_BASE_URL="http://127.0.0.1:9900/openai/v1")
    assert take_environment()["openai-llm"].base_url == "http://127.0.0.1:9900/openai/v1"
    environ(OPENAI_API_KEY="sk")
    assert take_environment()["openai-llm"].base_url == ""


def test_a_local_server_has_an_address_and_no_key(environ):
    environ(WHISPER_LOCAL_URL="http://whisper:8000/v1")
    (account,) = take_environment().values()
    assert (account.provider, account.base_url) == ("whisper", "http://whisper:8000/v1")
    assert account.sealed_key == ""


def test_taking_it_again_writes_nothing(environ, django_assert_num_queries):
    environ(DEEPGRAM_API_KEY="dg-1", WHISPER_LOCAL_URL="http://whisper:8000/v1")
    before = {a.pk: a.sealed_key for a in take_environment().values()}
    with django_assert_num_queries(1):
        after = {a.pk: a.sealed_key for a in take_environment().values()}
    assert before == after


def test_another_key_is_sealed_anew(environ):
    environ(DEEPGRAM_API_KEY="dg-1")
    old = take_environment()["deepgram-stt"]
    environ(DEEPGRAM_API_KEY="dg-2")
    new = take_environment()["deepgram-stt"]
    assert (new.pk, key_of(new)) == (old.pk, "dg-2")


def test_a_key_which_a_lost_secret_sealed_is_sealed_anew(environ):
    environ(DEEPGRAM_API_KEY="dg-1")
    take_environment()
    ProviderAccount.objects.update(sealed_key="gAAAA-broken")
    assert key_of(take_environment()["deepgram-stt"]) == "dg-1"


def test_an_account_nobody_names_goes_with_its_variable(environ):
    environ(DEEPGRAM_API_KEY="dg-1")
    take_environment()
    environ()
    assert take_environment() == {}
    assert not ProviderAccount.objects.exists()


def test_an_account_a_project_names_stays_without_its_key_and_comes_back(environ):
    environ(DEEPGRAM_API_KEY="dg-1")
    account = take_environment()["deepgram-stt"]
    make_member(make_project(own=False), "stt", account)
    environ()
    assert take_environment() == {}
    account.refresh_from_db()
    assert (account.enabled, account.sealed_key) == (False, "")
    environ(DEEPGRAM_API_KEY="dg-1")
    back = take_environment()["deepgram-stt"]
    assert (back.pk, back.enabled, key_of(back)) == (account.pk, True, "dg-1")


def test_a_supervisors_accounts_are_left_alone(environ):
    mine = make_account("deepgram-stt", name="Deepgram (environment)")
    environ(DEEPGRAM_API_KEY="dg-1")
    taken = take_environment()["deepgram-stt"]
    assert taken.name == "Deepgram (environment 2)"
    environ()
    take_environment()
    assert list(ProviderAccount.objects.all()) == [mine]


def test_two_processes_at_once_make_one_account_and_one_seal(environ):
    """Both looked when nothing was there, and both have sealed."""
    environ(DEEPGRAM_API_KEY="dg-1")
    first = take_environment()["deepgram-stt"]
    provider = PROVIDERS["deepgram-stt"]
    second = accounts._take(provider, None, settings.AGENT_DEFAULTS)
    assert (second.pk, second.sealed_key) == (first.pk, first.sealed_key)


def test_the_later_of_two_changes_takes_the_earlier_ones_seal(environ):
    environ(DEEPGRAM_API_KEY="dg-1")
    stale = ProviderAccount.objects.get(pk=take_environment()["deepgram-stt"].pk)
    environ(DEEPGRAM_API_KEY="dg-2")
    first = take_environment()["deepgram-stt"]
    provider = PROVIDERS["deepgram-stt"]
    assert accounts._take(provider, stale, settings.AGENT_DEFAULTS).sealed_key == first.sealed_key


def test_the_command_names_accounts_and_no_keys(environ, capsys):
    environ(DEEPGRAM_API_KEY="dg-canary")
    call_command("takeenvironment")
    told = capsys.readouterr().out
    assert "Deepgram (environment)" in told
    assert "dg-canary" not in told
    environ()
    call_command("takeenvironment")
    assert "embedded" in capsys.readouterr().out
