"""A supervisor's test call: through the real SIP server to the worker's echo line and back."""

import json

import pytest

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
