"""Lists which grow for years: no page counts them, and numbers are found by an index."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from telephony import paging
from telephony.models import (
    CallerRule,
    CarrierCall,
    Delivery,
    DoNotCall,
    InboundEvent,
    OutboundCall,
    OutgoingEvent,
    Subscription,
    TransferOrder,
)
from tests.factories import NOW, make_call, make_destination, make_line, make_project

pytestmark = [pytest.mark.db, pytest.mark.django_db]

NAMES = [
    "callerrule", "carriercall", "delivery", "donotcall", "inboundevent", "outboundcall",
    "transferorder",
]  # fmt: skip


class Rows:
    """Grows all lists alike: of one project, line, hook and destination."""

    def __init__(self) -> None:
        self.project, self.line, self.target = make_project(), make_line(), make_destination()
        address = "https://x.example/"
        self.hook = Subscription.objects.create(name="S", url=address, created_at=NOW)
        self.count = 0

    def grow(self, count: int) -> None:
        for n in range(self.count, self.count + count):
            self._one(n, f"1202555{n:04}")
        self.count += count

    def _one(self, n: int, number: str) -> None:
        at = NOW - timedelta(minutes=n // 2)
        CallerRule.objects.create(digits=number, note="loud")
        CarrierCall.objects.create(kind="telnyx", carrier_id=str(n), heard_at=at)
        DoNotCall.objects.create(number=f"+{number}")
        InboundEvent.objects.create(
            event_id=f"EV_{n}", name="told", payload={}, received_at=at, try_after=at
        )
        OutboundCall.objects.create(
            to=f"+{number}", project=self.project, trunk=self.line, caller_id="+1", next_at=at,
            requested_at=at, outcome="busy", state="failed",
        )  # fmt: skip
        call = make_call(room=f"call_{n}", state="ended", ended_at=NOW)
        event = OutgoingEvent.objects.create(
            uid=f"evt_{n}", type="call.started", sequence=n, body="{}", created_at=at, call=call
        )
        Delivery.objects.create(event=event, subscription=self.hook)
        TransferOrder.objects.create(
            call=call, destination=self.target, by="boss", at=at, state="done"
        )


@pytest.fixture
def rows(db) -> Rows:
    return Rows()


class Page:
    def __init__(self, client, name: str, query: str = "") -> None:
        with CaptureQueriesContext(connection) as asked:
            self.answer = client.get(f"/admin/telephony/{name}/{query}")
        assert self.answer.status_code == 200
        self.asked = len(asked)
        table = f'"telephony_{name}"'
        self.mine = [q["sql"] for q in asked if f"FROM {table}" in q["sql"]]

    @property
    def shown(self) -> int:
        return len(self.answer.context["cl"].result_list)


@pytest.mark.parametrize("name", NAMES)
def test_a_long_list_is_not_counted_and_asks_as_often_as_a_short_one(
    admin_client, rows, monkeypatch, name
):
    monkeypatch.setattr(paging, "MOST", 110)
    rows.grow(3)
    Page(admin_client, name)
    short = Page(admin_client, name)
    assert short.shown == 3
    rows.grow(117)
    long = Page(admin_client, name)
    assert long.asked <= short.asked
    assert long.shown in {50, 100}
    assert long.mine
    assert all("LIMIT" in sql for sql in long.mine), long.mine
    assert not any("DISTINCT" in sql for sql in long.mine)


@pytest.mark.parametrize(
    ("name", "found", "beginning"),
    [("callerrule", 1, 10), ("donotcall", 1, 10), ("outboundcall", 1, 10)],
)
def test_numbers_are_found_by_their_beginning(admin_client, rows, name, found, beginning):
    rows.grow(20)
    for typed in ("%2B1 202 555-0007", "0012025550007", "12025550007"):
        page = Page(admin_client, name, f"?q={typed}")
        assert page.shown == found
    assert Page(admin_client, name, "?q=1202555000").shown == beginning
    assert not any("LIKE '%" in sql for sql in page.mine)
    assert Page(admin_client, name, "?q=5550007").shown == 0


def test_a_rule_is_also_found_by_words_of_its_note(admin_client, rows):
    rows.grow(2)
    CallerRule.objects.create(digits="4930", note="Sells carpets")
    assert Page(admin_client, "callerrule", "?q=carpet").shown == 1


@pytest.mark.parametrize("name", ["outboundcall", "transferorder"])
def test_pages_of_history_follow_each_other(admin_client, rows, name):
    rows.grow(60)
    first = Page(admin_client, name).answer.context["cl"]
    second = Page(admin_client, name, first.older).answer.context["cl"]
    keys = [row.pk for row in (*first.result_list, *second.result_list)]
    assert len(keys) == len(set(keys)) == 60


@pytest.mark.parametrize("state", ["failed", "waiting"])
def test_outbound_calls_are_filtered(admin_client, rows, state):
    rows.grow(2)
    assert Page(admin_client, "outboundcall", f"?state__exact={state}").shown == (
        2 if state == "failed" else 0
    )
