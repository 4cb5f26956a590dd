"""Carriers' hooks: each twice and in every order, forged, stale, cut off; joined to our calls."""

import json
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import DatabaseError
from django.utils import timezone

from agents import seal
from telephony import carrier_hooks, carriers, inbox
from telephony.models import Call, CarrierCall, CarrierHook, InboundEvent, Leg
from tests import carriers as sent
from tests import hooks
from tests.factories import make_call, make_rule, make_trunk

pytestmark = [pytest.mark.db, pytest.mark.django_db]

KINDS = ["twilio", "telnyx", "plivo", "generic"]
ALL = sorted(
    f"{path.parent.name}/{path.stem}" for kind in KINDS for path in sent.PAYLOADS.glob(f"{kind}/*")
)
ONE = {"twilio": "twilio/status_completed", "telnyx": "telnyx/call_hangup",
       "plivo": "plivo/hangup", "generic": "generic/ended"}  # fmt: skip
STARTED = datetime(2026, 11, 21, 10, 44, 56, 281000, tzinfo=UTC)


@pytest.fixture
def trunk():
    return make_trunk(remote_id="ST_ts3Vz4Vp8XvX")


@pytest.fixture
def deliver(client, livekit, tasks_at_once, django_capture_on_commit_callbacks):
    def deliver(hook: CarrierHook, *names: str) -> None:
        for name in names:
            with django_capture_on_commit_callbacks(execute=True):
                assert sent.post(client, hook, sent.payload(name)).status_code == 200
        assert not InboundEvent.objects.exclude(error="").exists()

    return deliver


@pytest.fixture
def livekit_tells(client, livekit, tasks_at_once, django_capture_on_commit_callbacks):
    def livekit_tells(name: str, **attributes: str) -> None:
        told = json.loads(hooks.captured(name))
        if attributes:
            told["participant"]["attributes"] |= attributes
        with django_capture_on_commit_callbacks(execute=True):
            assert hooks.post(client, json.dumps(told).encode()).status_code == 204

    return livekit_tells


def iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def what_is_known() -> list[dict]:
    skip = ("id", "heard_at", "told", "hook_id", "call_id")
    rows = CarrierCall.objects.order_by("carrier_id").values()
    return [{name: value for name, value in row.items() if name not in skip} for row in rows]


# --- at the door ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_a_hook_which_comes_twice_is_stored_and_handled_once(name, deliver, trunk):
    hook = sent.make_hook(name.partition("/")[0], trunk)
    deliver(hook, name)
    before, calls = what_is_known(), list(Call.objects.values())
    deliver(hook, name)
    event = InboundEvent.objects.get()
    assert (event.name, event.error, event.attempts) == ("carrier_call", "", 0)
    assert event.handled_at
    assert (what_is_known(), list(Call.objects.values())) == (before, calls)
    hook.refresh_from_db()
    assert hook.seen_at
    assert not hook.refusal


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("forge", ["no signature", "other secret", "other body", "cut off"])
def test_a_forged_hook_changes_nothing_and_says_why(forge, kind, client, settings):
    hook, body = sent.make_hook(kind), sent.payload(ONE[kind])
    forged: dict[str, Any] = {
        "no signature": {"headers": {}},
        "other secret": {"secret": "x" * 40},
        "other body": {"sent": body.replace(b"0100", b"0199")},
        "cut off": {"sent": body[:-5]},
    }
    how = forged[forge]
    if forge == "other secret" and kind == "telnyx":
        stranger = Ed25519PrivateKey.generate()
        hook.sealed_secret = seal.seal(sent.public(stranger), keys=settings.SEAL_KEYS)
        hook.save()
        how = {}
    assert sent.post(client, hook, body, **how).status_code == 401
    assert not InboundEvent.objects.exists()
    hook.refresh_from_db()
    assert hook.refused_at
    assert hook.refusal
    assert hook.seen_at is None


@pytest.mark.parametrize("kind", ["telnyx", "generic"])
@pytest.mark.parametrize("off", [timedelta(minutes=-6), timedelta(minutes=6)])
def test_a_recorded_hook_sent_again_later_is_refused(kind, off, client):
    hook = sent.make_hook(kind)
    body = sent.payload(ONE[kind])
    assert sent.post(client, hook, body, at=timezone.now() + off).status_code == 401
    assert not InboundEvent.objects.exists()
    hook.refresh_from_db()
    assert "clock" in hook.refusal


