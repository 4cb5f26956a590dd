"""A supervisor's test call: to the worker's echo line and back. And a trunk without a rule."""

import asyncio
import json

import pytest

from telephony.caller.call import CallFailed

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def test_a_test_call_hears_the_announcement_and_itself(stack):
    told = json.loads(stack.manage("testcall", "--json"))
    assert told["ok"], told
    assert told["media"] == "127.0.0.1"
    assert len(told["steps"]) == 3
    assert not [r for r in stack.gateway().list_rules() if "test" in r.spec.tag]
    assert stack.rows("select * from telephony_call where room like 'echo_%'") == []


def test_without_a_worker_it_says_so(stack):
    with stack.without("worker"):
        told = json.loads(stack.manage("testcall", "--json", code=1))
    assert told["headline"].startswith(("The call rang", "The call was refused"))
    assert "worker" in told["advice"]


MAKE = """
from telephony.models import Trunk
trunk, _ = Trunk.objects.get_or_create(
    name="Ruleless", defaults={"allowed_addresses": ["127.0.0.1/32"]}
)
trunk.numbers.get_or_create(e164="+12025550666")
"""


def test_a_number_whose_trunk_has_no_rule_is_refused_and_listed(stack):
    stack.manage("shell", "-c", MAKE)
    stack.manage("synclivekit", "--apply")

    async def run() -> CallFailed:
        async with stack.call(caller="+12025550166", number="+12025550666") as call:
            with pytest.raises(CallFailed) as failure:
                await call.answered(15)  # without our hook it would ring for 20 s
            return failure.value

    assert asyncio.run(run()).status == 486
    row = stack.settled("+12025550166")
    assert (row["state"], row["end_reason"]) == ("failed", "no_rule")
    stack.manage("shell", "-c", "from telephony.models import *; "
                 "Trunk.objects.filter(name='Ruleless').delete()")  # fmt: skip
