"""LiveKit is made equal to our rows, and only what is ours is touched."""

import json
from dataclasses import replace

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from agents import seal
from telephony import push, tasks
from telephony.errors import GatewayUnavailable
from telephony.models import DispatchRule, Number, Trunk
from telephony.sync import InboundTrunkSpec, RuleSpec
from tests.factories import NOW, digest_in_use, make_plan, make_project, make_rule, make_trunk

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def pushed(livekit, **options) -> push.Report:
    return push.push(now=NOW, gateway=livekit, **options)


def foreign_rule(**values) -> RuleSpec:
    spec = RuleSpec(
        tag="somebody else's", trunk_ids=(), room_prefix="x", agent_name="", agent_metadata=""
    )
    return replace(spec, **values)


def test_a_trunk_and_its_rule_arrive_on_livekit(livekit):
    rule = make_rule()
    report = pushed(livekit)
    assert report.left == []
    (trunk_id, trunk), (spec,) = next(iter(livekit.lines.items())), livekit.answers.values()
    assert trunk.numbers == ("+12025550100", "12025550100")
    assert trunk.allowed_addresses == ("127.0.0.1/32",)
    assert trunk.ringing_timeout_s == settings.RINGING_SECONDS
    assert spec.trunk_ids == (trunk_id,)
    assert json.loads(spec.agent_metadata) == {"plan": digest_in_use(rule)}
    assert (spec.departure_timeout_s, spec.empty_timeout_s) == (3, 30)


def test_an_address_is_pushed_as_a_network(livekit):
    """A bare one would also let in whoever writes it into From, from anywhere."""
    make_trunk(allowed_addresses=["203.0.113.5", "192.0.2.0/28", "2001:db8::1"])
    pushed(livekit)
    (trunk,) = livekit.lines.values()
    assert trunk.allowed_addresses == ("203.0.113.5/32", "192.0.2.0/28", "2001:db8::1/128")


def test_rows_say_that_they_are_on_livekit(livekit):
    rule = make_rule()
    pushed(livekit)
    for row in (Trunk.objects.get(), DispatchRule.objects.get(pk=rule.pk)):
        assert (row.sync_state, row.sync_error, row.synced_at) == ("synced", "", NOW)
        assert row.remote_id
        assert row.applied_fingerprint


def test_pushing_twice_changes_livekit_once(livekit):
    make_rule()
    pushed(livekit)
    writes = list(livekit.writes)
    report = pushed(livekit)
    assert livekit.writes == writes
    assert report.differences == []