@pytest.mark.parametrize("kind", ["twilio", "plivo"])
def test_a_replay_which_nothing_signed_dates_is_known_by_its_event(kind, client):
    hook = sent.make_hook(kind)
    body = sent.payload(ONE[kind])
    headers = sent.signed(kind, body, sent.url_of(hook, body))
    for _ in range(3):
        assert sent.post(client, hook, body, headers=headers).status_code == 200
    assert InboundEvent.objects.count() == 1


def test_a_hook_signed_for_another_address_is_refused(client):
    mine, other = sent.make_hook("twilio"), sent.make_hook("twilio", name="other")
    body = sent.payload("twilio/status_completed")
    headers = sent.signed("twilio", body, sent.url_of(other, body))
    assert sent.post(client, mine, body, headers=headers).status_code == 401
    mine.refresh_from_db()
    assert "PUBLIC_URL" in mine.refusal


def test_one_hook_cannot_use_up_the_events_of_another(client):
    first, second = sent.make_hook("telnyx"), sent.make_hook("telnyx", name="second")
    body = sent.payload("telnyx/call_hangup")
    assert sent.post(client, first, body).status_code == 200
    assert sent.post(client, second, body).status_code == 200
    assert InboundEvent.objects.count() == 2


def test_a_body_of_json_other_than_the_one_named_in_the_address_is_refused(client):
    hook, body = sent.make_hook("twilio"), sent.payload("twilio/summary_complete")
    assert sent.post(client, hook, body, sent=body.replace(b"0123", b"0666")).status_code == 401


def test_twilio_may_call_the_address_with_its_port(client, settings):
    settings.PUBLIC_URL = "https://desk.example.com"
    hook, body = sent.make_hook("twilio"), sent.payload("twilio/status_completed")
    url = carrier_hooks.address(hook).replace(".com/", ".com:443/")
    headers = sent.signed("twilio", body, url)
    assert sent.post(client, hook, body, headers=headers).status_code == 200


