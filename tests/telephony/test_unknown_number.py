"""A call to a number none of our trunks has: refused by LiveKit itself, and noted."""

import json
from dataclasses import replace

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from recordings.models import Recording, Transcript
from telephony import events, push, services, sync, tasks, translate, wanted, watch
from telephony.models import Call, DispatchRule, Number, Trunk
from telephony.sync import InboundTrunkSpec
from tests import hooks
from tests.factories import NOW, make_rule, make_trunk

pytestmark = [pytest.mark.db, pytest.mark.django_db]

ROOM = "unknown_+12025550123_XdadJ382EQFy"


def pushed(livekit, **options) -> push.Report:
    return push.push(now=NOW, gateway=livekit, **options)


def unknown(livekit):
    """LiveKit's trunk and rule for unknown numbers, or None."""
    trunks = [(i, t) for i, t in livekit.trunks.items() if t.tag == sync.UNKNOWN_TRUNK]
    rules = [rule for rule in livekit.rules.values() if rule.tag == sync.UNKNOWN_RULE]
    if not trunks:
        assert rules == []
        return None
    ((trunk_id, trunk),), (rule,) = trunks, rules
    assert rule.trunk_ids == (trunk_id,)
    return trunk, rule


def any_number(**values) -> InboundTrunkSpec:
    spec = InboundTrunkSpec(
        tag="", name="theirs", numbers=(), allowed_addresses=("192.0.2.1",), ringing_timeout_s=0
    )
    return replace(spec, **values)


# --- what LiveKit holds ---------------------------------------------------------------------------


def test_one_trunk_takes_what_our_carriers_send_to_numbers_nobody_has(livekit):
    make_rule(
        make_trunk(allowed_addresses=["203.0.113.0/28", "192.0.2.7"]),
        make_trunk(name="B", number="+12025550101", allowed_addresses=["192.0.2.7/32"]),
    )
    assert pushed(livekit).left == []
    trunk, rule = unknown(livekit)
    assert trunk.numbers == ()
    assert trunk.allowed_addresses == ("192.0.2.7/32", "203.0.113.0/28")
    assert (trunk.ringing_timeout_s, trunk.auth_username) == (1, "")
    assert (rule.room_prefix, rule.agent_name, rule.agent_metadata) == ("unknown", "", "")
    assert len(livekit.lines) == 2


def test_a_second_push_changes_nothing(livekit):
    make_rule()
    pushed(livekit)
    writes = list(livekit.writes)
    assert pushed(livekit).differences == []
    assert livekit.writes == writes


def test_only_enabled_inbound_trunks_count(livekit):
    make_trunk()
    make_trunk(name="Off", number="", allowed_addresses=["192.0.2.1"], enabled=False)
    make_trunk(name="Out", number="", allowed_addresses=["192.0.2.2"], direction="outbound")
    pushed(livekit)
    assert unknown(livekit)[0].allowed_addresses == ("127.0.0.1/32",)


def test_a_line_which_lost_its_last_number_still_refuses(livekit):
    make_rule()
    Number.objects.all().delete()
    pushed(livekit)
    assert livekit.lines == {}
    assert unknown(livekit)


@pytest.mark.parametrize("addresses", [[], ["no address"]])
def test_without_addresses_there_is_no_trunk_open_to_everybody(livekit, addresses):
    make_rule()
    pushed(livekit)
    assert unknown(livekit)
    Trunk.objects.update(allowed_addresses=addresses)
    pushed(livekit)
    assert unknown(livekit) is None


def test_it_goes_with_the_last_trunk(livekit):
    make_rule()
    pushed(livekit)
    DispatchRule.objects.all().delete()
    Trunk.objects.all().delete()
    pushed(livekit)
    assert (livekit.trunks, livekit.rules) == ({}, {})


@pytest.mark.parametrize(
    "change", [{"allowed_addresses": ()}, {"ringing_timeout_s": 60}, {"extras": ("krisp_enabled",)}]
)
def test_whatever_somebody_changes_on_it_is_put_back(livekit, change):
    make_rule()
    pushed(livekit)
    before = dict(livekit.trunks)
    remote_id = next(i for i, t in before.items() if t.tag == sync.UNKNOWN_TRUNK)
    livekit.trunks[remote_id] = replace(before[remote_id], **change)
    (difference,) = pushed(livekit).differences
    assert difference.startswith("Trunk “unknown numbers”: ")
    assert livekit.trunks == before


def test_an_agent_without_a_name_is_seen_on_a_rule_which_asks_for_none():
    """LiveKit would offer the call to any worker which has no name either."""
    message = translate.rule_message(wanted.unknown_rule_spec("ST_1"))
    assert not message.room_config.agents
    assert translate.live_rule(message).spec.extras == ()
    message.room_config.agents.add()
    assert translate.live_rule(message).spec.extras == ("room_config.agents",)


