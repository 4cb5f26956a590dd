"""rotatekeys: everything sealed with the newest key, live plans too; again and again."""

import pytest
from django.core.management import CommandError, call_command

from agents import seal, services
from agents.accounts import take_environment
from agents.budget import is_cheaper, use_cheaper
from agents.models import Project, ProviderAccount, PublishedPlan
from agents.plan import CallPlan
from agents.rotation import rotate, sealed_columns
from telephony.models import Trunk
from tests.factories import NOW, make_account, make_member, make_plan, make_project, make_trunk

pytestmark = [pytest.mark.db, pytest.mark.django_db]

OLD, NEW = seal.new_key(), seal.new_key()


@pytest.fixture
def old_key(settings):
    settings.SEAL_KEYS = [OLD]


@pytest.fixture
def both_keys(old_key, settings):
    """What was sealed before the test calls this is sealed with the old one."""

    def turn():
        settings.SEAL_KEYS = [NEW, OLD]

    return turn


def sealed(plain: str, key: str = OLD) -> str:
    return seal.seal(plain, keys=[key])


def opened(text: str, key: str = NEW) -> str:
    return seal.unseal(text, keys=[key])


def cloud_project(**values) -> Project:
    account = make_account("deepgram-stt", sealed_key=sealed("dg-key"))
    return make_project(stt_account=account, **values)


def live_plan() -> PublishedPlan:
    plan = Project.objects.get().published
    assert plan is not None
    return plan


def test_it_knows_every_sealed_column():
    """Whoever seals something new calls the column sealed_…, and is rotated."""
    found = {f"{model.__name__}.{column}" for model, column in sealed_columns()}
    assert found >= {"ProviderAccount.sealed_key", "Trunk.sealed_auth_password"}


def test_accounts_and_trunks_are_sealed_with_the_new_key(both_keys, capsys):
    make_account("deepgram-stt", sealed_key=sealed("dg-key"))
    make_account("flite")
    make_trunk(sealed_auth_password=sealed("trunk-pw"), auth_username="me")
    both_keys()
    call_command("rotatekeys")
    assert opened(ProviderAccount.objects.get(provider="deepgram-stt").sealed_key) == "dg-key"
    assert opened(Trunk.objects.get().sealed_auth_password) == "trunk-pw"
    told = capsys.readouterr().out
    assert "agents.ProviderAccount.sealed_key: 1 sealed anew, 0 with the first key" in told
    assert "telephony.Trunk.sealed_auth_password: 1 sealed anew" in told


def test_a_live_plan_becomes_a_new_version_with_the_same_content(both_keys):
    project = cloud_project()
    before = make_plan(project)
    both_keys()
    report = rotate(now=NOW)
    after = live_plan()
    assert (after.version, after.created_by) == (2, "rotatekeys")
    old, new = CallPlan.from_json(before.body), CallPlan.from_json(after.body)
    assert opened(new.stt[0].sealed_key) == "dg-key"
    assert old.greeting == new.greeting
    assert report.republished == ["“Shop (shop)” as version 2"]
    assert PublishedPlan.objects.get(pk=before.pk).body == before.body


def test_after_it_nothing_looks_like_an_unpublished_change(both_keys):
    project = cloud_project()
    make_plan(project)
    both_keys()
    rotate(now=NOW)
    assert not services.has_unpublished_changes(project=Project.objects.get())


def test_a_draft_somebody_works_on_does_not_go_live(both_keys):
    project = cloud_project()
    make_plan(project)
    Project.objects.update(greeting="Half a sen")
    both_keys()
    rotate(now=NOW)
    assert CallPlan.from_json(live_plan().body).greeting == "Hello, this is the shop."


def test_a_live_plan_keeps_the_key_it_was_published_with(both_keys):
    """Also when the account has another one by now."""
    project = cloud_project()
    make_plan(project)
    ProviderAccount.objects.filter(provider="deepgram-stt").update(sealed_key=sealed("dg-newer"))
    both_keys()
    rotate(now=NOW)
    plan = CallPlan.from_json(live_plan().body)
    assert opened(plan.stt[0].sealed_key) == "dg-key"
    assert opened(ProviderAccount.objects.get(provider="deepgram-stt").sealed_key) == "dg-newer"


