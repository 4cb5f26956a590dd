"""Calls made over the API."""

from datetime import UTC, datetime

import pytest
from django.utils import timezone

from telephony.models import DestinationRule, OutboundCall
from tests.factories import make_plan, make_project, make_trunk
from tests.telephony.api_client import Api, make_key

pytestmark = [pytest.mark.db, pytest.mark.django_db]

MONDAY = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)  # 11:00 in New York
CALLEE = "+12025550123"


@pytest.fixture
def api(livekit, monkeypatch) -> Api:
    monkeypatch.setattr(timezone, "now", lambda: MONDAY)
    return Api(make_key())


@pytest.fixture
def body() -> dict[str, object]:
    project = make_project()
    make_plan(project)
    make_trunk(
        number="", name="Out", direction="outbound", address="127.0.0.1:5070",
        caller_ids=["+12025550100"], remote_id="ST_out",
    )  # fmt: skip
    return {"to": CALLEE, "project_id": project.pk, "variables": {"name": "Ada"}}


def test_a_call_is_started_once_under_one_key(api, body):
    DestinationRule.objects.create(prefix="+1202")
    answers = [api("POST", "/calls", body, Idempotency_Key="a") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    (row,) = OutboundCall.objects.all()
    assert (row.to, row.requested_by[:5], row.variables) == (CALLEE, "api: ", {"name": "Ada"})
    assert answers[0].json() == answers[1].json()
    told = api("GET", f"/outbound-calls/{row.pk}").json()
    assert (told["to"], told["state"], told["call_id"]) == (CALLEE, "waiting", None)


def test_whom_no_rule_allows_is_not_called(api, body):
    answer = api("POST", "/calls", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "call_not_allowed")
    assert answer.json()["error"]["message"]
    assert not OutboundCall.objects.exists()