def test_synclivekit_prints_that_it_is_missing(livekit, capsys):
    make_rule()
    pushed(livekit)
    del livekit.trunks[next(i for i, t in livekit.trunks.items() if t.tag == sync.UNKNOWN_TRUNK)]
    with pytest.raises(CommandError):
        call_command("synclivekit")
    told = capsys.readouterr().out
    assert "Different: Trunk “unknown numbers”: missing on LiveKit." in told
    assert "Rule “unknown numbers”: trunk_ids" in told
    call_command("synclivekit", "--apply")
    call_command("synclivekit")
    assert unknown(livekit)


def test_beside_a_foreign_trunk_for_any_number_there_is_none_but_a_warning(livekit, admin_client):
    make_rule()
    pushed(livekit)
    foreign = livekit.trunks["ST_theirs"] = any_number()
    report = pushed(livekit)
    assert unknown(livekit) is None
    assert livekit.trunks["ST_theirs"] == foreign
    assert (len(livekit.lines), report.left) == (2, [])
    assert "ST_theirs on LiveKit is not ours and takes any number" in report.warnings[0]
    page = admin_client.get("/admin/telephony/dispatchrule/").content.decode()
    assert "takes any number" in page
    del livekit.trunks["ST_theirs"]
    assert pushed(livekit).warnings == []
    assert unknown(livekit)


def test_a_foreign_trunk_with_numbers_is_not_in_the_way(livekit):
    livekit.trunks["ST_theirs"] = any_number(numbers=("+3312345678",))
    make_rule()
    assert pushed(livekit).warnings == []
    assert unknown(livekit)


def test_a_refusal_is_told_though_no_row_can_show_it(livekit):
    livekit.refusing = "LiveKit refused: not today."
    make_trunk()
    assert "Trunk “unknown numbers”: LiveKit refused: not today." in pushed(livekit).left


# --- what becomes of such a call ------------------------------------------------------------------


@pytest.fixture
def deliver(client, livekit, tasks_at_once, django_capture_on_commit_callbacks):
    """A captured hook, as of a room for unknown numbers."""

    def deliver(name: str) -> None:
        told = json.loads(hooks.captured(name).replace(b"call_+", b"unknown_+"))
        if "participant" in told and told["participant"]["kind"] == "SIP":
            told["participant"]["attributes"]["sip.trunkPhoneNumber"] = "+12025550999"
        with django_capture_on_commit_callbacks(execute=True):
            assert hooks.post(client, json.dumps(told).encode()).status_code == 204

    return deliver


def test_the_call_is_noted_and_its_room_deleted(livekit, deliver):
    make_rule()
    livekit.ring(ROOM)
    deliver("caller_participant_joined")
    call = Call.objects.get()
    assert (call.room, call.caller, call.called) == (ROOM, "+12025550123", "+12025550999")
    assert (call.state, call.end_reason) == ("failed", "unknown_number")
    assert call.ended_at == call.started_at
    assert (call.trunk, call.number, call.project, call.plan_digest) == (None, None, None, "")
    assert ROOM not in livekit.rooms
    assert not Recording.objects.exists()
    assert Transcript.objects.get().text == ""


def test_nobody_is_told_that_a_call_was_opened(livekit, deliver, monkeypatch):
    told = []
    for name in ("call_opened", "call_over"):
        monkeypatch.setitem(events._table, name, [lambda *, payload, n=name: told.append(n)])
    deliver("caller_participant_joined")
    tasks.sweep_events()
    assert told == ["call_over"]


def test_later_hooks_and_the_reconciler_leave_it_alone(livekit, deliver):
    deliver("caller_participant_joined")
    before = Call.objects.values().get()
    deliver("caller_participant_left")
    deliver("room_finished")
    livekit.ring(ROOM)
    watch.reconcile_calls(now=NOW, gateway=livekit)
    assert Call.objects.values().get() == before
    assert not services.is_ours(ROOM)


def test_livekit_away_is_no_error(livekit, deliver):
    livekit.away = True
    deliver("caller_participant_joined")
    assert Call.objects.get().end_reason == "unknown_number"


def test_an_agent_there_is_no_call(deliver):
    deliver("agent_participant_joined")
    assert not Call.objects.exists()


def test_no_other_call_is_refused_by_that_task(livekit):
    livekit.ring("call_1_abc")
    call = services.ensure_call(room="call_1_abc", at=NOW)
    tasks.refuse_call(call_id=call.pk)
    assert "call_1_abc" in livekit.rooms


def test_a_supervisor_sees_it(deliver, admin_client):
    deliver("caller_participant_joined")
    words = "Nobody here has the number that was dialled."
    shown = admin_client.get("/admin/telephony/call/").content.decode()
    assert words in shown
    call = Call.objects.get()
    answer = admin_client.get(reverse("admin:telephony_call_change", args=[call.pk]))
    assert answer.status_code == 200
    page = answer.content.decode()
    assert words in page
    assert "+1 202-555-0999" in page
    assert "This call was not recorded." in page
    assert "being put together" not in page
    fragment = admin_client.get(reverse("recordings:fragment", args=[call.pk]))
    assert fragment.status_code < 300