def test_a_project_whose_budget_is_spent_goes_back_to_new_seals(both_keys):
    """Its live plan is a cheaper order of the one which was published."""
    project = make_project()
    dear = make_account("deepgram-stt", sealed_key=sealed("dg-key"))
    make_member(project, "stt", dear, position=0)
    project.members.filter(role="stt", account__provider="sphinx").update(position=1)
    make_plan(project)
    assert use_cheaper(project.pk, True, now=NOW)
    both_keys()
    rotate(now=NOW)
    project.refresh_from_db()
    assert is_cheaper(project)
    assert not services.has_unpublished_changes(project=project)
    assert use_cheaper(project.pk, False, now=NOW)
    plan = CallPlan.from_json(live_plan().body)
    assert plan.stt[0].provider == "deepgram-stt"
    assert opened(plan.stt[0].sealed_key) == "dg-key"


def test_every_member_of_a_chain_is_rotated(both_keys):
    project = cloud_project()
    make_member(project, "stt", make_account("openai-stt", sealed_key=sealed("sk-second")))
    make_plan(project)
    both_keys()
    rotate(now=NOW)
    plan = CallPlan.from_json(live_plan().body)
    assert [opened(stage.sealed_key) for stage in plan.stt] == ["dg-key", "sk-second"]


def test_running_it_again_changes_nothing(both_keys, capsys):
    make_plan(cloud_project())
    both_keys()
    rotate(now=NOW)
    before = list(ProviderAccount.objects.values()), list(PublishedPlan.objects.values())
    call_command("rotatekeys")
    after = list(ProviderAccount.objects.values()), list(PublishedPlan.objects.values())
    assert before == after
    assert "0 sealed anew, 1 with the first key already" in capsys.readouterr().out


def test_a_plan_without_keys_stays_as_it_is(both_keys):
    plan = make_plan()
    both_keys()
    assert rotate(now=NOW).republished == []
    assert Project.objects.get().published_id == plan.pk


def test_the_old_key_can_be_dropped_afterwards(both_keys, settings, environ):
    environ(OPENAI_API_KEY="sk-env")
    take_environment()
    project = cloud_project()
    make_plan(project)
    both_keys()
    call_command("rotatekeys")
    settings.SEAL_KEYS = [NEW]
    assert services.check_draft(project=project) == []
    assert not services.has_unpublished_changes(project=Project.objects.get())
    call_command("rotatekeys")


def test_workers_are_told_of_the_new_versions(both_keys, django_capture_on_commit_callbacks):
    make_plan(cloud_project())
    both_keys()
    with django_capture_on_commit_callbacks() as callbacks:
        rotate(now=NOW)
    assert callbacks == services._listeners


def test_what_no_key_opens_is_named_and_left_alone(both_keys, capsys):
    make_plan(cloud_project())
    lost = sealed("lost", seal.new_key())
    make_account("openai-llm", name="Lost", sealed_key=lost)
    both_keys()
    with pytest.raises(CommandError, match="enter anew"):
        call_command("rotatekeys")
    assert "of “Lost" in capsys.readouterr().err
    assert ProviderAccount.objects.get(name="Lost").sealed_key == lost
    assert opened(ProviderAccount.objects.get(provider="deepgram-stt").sealed_key) == "dg-key"


def test_a_live_plan_no_key_opens_is_named(both_keys, settings, capsys):
    make_plan(cloud_project())
    settings.SEAL_KEYS = [NEW]
    with pytest.raises(CommandError):
        call_command("rotatekeys")
    assert "Project “Shop (shop)”: its live plan cannot be opened." in capsys.readouterr().err


def test_it_prints_no_keys_and_says_what_to_do(both_keys, capsys):
    make_plan(cloud_project())
    both_keys()
    call_command("rotatekeys")
    told = capsys.readouterr().out
    for secret in (
        "dg-key",
        OLD,
        NEW,
        *ProviderAccount.objects.values_list("sealed_key", flat=True),
    ):
        assert not secret or secret not in told
    assert "Project “Shop (shop)” as version 2: same content, new seals." in told
    assert "Take the old key out of SEAL_KEY" in told


def test_with_one_key_only_it_says_how_to_begin(old_key, capsys):
    call_command("rotatekeys")
    assert "SEAL_KEY=new,old" in capsys.readouterr().out
