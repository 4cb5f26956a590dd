"""An installation which has one account for each role gets chains with one member, and back."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]

BEFORE, AFTER = [("agents", "0001_initial")], [("agents", "0002_chains")]


def migrate(targets):
    executor = MigrationExecutor(connection)
    executor.migrate(targets)
    return MigrationExecutor(connection).loader.project_state(targets).apps


@pytest.fixture
def before():
    """The tables as the release before left them; whatever happens, the newest come back."""
    yield migrate(BEFORE)
    migrate(MigrationExecutor(connection).loader.graph.leaf_nodes())


def old_project(apps):
    Account = apps.get_model("agents", "ProviderAccount")
    accounts = {
        f"{role}_account": Account.objects.create(
            name=slug, provider=slug, sealed_key=f"sealed-{slug}"
        )
        for role, slug in (("stt", "deepgram-stt"), ("llm", "openai-llm"), ("tts", "openai-tts"))
    }
    return apps.get_model("agents", "Project").objects.create(
        slug="shop", name="Shop", greeting="Hallo.", language="de", voice="ash",
        vad_preset="conversation", **accounts,
    )  # fmt: skip


def test_accounts_become_members_with_their_voice(before):
    old_project(before)
    apps = migrate(AFTER)
    project = apps.get_model("agents", "Project").objects.get()
    members = project.members.order_by("role").values_list(
        "role", "account__name", "account__sealed_key", "voice", "position"
    )
    assert list(members) == [
        ("llm", "openai-llm", "sealed-openai-llm", "", 0),
        ("stt", "deepgram-stt", "sealed-deepgram-stt", "", 0),
        ("tts", "openai-tts", "sealed-openai-tts", "ash", 0),
    ]
    assert project.vad_preset == "conversation"
    assert {a.source for a in apps.get_model("agents", "ProviderAccount").objects.all()} == {"desk"}


def test_nobody_hears_words_he_did_not_write(before):
    """The usual filler is English, the project is not."""
    old_project(before)
    apps = migrate(AFTER)
    assert apps.get_model("agents", "Project").objects.get().filler == ""


def test_the_way_back_keeps_the_first_member_and_fills_gaps(before):
    old_project(before)
    apps = migrate(AFTER)
    project = apps.get_model("agents", "Project").objects.get()
    project.members.filter(role="llm").delete()
    second = apps.get_model("agents", "ProviderAccount").objects.create(
        name="b", provider="whisper"
    )
    project.members.create(role="stt", position=1, account=second)
    project.vad_preset = ""
    project.save()
    apps = migrate(BEFORE)
    project = apps.get_model("agents", "Project").objects.get()
    assert project.stt_account.provider == "deepgram-stt"
    assert project.llm_account.provider == "faq"
    assert (project.tts_account.provider, project.voice) == ("openai-tts", "ash")
    assert project.vad_preset == "conversation"
