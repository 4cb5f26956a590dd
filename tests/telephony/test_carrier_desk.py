"""Carriers' hooks as a supervisor sees them: the form, what to enter where, the doctor."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import seal
from telephony import carrier_hooks, doctor, paging
from telephony.doctor import Level
from telephony.forms_carriers import CarrierHookForm
from telephony.models import CarrierCall, CarrierHook
from tests import carriers as sent
from tests.factories import make_call, make_trunk

pytestmark = [pytest.mark.db, pytest.mark.django_db]

ADD = "/admin/telephony/carrierhook/add/"


@pytest.fixture
def desk(client):
    client.force_login(User.objects.create_superuser("boss"))
    return client


def form(**values: object) -> CarrierHookForm:
    return CarrierHookForm({"name": "T", "kind": "twilio", "secret": "s" * 32} | values)


def test_a_hook_is_made_and_tells_its_address_but_never_its_secret(desk, settings):
    values = {"name": "Twilio", "kind": "twilio", "secret": sent.SECRET, "enabled": "on",
              "mapping": ""}  # fmt: skip
    assert desk.post(ADD, values).status_code == 302
    hook = CarrierHook.objects.get()
    assert seal.unseal(hook.sealed_secret, keys=settings.SEAL_KEYS) == sent.SECRET
    page = desk.get(f"/admin/telephony/carrierhook/{hook.pk}/change/").content.decode()
    assert carrier_hooks.address(hook) in page
    assert "Event Streams" in page
    assert sent.SECRET not in page
    assert hook.sealed_secret not in page


def test_saving_without_a_secret_keeps_the_one_there_is(desk):
    hook = sent.make_hook("plivo")
    values = {"name": "Renamed", "kind": "plivo", "secret": "", "mapping": ""}
    desk.post(f"/admin/telephony/carrierhook/{hook.pk}/change/", values)
    before = hook.sealed_secret
    hook.refresh_from_db()
    assert (hook.name, hook.sealed_secret) == ("Renamed", before)


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({"secret": ""}, "secret", "Without it"),
        ({"kind": "telnyx", "secret": "nonsense"}, "secret", "no public key"),
        ({"kind": "generic", "secret": "short"}, "secret", "too short"),
        ({"kind": "generic", "mapping": "colour = red"}, "mapping", "no field of ours"),
        ({"kind": "generic", "mapping": "price = <b>"}, "mapping", "names no field"),
    ],
)
def test_what_cannot_work_is_refused_with_a_reason(values, field, words):
    filled = form(**values)
    assert not filled.is_valid()
    assert words in str(filled.errors[field])


def test_fields_are_typed_one_a_line():
    filled = form(kind="generic", mapping="carrier_id = call.uuid\n\nprice=bill.amount")
    assert filled.is_valid(), filled.errors
    assert filled.cleaned_data["mapping"] == {"carrier_id": "call.uuid", "price": "bill.amount"}


def test_the_lists_ask_as_often_for_many_rows_as_for_one(desk, django_assert_max_num_queries):
    for n in range(12):
        sent.make_hook("telnyx", name=f"hook {n}")
    with django_assert_max_num_queries(8):
        assert desk.get("/admin/telephony/carrierhook/").status_code == 200
    with django_assert_max_num_queries(8):
        assert desk.get("/admin/telephony/carriercall/").status_code == 200


def test_a_long_list_is_not_counted_to_its_end(desk, monkeypatch):
    monkeypatch.setattr(paging, "MOST", 3)
    for n in range(5):
        CarrierCall.objects.create(kind="telnyx", carrier_id=f"x{n}", heard_at=timezone.now())
    with CaptureQueriesContext(connection) as queries:
        assert desk.get("/admin/telephony/carriercall/?q=x1").status_code == 200
    counts = [q["sql"] for q in queries if "COUNT(" in q["sql"] and "carriercall" in q["sql"]]
    assert counts
    assert all("LIMIT 3" in sql for sql in counts)


def carriers_findings(livekit):
    found = doctor.examine(gateway=livekit, now=timezone.now())
    return [f for f in found if f.about.startswith("Hook ")]


def test_the_doctor_says_why_a_hook_was_refused(client, livekit):
    hook = sent.make_hook("twilio", name="Twilio")
    assert carriers_findings(livekit) == []
    sent.post(client, hook, sent.payload("twilio/status_completed"), secret="wrong")
    (finding,) = carriers_findings(livekit)
    assert (finding.level, finding.about) == (Level.WARNING, "Hook Twilio")
    assert "auth token" in finding.text
    assert hook.token not in finding.text + finding.advice
    sent.post(client, hook, sent.payload("twilio/status_completed"))
    assert carriers_findings(livekit) == []


def test_the_doctor_misses_a_carrier_who_tells_of_no_call(livekit):
    trunk = make_trunk()
    hook = sent.make_hook("telnyx", trunk)
    CarrierHook.objects.update(created_at=timezone.now() - timedelta(days=2))
    assert carriers_findings(livekit) == []
    make_call(trunk=trunk, started_at=timezone.now() - timedelta(hours=2))
    (finding,) = carriers_findings(livekit)
    assert "never told" in finding.text
    CarrierHook.objects.filter(pk=hook.pk).update(seen_at=timezone.now())
    assert carriers_findings(livekit) == []
