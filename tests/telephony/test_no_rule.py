"""A call to a trunk which no rule names: refused by LiveKit itself, and noted."""

import json
from dataclasses import replace

import pytest

from telephony import dryrun, push, sync
from telephony.models import Call, DispatchRule, Trunk
from telephony.sync import RuleSpec
from tests import hooks
from tests.factories import NOW, NUMBER, make_rule, make_trunk

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def pushed(livekit) -> push.Report:
    return push.push(now=NOW, gateway=livekit)


def refusing(livekit) -> RuleSpec:
    return next(r for r in livekit.rules.values() if r.tag == sync.NO_RULE)


def is_refusing(livekit) -> bool:
    return any(r.tag == sync.NO_RULE for r in livekit.rules.values())


def line_of(livekit, name: str) -> str:
    return next(i for i, spec in livekit.trunks.items() if spec.name == name)


def test_only_trunks_which_nobody_answers_are_named(livekit):
    make_rule()
    make_trunk(name="Quiet", number="+12025550101")
    make_trunk(name="Out", number="", direction="outbound", address="sip.example.com",
               caller_ids=["+12025550102"])  # fmt: skip
    assert pushed(livekit).left == []
    rule = refusing(livekit)
    assert rule.trunk_ids == (line_of(livekit, "Quiet"),)
    assert (rule.room_prefix, rule.agent_name) == ("norule", "")
    writes = list(livekit.writes)
    assert pushed(livekit).differences == []
    assert livekit.writes == writes


def test_a_rule_switched_off_and_on_again_hands_the_trunk_over(livekit):
    make_rule()
    pushed(livekit)
    assert not is_refusing(livekit)
    DispatchRule.objects.update(enabled=False)
    assert pushed(livekit).left == []
    assert refusing(livekit).trunk_ids == (line_of(livekit, "Sales"),)
    told = dryrun.ask(called=NUMBER, address="127.0.0.1", gateway=livekit)
    assert told.headline == "The call is refused: no rule says who answers."
    assert told.advice == dryrun.ADD_RULE
    DispatchRule.objects.update(enabled=True)
    assert pushed(livekit).left == []
    assert not is_refusing(livekit)


def test_one_trunk_of_two_is_handed_over(livekit):
    make_rule(make_trunk(), make_trunk(name="Second", number="+12025550101"))
    rule = DispatchRule.objects.get()
    rule.trunks.set([rule.trunks.get(name="Sales")])
    pushed(livekit)
    assert refusing(livekit).trunk_ids == (line_of(livekit, "Second"),)
    rule.trunks.add(make_trunk(name="Third", number="+12025550102"))
    rule.trunks.add(*Trunk.objects.all())
    assert pushed(livekit).left == []
    assert not is_refusing(livekit)


@pytest.mark.parametrize("names_it", [True, False])
def test_what_somebody_elses_rule_takes_stays_his(livekit, names_it):
    make_trunk()
    pushed(livekit)
    mine = refusing(livekit)
    trunk_ids = mine.trunk_ids if names_it else ()
    livekit.rules = {"SDR_theirs": replace(mine, tag="by hand", trunk_ids=trunk_ids)}
    assert pushed(livekit).left == []
    assert not is_refusing(livekit)


def test_the_call_is_noted_with_its_reason_and_refused(
    client, livekit, tasks_at_once, django_capture_on_commit_callbacks
):
    trunk = make_trunk()
    room = "norule_+12025550123_XdadJ382EQFy"
    livekit.ring(room)
    told = hooks.captured("caller_participant_joined").replace(b"call_+", b"norule_+")
    payload = json.loads(told)
    payload["participant"]["attributes"]["sip.trunkPhoneNumber"] = NUMBER
    with django_capture_on_commit_callbacks(execute=True):
        assert hooks.post(client, json.dumps(payload).encode()).status_code == 204
    call = Call.objects.get()
    assert (call.state, call.end_reason) == ("failed", "no_rule")
    assert (call.trunk, call.number) == (trunk, trunk.numbers.get())
    assert room not in livekit.rooms