@pytest.mark.parametrize(
    "change",
    [
        {"name": "renamed"},
        {"numbers": ("+12025550199",)},
        {"allowed_addresses": ()},
        {"ringing_timeout_s": 180},
        {"auth_username": "intruder", "auth_password": "x"},
        {"extras": ("headers_to_attributes",)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_somebody_changes_on_a_trunk_of_ours_is_put_back(livekit, change):
    make_rule()
    pushed(livekit)
    (remote_id,) = livekit.lines
    right = livekit.lines[remote_id]
    livekit.trunks[remote_id] = replace(right, **change)
    report = pushed(livekit)
    assert livekit.lines == {remote_id: right}
    assert "changed on LiveKit" in report.differences[0]


@pytest.mark.parametrize(
    "change",
    [{"trunk_ids": ()}, {"agent_metadata": "{}"}, {"agent_name": "x"}, {"extras": ("rule.pin",)}],
    ids=lambda change: next(iter(change)),
)
def test_whatever_somebody_changes_on_a_rule_of_ours_is_put_back(livekit, change):
    make_rule()
    pushed(livekit)
    (remote_id,) = livekit.answers
    right = livekit.answers[remote_id]
    livekit.rules[remote_id] = replace(right, **change)
    pushed(livekit)
    assert livekit.answers == {remote_id: right}


def test_after_redis_was_emptied_everything_comes_back(livekit):
    make_rule()
    pushed(livekit)
    livekit.flushall()
    pushed(livekit)
    (trunk_id,), (rule,) = livekit.lines, livekit.answers.values()
    assert rule.trunk_ids == (trunk_id,)
    assert Trunk.objects.get().remote_id == trunk_id


def test_an_answer_lost_on_the_way_makes_no_second_trunk(livekit):
    make_rule()
    pushed(livekit)
    Trunk.objects.update(remote_id="", applied_fingerprint="")
    pushed(livekit)
    assert len(livekit.lines) == 1


def test_a_deleted_row_leaves_livekit(livekit):
    rule = make_rule()
    pushed(livekit)
    trunk = rule.trunks.get()
    rule.delete()
    trunk.delete()
    pushed(livekit)
    assert (livekit.lines, livekit.answers) == ({}, {})


def test_a_trunk_switched_off_takes_its_rule_along(livekit):
    make_rule()
    pushed(livekit)
    Trunk.objects.update(enabled=False)
    report = pushed(livekit)
    assert (livekit.lines, livekit.answers) == ({}, {})
    assert "would answer anybody" in report.left[0]
    assert Trunk.objects.get().sync_state == "synced"
    assert DispatchRule.objects.get().sync_state == "failed"


def test_a_trunk_which_lost_its_last_number_is_withdrawn_not_opened(livekit):
    make_rule()
    pushed(livekit)
    Number.objects.all().delete()
    pushed(livekit)
    assert livekit.lines == {}
    assert "Add a number" in Trunk.objects.get().sync_error


def test_a_rule_of_an_unpublished_project_waits_and_says_so(livekit):
    make_rule(project=make_project(name="Bikes"))
    pushed(livekit)
    assert livekit.answers == {}
    rule = DispatchRule.objects.get()
    assert rule.sync_error == "Project “Bikes” is not published. Publish it first."


def test_publishing_again_moves_the_rule_to_the_new_plan(
    livekit, tasks_at_once, django_capture_on_commit_callbacks
):
    rule = make_rule()
    pushed(livekit)
    rule.project.greeting = "Something new."
    rule.project.save()
    with django_capture_on_commit_callbacks(execute=True):
        plan = make_plan(rule.project)
    (spec,) = livekit.answers.values()
    assert plan.digest in spec.agent_metadata


def test_the_failure_of_one_trunk_does_not_stop_the_others(livekit):
    livekit.trunks["ST_foreign"] = InboundTrunkSpec(
        tag="", name="", numbers=("12025550100",), allowed_addresses=(), ringing_timeout_s=0
    )
    make_rule(make_trunk(), make_trunk(name="Other", number="+12025550101"))
    pushed(livekit)
    failed, well = Trunk.objects.get(name="Sales"), Trunk.objects.get(name="Other")
    assert "ST_foreign on LiveKit, which is not ours" in failed.sync_error
    assert (failed.sync_state, well.sync_state) == ("failed", "synced")
    (rule,) = livekit.answers.values()
    assert rule.trunk_ids == (well.remote_id,)


def test_a_refusal_is_shown_and_the_next_push_tries_again(livekit):
    make_rule()
    livekit.refusing = "LiveKit refused: not today."
    pushed(livekit)
    assert Trunk.objects.get().sync_error == "LiveKit refused: not today."
    livekit.refusing = ""
    pushed(livekit)
    assert Trunk.objects.get().sync_error == ""
    assert len(livekit.answers) == 1


def test_a_refused_change_leaves_what_was_there_in_force(livekit):
    make_rule()
    pushed(livekit)
    before = dict(livekit.lines)
    Trunk.objects.update(name="Renamed")
    livekit.refusing = "LiveKit refused: not today."
    pushed(livekit)
    assert livekit.lines == before
    assert Trunk.objects.get().remote_id in livekit.lines


def test_a_number_moves_from_one_trunk_to_the_other(livekit):
    one, two = make_trunk(), make_trunk(name="Other", number="+12025550101")
    pushed(livekit)
    Number.objects.filter(trunk=two).delete()
    Number.objects.filter(trunk=one).update(trunk=two)
    Number.objects.create(e164="+12025550102", trunk=one)
    assert pushed(livekit).left == []
    numbers = {spec.name: spec.numbers[0] for spec in livekit.lines.values()}
    assert numbers == {"Sales": "+12025550102", "Other": "+12025550100"}


def test_two_trunks_swap_their_numbers(livekit):
    one, two = make_trunk(), make_trunk(name="Other", number="+12025550101")
    make_rule(one, two)
    pushed(livekit)
    Number.objects.filter(e164="+12025550100").update(trunk=two)
    Number.objects.filter(e164="+12025550101").update(trunk=one)
    assert pushed(livekit).left == []
    numbers = {spec.name: spec.numbers[0] for spec in livekit.lines.values()}
    assert numbers == {"Sales": "+12025550101", "Other": "+12025550100"}
    (rule,) = livekit.answers.values()
    assert set(rule.trunk_ids) == set(livekit.lines)


def test_two_rules_swap_their_trunks(livekit):
    one, two = make_trunk(), make_trunk(name="Other", number="+12025550101")
    first = make_rule(one)
    second = make_rule(two, name="Second", project=first.project)
    pushed(livekit)
    first.trunks.set([two])
    second.trunks.set([one])
    assert pushed(livekit).left == []
    one.refresh_from_db()
    second.refresh_from_db()
    assert livekit.answers[second.remote_id].trunk_ids == (one.remote_id,)


def test_an_inbound_trunk_becomes_outbound(livekit):
    trunk = make_trunk()
    pushed(livekit)
    Number.objects.all().delete()
    Trunk.objects.filter(pk=trunk.pk).update(
        direction="outbound", address="sip.example.com", caller_ids=["+12025550100"]
    )
    assert pushed(livekit).left == []
    (spec,) = livekit.lines.values()
    assert spec.address == "sip.example.com"


def test_foreign_objects_are_never_touched(livekit):
    foreign = InboundTrunkSpec(
        tag="", name="theirs", numbers=("+3312345678",), allowed_addresses=(), ringing_timeout_s=0
    )
    livekit.trunks["ST_theirs"] = foreign
    livekit.rules["SDR_theirs"] = foreign_rule(trunk_ids=("ST_theirs",))
    make_rule()
    report = pushed(livekit)
    assert livekit.trunks["ST_theirs"] == foreign
    assert "SDR_theirs" in livekit.answers
    assert report.warnings == []


def test_a_foreign_rule_without_trunks_is_warned_about(livekit, admin_client):
    livekit.rules["SDR_open"] = foreign_rule()
    assert "SDR_open" in pushed(livekit).warnings[0]
    assert "SDR_open" in livekit.answers
    page = admin_client.get("/admin/telephony/dispatchrule/").content.decode()
    assert "Rule SDR_open on LiveKit is not ours and names no trunk" in page


def test_while_livekit_is_away_rows_wait_and_say_why(livekit):
    make_rule()
    livekit.away = True
    with pytest.raises(GatewayUnavailable):
        pushed(livekit)
    trunk = Trunk.objects.get()
    assert (trunk.sync_state, trunk.sync_error) == ("pending", "LiveKit cannot be reached.")


def test_the_audit_repairs_without_being_asked(livekit):
    make_rule()
    tasks.audit()
    assert len(livekit.answers) == 1


def test_the_audit_bears_livekit_being_away(livekit):
    make_rule()
    livekit.away = True
    tasks.audit()
    livekit.away = False
    tasks.audit()
    assert len(livekit.answers) == 1


def test_a_digest_password_is_pushed_but_told_to_nobody(livekit, caplog):
    make_trunk(
        auth_username="user",
        sealed_auth_password=seal.seal("hunter2-secret", keys=settings.SEAL_KEYS),
    )
    pushed(livekit)
    (remote_id, spec), row = next(iter(livekit.lines.items())), Trunk.objects.get()
    assert spec.auth_password == "hunter2-secret"
    assert row.sync_state == "synced"
    livekit.trunks[remote_id] = replace(spec, auth_password="other")
    report = pushed(livekit)
    assert "auth_password" in report.differences[0]
    told = f"{report} {spec!r} {caplog.text} {row.applied_fingerprint} {row.sealed_auth_password}"
    assert "hunter2" not in told


def test_a_password_sealed_with_a_lost_key_is_shown_on_the_row(livekit):
    make_trunk(auth_username="user", sealed_auth_password="gAAAAA-broken")
    pushed(livekit)
    assert "SEAL_KEY" in Trunk.objects.get().sync_error


def test_synclivekit_prints_the_difference_and_fails(livekit, capsys):
    make_rule()
    with pytest.raises(CommandError, match="--apply"):
        call_command("synclivekit")
    assert "Different: Trunk “Sales”: missing on LiveKit." in capsys.readouterr().out
    assert livekit.writes == []
    assert Trunk.objects.get().sync_state == "pending"


def test_synclivekit_repairs_and_is_then_content(livekit, capsys):
    make_rule()
    call_command("synclivekit", "--apply")
    call_command("synclivekit")
    assert "LiveKit holds what is configured." in capsys.readouterr().out


def test_synclivekit_fails_while_something_is_left(livekit):
    make_rule(project=make_project())
    with pytest.raises(CommandError):
        call_command("synclivekit", "--apply")


def test_synclivekit_says_when_livekit_is_away(livekit):
    livekit.away = True
    with pytest.raises(CommandError, match="cannot be reached"):
        call_command("synclivekit")