def test_the_signature_printed_in_twilios_documentation_is_right():
    body = (b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309"
            b"&To=%2B18005551212")  # fmt: skip
    carriers.known()["twilio"].verify(
        body, {"X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
        url="https://mycompany.com/myapp.php?foo=1&bar=2", secret="12345", now=timezone.now(),
    )  # fmt: skip


@pytest.mark.parametrize("how", ["unknown", "off"])
def test_an_address_which_is_not_ours_answers_nothing(how, client):
    hook = sent.make_hook("generic", enabled=how != "off")
    body = sent.payload("generic/ended")
    if how == "unknown":
        hook.token = "x" * 32
    assert sent.post(client, hook, body).status_code == 404
    assert not InboundEvent.objects.exists()


def test_a_hook_without_a_secret_takes_nothing(client):
    hook = sent.make_hook("plivo", sealed_secret="")
    body = sent.payload("plivo/hangup")
    assert sent.post(client, hook, body, secret="").status_code == 401
    hook.refresh_from_db()
    assert "No auth token is entered here" in hook.refusal


def test_what_is_signed_and_makes_no_sense_is_refused_for_good(client):
    hook = sent.make_hook("twilio")
    assert sent.post(client, hook, b"CallStatus=dancing").status_code == 400
    assert sent.post(client, sent.make_hook("telnyx"), b"[]").status_code == 400


def test_events_of_no_interest_are_taken_and_forgotten(client):
    hook = sent.make_hook("telnyx")
    body = sent.payload("telnyx/call_hangup").replace(b"call.hangup", b"call.speak.ended")
    assert sent.post(client, hook, body).status_code == 200
    assert not InboundEvent.objects.exists()


def test_trouble_with_the_database_asks_the_carrier_to_repeat(client, monkeypatch):
    def broken(*_, **__):
        raise DatabaseError

    hook = sent.make_hook("plivo")
    monkeypatch.setattr(inbox, "store", broken)
    assert sent.post(client, hook, sent.payload("plivo/hangup")).status_code == 503


def test_a_body_of_a_megabyte_is_refused(client):
    hook = sent.make_hook("generic")
    assert sent.post(client, hook, b"{" + b" " * 2**20 + b"}").status_code == 413


def test_a_flood_of_forged_hooks_is_no_flood_of_writes(client, django_assert_num_queries):
    hook, body = sent.make_hook("plivo"), sent.payload("plivo/hangup")
    sent.post(client, hook, body, headers={})
    first = CarrierHook.objects.get().refused_at
    sent.post(client, hook, body, headers={})
    assert CarrierHook.objects.get().refused_at == first


# --- what is learnt -------------------------------------------------------------------------------


def test_telnyx_tells_times_cause_and_price(deliver):
    names = ["call_initiated", "call_answered", "call_hangup", "call_cost"]
    deliver(sent.make_hook("telnyx"), *(f"telnyx/{name}" for name in names))
    facts = CarrierCall.objects.get()
    assert (facts.state, facts.outbound, facts.cause) == ("ended", False, 16)
    assert (facts.price, facts.currency) == (Decimal("0.0085"), "USD")
    assert facts.words == "Somebody hung up."
    assert iso(facts.answered_at) == "2026-11-21T10:44:58.020000+00:00"
    assert iso(facts.ended_at) == "2026-11-21T10:45:29.500000+00:00"


def test_plivos_local_times_are_put_right_by_the_one_in_utc(deliver):
    deliver(sent.make_hook("plivo"), "plivo/hangup")
    facts = CarrierCall.objects.get()
    assert iso(facts.started_at) == "2026-11-21T10:44:56.114093+00:00"
    assert iso(facts.answered_at) == "2026-11-21T10:44:58+00:00"
    assert iso(facts.ended_at) == "2026-11-21T10:45:29+00:00"
    assert (facts.price, facts.currency, facts.duration_s) == (Decimal("0.0055"), "USD", 31)


def test_twilio_tells_no_price_and_none_is_shown(deliver):
    deliver(sent.make_hook("twilio"), "twilio/summary_partial", "twilio/summary_complete")
    facts = CarrierCall.objects.get()
    assert (facts.price, facts.currency) == (None, "")
    assert (facts.cause, facts.sip_status, facts.duration_s) == (16, 200, 31)
    assert facts.sip_call_id == "0f9b1c77-invented@172.18.0.7"


def test_a_switch_of_ones_own_says_where_its_fields_are(deliver):
    deliver(sent.make_hook("generic"), "generic/ended")
    facts = CarrierCall.objects.get()
    assert (facts.carrier_id, facts.sip_call_id) == ("pbx-771", "abc-invented@pbx")
    assert (facts.price, facts.currency, facts.cause) == (Decimal("0.0123"), "EUR", 16)
    assert iso(facts.started_at) == "2026-11-21T10:44:56+00:00"


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("twilio", ["status_ringing", "status_in_progress", "status_completed"]),
        ("telnyx", ["call_initiated", "call_answered", "call_hangup", "call_cost"]),
        ("plivo", ["ring", "answer", "hangup"]),
    ],
)
def test_hooks_in_any_order_and_each_twice_tell_the_same(kind, names, deliver, trunk):
    hook = sent.make_hook(kind, trunk)
    make_rule(trunk)
    seen = []
    for order in permutations([f"{kind}/{name}" for name in names]):
        twice = [*order, *random.Random(7).sample(order, len(order))]
        deliver(hook, *twice)
        assert InboundEvent.objects.count() == len(names)
        call = Call.objects.get()
        seen.append((what_is_known(), call.state, call.end_reason, call.room))
        for model in (InboundEvent, CarrierCall, Call):
            model.objects.all().delete()
    assert all(one == seen[0] for one in seen)


# --- whose it is ----------------------------------------------------------------------------------


def leg_of(call: Call, **values) -> Leg:
    return Leg.objects.create(call=call, **({"identity": "sip_1", "started_at": STARTED} | values))


def one_call(**values) -> Call:
    numbers: dict[str, Any] = {
        "caller": "+12025550123",
        "called": "+12025550100",
        "started_at": STARTED,
    }
    return make_call(**(numbers | values))


@pytest.mark.parametrize(
    "known",
    [{"carrier_id": "CA00000000000000000000000000000a02"},
     {"sip_full_id": "0f9b1c77-invented@172.18.0.7"}, {}],
    ids=["carrier's id", "Call-ID", "numbers and time"],
)  # fmt: skip
def test_facts_are_joined_to_the_leg(known, deliver, trunk):
    leg = leg_of(one_call(), **known)
    deliver(sent.make_hook("twilio", trunk), "twilio/summary_failed")
    facts = CarrierCall.objects.get()
    assert (facts.leg, facts.call) == (leg, leg.call)
    leg.refresh_from_db()
    assert (leg.carrier_id, leg.sip_status) == ("CA00000000000000000000000000000a02", 503)
    assert Call.objects.count() == 1


def test_of_two_calls_which_fit_none_is_guessed_and_none_is_doubled(deliver, trunk):
    leg_of(one_call())
    leg_of(one_call(room="call_2_x"))
    deliver(sent.make_hook("telnyx", trunk), "telnyx/call_initiated", "telnyx/call_hangup")
    assert CarrierCall.objects.get().leg is None
    assert Call.objects.count() == 2


