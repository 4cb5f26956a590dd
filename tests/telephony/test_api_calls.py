"""Calls and projects over the API."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.models import FaqEntry, Project
from telephony import legs
from telephony.models import Call
from tests.factories import NOW, make_call, make_plan, make_project, make_trunk
from tests.telephony.api_client import Api, make_key

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def api() -> Api:
    return Api(make_key())


def make_calls(count: int, *, first: int = 0) -> list[Call]:
    """Pairs which began at the same moment, so that the time alone does not order them."""
    return [
        make_call(room=f"call_{n}", started_at=NOW + timedelta(seconds=n // 2))
        for n in range(first, first + count)
    ]


def all_pages(api: Api, path: str, *, between=lambda: None) -> list[int]:
    found, cursor = [], ""
    while True:
        answer = api("GET", f"{path}&cursor={cursor}").json()
        found += [item["id"] for item in answer["items"]]
        cursor = answer["next_cursor"]
        if not cursor:
            return found
        between()


def test_pages_hold_each_call_once_while_new_ones_come(api):
    there = make_calls(11)
    arrived = iter(range(100, 200))
    seen = all_pages(api, "/calls?limit=3", between=lambda: make_calls(1, first=next(arrived)))
    assert seen == [call.pk for call in sorted(there, key=lambda c: (c.started_at, c.pk))[::-1]]


def test_a_page_which_is_just_full_is_the_last(api):
    make_calls(4)
    assert len(all_pages(api, "/calls?limit=2")) == 4
    assert api("GET", "/calls?limit=4").json()["next_cursor"] == ""


def test_a_page_of_calls_is_one_query_without_a_count(api):
    for call in make_calls(40):
        Call.objects.filter(pk=call.pk).update(project=Project.objects.first() or make_project())
    cursor = api("GET", "/calls?limit=10").json()["next_cursor"]
    with CaptureQueriesContext(connection) as queries:
        api("GET", f"/calls?limit=10&cursor={cursor}")
    asked = [q["sql"] for q in queries.captured_queries]
    assert len(asked) <= 2  # the key, the calls
    assert not any("COUNT(" in sql for sql in asked)


@pytest.mark.parametrize(
    ("query", "rooms"),
    [
        ("state=open", ["c", "b"]),
        ("state=ended", ["a"]),
        ("state=talking", ["c"]),
        ("caller=%2B12025550123", ["a"]),
        ("called=%2B12025550100", ["b"]),
        ("handover_requested=true", ["c"]),
        ("direction=outbound", ["b"]),
        ("started_after=2026-11-21T10:00:01Z", ["c", "b"]),
        ("started_before=2026-11-21T12:00:01%2B02:00", ["a"]),
        ("project_id=999", []),
    ],
)
def test_calls_are_filtered(api, query, rooms):
    make_call(room="a", state="ended", ended_at=NOW, caller="+12025550123")
    make_call(
        room="b", called="+12025550100", direction="outbound",
        started_at=NOW + timedelta(seconds=1),
    )  # fmt: skip
    make_call(
        room="c", state="talking", handover_requested=True, started_at=NOW + timedelta(seconds=2)
    )
    answer = api("GET", f"/calls?{query}")
    assert [call["room"] for call in answer.json()["items"]] == rooms


def test_numbers_which_are_looked_for_are_not_logged(api, caplog):
    """Also not when the request is refused, which Django logs."""
    from contactcenter.logs import JsonFormatter

    assert api("GET", "/calls?caller=%2B12025550123&limit=0").status_code == 422
    told = "".join(JsonFormatter().format(record) for record in caplog.records)
    assert "/api/v1/calls" in told
    assert "12025550123" not in told


def test_a_call_has_its_legs(api):
    trunk = make_trunk(remote_id="ST_1")
    call = make_call(trunk=trunk, caller="+12025550123", plan_digest="d" * 64)
    attributes = {
        "sip.callID": "SCL_1", "sip.callStatus": "active", "sip.phoneNumber": "+12025550123",
        "sip.trunkID": "ST_1", "sip.ruleID": "SDR_1", "sip.twilio.callSid": "CA1",
    }  # fmt: skip
    legs.note(call_id=call.pk, identity="sip_1", attributes=attributes, at=NOW)
    told = api("GET", f"/calls/{call.pk}").json()
    assert told["plan_digest"] == "d" * 64
    assert told["trunk_id"] == trunk.pk
    (leg,) = told["legs"]
    assert (leg["role"], leg["state"], leg["carrier_id"]) == ("main", "active", "CA1")
    assert leg["answered_at"] == told["started_at"] == "2026-11-21T10:00:00Z"


# --- projects -------------------------------------------------------------------------------------

PROJECT = {"slug": "bikes", "name": "Bikes", "greeting": "Hello."}
FAQ = {"question": "When are you open?", "variants": ["Opening hours"], "answer": "Nine to six."}


def test_a_project_is_made_filled_and_published(api):
    made = api("POST", "/projects", PROJECT)
    assert made.status_code == 201
    pk = made.json()["id"]
    assert made.json()["goodbye"] == "Thank you for calling. Good-bye."
    incomplete = api("POST", f"/projects/{pk}/publish")
    assert (incomplete.status_code, incomplete.json()["error"]["code"]) == (409, "draft_incomplete")
    assert any("FAQ is empty" in d["message"] for d in incomplete.json()["error"]["details"])
    filled = api("PUT", f"/projects/{pk}/faq", {"items": [FAQ | {"digit": "1"}]})
    assert filled.json()["faq"] == [FAQ | {"digit": "1", "live": False}]
    published = api("POST", f"/projects/{pk}/publish")
    assert (published.status_code, published.json()["version"]) == (200, 1)
    assert published.json()["by"].startswith("api: ")
    told = api("GET", f"/projects/{pk}").json()
    assert told["published"]["digest"] == published.json()["digest"]
    assert told["has_unpublished_changes"] is False
    changed = api("PATCH", f"/projects/{pk}", {"greeting": "Good day."}).json()
    assert (changed["greeting"], changed["has_unpublished_changes"]) == ("Good day.", True)


def test_what_is_not_given_stays(api):
    project = make_project(language="en-GB", use_filler=False, silence_s=20, tier="local")
    before = Project.objects.values().get()
    answer = api("PATCH", f"/projects/{project.pk}", {"name": "Shop 2"})
    assert answer.status_code == 200
    assert Project.objects.values().get() == before | {"name": "Shop 2"}
    assert project.members.count() == 3
    assert FaqEntry.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"language": "English"}, "language"),
        ({"silence_s": 1}, "silence_s"),
        ({"greeting": ""}, "greeting"),
        ({"fallback_number": "555"}, "fallback_number"),
    ],
)
def test_the_admins_rules_hold_for_projects(api, change, field):
    project = make_project()
    answer = api("PATCH", f"/projects/{project.pk}", change)
    assert answer.status_code == 422
    assert [d["field"] for d in answer.json()["error"]["details"]] == [field]


def test_a_faq_is_replaced_as_a_whole_or_not_at_all(api):
    project = make_project()
    twice = [FAQ | {"digit": "2"}, FAQ | {"question": "Where are you?", "digit": "2"}]
    refused = api("PUT", f"/projects/{project.pk}/faq", {"items": twice})
    assert refused.status_code == 422
    assert "has this key" in refused.json()["error"]["message"]
    assert project.faq.get().digit == "1"
    taken = api("PUT", f"/projects/{project.pk}/faq", {"items": []})
    assert (taken.status_code, taken.json()["faq"]) == (200, [])


def test_a_slug_once_and_for_good(api):
    make_project(slug="bikes")
    assert api("POST", "/projects", PROJECT).status_code == 409
    pk = Project.objects.get().pk
    assert api("PATCH", f"/projects/{pk}", {"slug": "cars"}).status_code == 422


def test_projects_show_no_key(api):
    """Accounts are named, not shown."""
    from django.conf import settings

    from agents import seal
    from tests.factories import make_account

    sealed = seal.seal("canary-4711", keys=settings.SEAL_KEYS)
    account = make_account("deepgram-stt", sealed_key=sealed)
    project = make_project(stt_account=account)
    make_plan(make_project(slug="two"))
    for path in ("/projects", f"/projects/{project.pk}"):
        text = api("GET", path).content.decode()
        assert "Account deepgram-stt" in text
        assert "canary-4711" not in text
        assert sealed not in text


def test_a_page_of_projects_asks_as_often_for_many(api):
    make_project()
    for n in range(4):
        make_project(slug=f"p{n}")
    with CaptureQueriesContext(connection) as queries:
        assert len(api("GET", "/projects").json()["items"]) == 5
    assert len(queries) <= 6
