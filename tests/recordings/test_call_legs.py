"""The telephones of a call on its page: state, SIP status, the carrier's id, cause and price."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from telephony.models import Call, CarrierCall, Leg
from tests.factories import NOW, make_call

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def desk(client):
    client.force_login(User.objects.create_superuser("boss"))
    return client


def over(**values) -> Call:
    known: dict[str, Any] = {"state": "ended", "ended_at": NOW}
    return make_call(**(known | values))


def add_leg(call: Call, n: int = 1, **facts) -> None:
    leg = Leg.objects.create(
        call=call, identity=f"sip_{n}", remote="+12025550123", started_at=NOW, state="ended",
        carrier_id=f"CA{n}",
    )  # fmt: skip
    if facts:
        values = {"kind": "telnyx", "carrier_id": f"CA{n}", "call": call, "leg": leg}
        CarrierCall.objects.create(**(values | {"heard_at": NOW} | facts))


def page_of(desk, call: Call) -> str:
    return desk.get(f"/admin/telephony/call/{call.pk}/change/").content.decode()


def test_a_leg_shows_what_livekit_and_the_carrier_say(desk):
    call = over()
    facts: dict[str, Any] = {"sip_status": 486, "cause": 17, "words": "The line was <b>busy</b>.",
             "price": Decimal("0.008500"), "currency": "USD", "duration_s": 31}  # fmt: skip
    add_leg(call, **facts)
    page = page_of(desk, call)
    for words in ("+1 202-555-0123", "486", "(cause 17)", "0.0085 USD", "Telnyx's id", "CA1"):
        assert words in page
    assert "<b>busy</b>" not in page


def test_a_call_known_to_the_carrier_only_shows_its_words(desk):
    call = over(room="carrier_telnyx_x", state="failed")
    CarrierCall.objects.create(
        kind="telnyx", carrier_id="x", call=call, caller="+12025550123", words="Nobody answered.",
        heard_at=NOW, state="ended",
    )  # fmt: skip
    page = page_of(desk, call)
    assert "told by the carrier only" in page
    assert "Nobody answered." in page


def test_the_page_asks_as_often_for_many_legs_as_for_one(desk):
    one, many = over(), over(room="call_2_x")
    add_leg(one, 1, price=Decimal("0.1"))
    for n in range(2, 9):
        add_leg(many, n, price=Decimal("0.1"))
    page_of(desk, one)  # what is asked for once
    counts = []
    for call in (one, many):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            page_of(desk, call)
        counts.append(len(queries))
    assert counts[0] == counts[1]