def test_a_call_of_the_same_people_half_an_hour_ago_is_another_one(deliver, trunk):
    earlier = STARTED - timedelta(minutes=30)
    leg_of(one_call(started_at=earlier), started_at=earlier)
    deliver(sent.make_hook("telnyx", trunk), "telnyx/call_hangup_rejected")
    assert CarrierCall.objects.get().leg is None


def test_a_hook_of_one_trunk_does_not_touch_the_legs_of_another(deliver, trunk):
    other = make_trunk(name="Other", number="+12025550177")
    leg_of(one_call(), trunk=other, carrier_id="428c31b6-7af4-4bcb-b7f5-5013ef9657c1")
    deliver(sent.make_hook("telnyx", trunk), "telnyx/call_cost")
    assert CarrierCall.objects.get().leg is None


# --- calls which never reached LiveKit ------------------------------------------------------------


def test_a_call_which_never_reached_us_is_in_the_list(deliver, trunk):
    rule = make_rule(trunk)
    deliver(sent.make_hook("telnyx", trunk), "telnyx/call_hangup_rejected")
    call = Call.objects.get()
    assert call.room == "carrier_telnyx_428c31b6-7af4-4bcb-b7f5-5013ef9657c1"
    assert (call.state, call.end_reason, call.caller) == ("failed", "carrier", "+12025550123")
    assert (call.trunk, call.project) == (trunk, rule.project)
    assert call.ended_at
    assert not Call.objects.open().exists()
    assert not hasattr(call, "recording")


def test_calls_of_numbers_which_are_not_here_are_not_listed_unless_wanted(deliver):
    hook = sent.make_hook("telnyx")
    deliver(hook, "telnyx/call_hangup_rejected")
    assert not Call.objects.exists()
    assert CarrierCall.objects.exists()
    InboundEvent.objects.all().delete()
    CarrierHook.objects.update(all_numbers=True)
    deliver(hook, "telnyx/call_hangup_rejected")
    assert Call.objects.get().end_reason == "unknown_number"


@pytest.mark.parametrize("known", ["carrier's id", "numbers and time"])
@pytest.mark.parametrize("first", ["carrier", "livekit"])
def test_livekit_and_the_carrier_tell_of_one_call(first, known, deliver, livekit_tells, trunk):
    leg_id = "428c31b6-7af4-4bcb-b7f5-5013ef9657c1"
    more = {"sip.telnyx.callLegID": leg_id} if known == "carrier's id" else {}
    hook = sent.make_hook("telnyx", trunk)
    names = ["telnyx/call_initiated", "telnyx/call_hangup", "telnyx/call_cost"]
    steps = [
        lambda: deliver(hook, *names),
        lambda: livekit_tells("caller_participant_joined", **more),
    ]
    for step in steps if first == "carrier" else reversed(steps):
        step()
    deliver(hook, *names)
    livekit_tells("caller_participant_joined", **more)
    livekit_tells("caller_participant_left")
    call = Call.objects.get()
    assert (call.room, call.state) == ("call_+12025550123_XdadJ382EQFy", "ended")
    facts = CarrierCall.objects.get()
    assert (facts.call, facts.leg) == (call, call.legs.get())
    assert call.legs.get().carrier_id == leg_id


def test_livekit_told_at_the_same_moment(deliver, trunk):
    """Neither handler saw the other's row, so the task which looks again joins them."""
    from telephony import tasks

    deliver(sent.make_hook("telnyx", trunk), "telnyx/call_hangup_rejected")
    call = one_call()
    leg_of(call, carrier_id="428c31b6-7af4-4bcb-b7f5-5013ef9657c1")
    tasks.join_carrier_call(carrier_call_id=CarrierCall.objects.get().pk)
    assert Call.objects.get() == call
    assert CarrierCall.objects.get().call == call


def test_the_token_of_a_hooks_address_is_not_logged(client, caplog):
    """Django logs the path of what is refused: unsigned, by another method, a wrong address."""
    from contactcenter.logs import JsonFormatter

    hook = sent.make_hook("twilio")
    path = urlsplit(carrier_hooks.address(hook)).path
    assert hook.token in path
    for method in (client.post, client.get):
        for address in (path, f"{path}x", f"{path}/more"):
            method(address)
    told = "".join(JsonFormatter().format(record) for record in caplog.records)
    assert "/hooks/carriers/" in told
    assert hook.token not in told
