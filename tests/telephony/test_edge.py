"""The SIP edge is made equal to our rows, and the rows say how registrations stand."""

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as configured
from django.urls import reverse

from agents import seal
from telephony import admin_edge, doctor_edge, dryrun, edge_sync, push, shapes, tasks, wiring
from telephony.findings import Level
from telephony.forms import TrunkForm
from telephony.models import Number, Trunk
from tests.factories import NOW, NUMBER, make_rule, make_trunk
from tests.fakes.edge import FakeEdge

pytestmark = [pytest.mark.db, pytest.mark.django_db]

CARRIER = "203.0.113.7"


@pytest.fixture
def edge(settings, monkeypatch) -> FakeEdge:
    settings.SIP_EDGE_ADDRESS = "127.0.0.1:5062"
    fake = FakeEdge()
    monkeypatch.setattr(wiring, "edge", lambda: fake)
    return fake


def registering(word: str = "sesame", **values: Any) -> Trunk:
    usual: dict[str, Any] = {
        "via_edge": True, "registers": True, "registrar": "203.0.113.9", "auth_username": "alice",
        "sealed_auth_password": seal.seal(word, keys=configured.SEAL_KEYS),
        "allowed_addresses": [CARRIER],
    }  # fmt: skip
    return make_trunk(**(usual | values))


def synced(edge, later_s: float = 0) -> None:
    edge_sync.sync(now=NOW + timedelta(seconds=later_s), edge=edge)


def shown() -> str:
    return admin_edge.in_words(Trunk.objects.get())


# --- what the edge is told ------------------------------------------------------------------------


def test_the_edge_learns_who_may_call_which_number(edge):
    trunk = registering()
    make_trunk(
        name="Other", number="+12025550111", allowed_addresses=["192.0.2.0/28"], via_edge=True
    )
    make_trunk(name="Direct", number="+12025550122", allowed_addresses=["198.51.100.1"])
    synced(edge)
    both = f"192.0.2.0/28,{CARRIER}/32,203.0.113.9/32"
    assert edge.table == {
        "n:12025550100": f"{CARRIER}/32,203.0.113.9/32",
        "n:12025550111": "192.0.2.0/28",
        "n:*": both,
        "w:*": both,
        f"u:trunk{trunk.pk}": "12025550100",
    }


def test_a_name_which_cannot_be_resolved_shuts_nobody_out(edge, monkeypatch):
    here = [(2, 2, 17, "", ("203.0.113.9", 0))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: here)
    registering(registrar="sip.carrier.example", allowed_addresses=[])
    synced(edge)

    def nobody(*_: object, **__: object) -> None:
        raise OSError("Temporary failure in name resolution")

    monkeypatch.setattr("socket.getaddrinfo", nobody)
    synced(edge)
    assert edge.table["n:*"] == "203.0.113.9/32"


def test_nothing_is_written_twice(edge):
    registering()
    synced(edge)
    synced(edge)
    assert len(edge.writes) == 2


def test_an_edge_which_forgot_is_told_again(edge):
    registering()
    synced(edge)
    edge.restart()
    synced(edge)
    assert edge.table
    assert edge.known


def test_a_changed_password_registers_anew(edge):
    trunk = registering()
    synced(edge)
    sealed = seal.seal("other", keys=configured.SEAL_KEYS)
    Trunk.objects.update(sealed_auth_password=sealed)
    synced(edge)
    (known,) = edge.known.values()
    assert known.account.password == "other"
    assert edge.writes[-2:] == [f"forget trunk{trunk.pk}", f"register trunk{trunk.pk}"]


def test_a_trunk_switched_off_unregisters_and_is_forgotten(edge):
    trunk = registering()
    synced(edge)
    Trunk.objects.update(enabled=False)
    synced(edge)
    synced(edge)
    assert edge.writes[-2:] == [f"unregister trunk{trunk.pk}", f"forget trunk{trunk.pk}"]
    assert NUMBER.removeprefix("+") not in str(edge.table)


def test_a_carrier_we_call_may_hang_up_and_nothing_else(edge):
    trunk = make_trunk(
        number="", direction="outbound", via_edge=True, address="203.0.113.20",
        transport="tls", caller_ids=[NUMBER], allowed_addresses=[CARRIER],
    )  # fmt: skip
    synced(edge)
    assert edge.table == {
        f"o:{trunk.pk}": "sip:203.0.113.20:5061;transport=tls",
        # it may hang up, not call
        "w:*": f"203.0.113.20/32,{CARRIER}/32",
    }


# --- what LiveKit is told -------------------------------------------------------------------------


def test_livekit_sees_the_edge_and_asks_no_password(edge, livekit):
    registering()
    push.push(now=NOW, gateway=livekit)
    (spec,) = livekit.lines.values()
    assert spec.allowed_addresses == ("127.0.0.1/32",)
    assert (spec.auth_username, spec.auth_password) == ("", "")


def test_livekit_calls_out_through_the_edge(edge, livekit):
    trunk = make_trunk(
        number="", direction="outbound", via_edge=True, address="sip.carrier.example:5080",
        transport="tls", caller_ids=[NUMBER],
    )  # fmt: skip
    push.push(now=NOW, gateway=livekit)
    (spec,) = livekit.lines.values()
    assert (spec.address, spec.transport) == ("127.0.0.1:5062", "udp")
    assert spec.headers == (("X-Edge-Trunk", str(trunk.pk)),)
    assert spec.from_host == "sip.carrier.example"


def test_without_an_edge_such_a_trunk_is_not_pushed(livekit):
    registering()
    push.push(now=NOW, gateway=livekit)
    assert livekit.lines == {}
    assert "There is no SIP edge" in Trunk.objects.get().sync_error


def test_a_dry_run_from_the_carrier_finds_its_way(edge, livekit):
    make_rule(registering())
    push.push(now=NOW, gateway=livekit)
    assert dryrun.ask(called=NUMBER, address=CARRIER, gateway=livekit).works
    assert not dryrun.ask(called=NUMBER, address="192.0.2.1", gateway=livekit).works


# --- what the rows say ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"status": 401}, "does not accept the password"),
        ({"status": 403}, "forbids it"),
        ({"status": 404}, "does not know this user"),
        ({"status": 503}, "out of order"),
        ({"status": 488}, "Ask the carrier"),
        ({"since": NOW - timedelta(seconds=30)}, "does not answer"),
        ({"since": NOW}, "Registering"),
        ({}, "Registering"),
    ],
)
def test_a_registration_is_told_in_words(edge, said, words):
    trunk = registering()
    synced(edge)
    edge.say(f"trunk{trunk.pk}", **said)
    synced(edge)
    assert words in shown()


def test_an_edge_without_tls_registers_nobody_over_it(edge):
    registering(transport="tls")
    synced(edge)
    assert edge.known == {}
    assert "The edge has no TLS" in shown()


def test_a_registered_trunk_says_until_when(edge, settings):
    settings.TIME_ZONE = "UTC"
    trunk = registering()
    synced(edge)
    edge.say(f"trunk{trunk.pk}", status=200, until=NOW + timedelta(hours=1), since=NOW)
    synced(edge)
    assert shown().startswith("Registered until ")
    assert "11:00" in shown()
    assert Trunk.objects.get().registered_at == NOW


def test_while_it_registers_again_it_stays_registered(edge):
    trunk = registering()
    synced(edge)
    edge.say(f"trunk{trunk.pk}", status=200, until=NOW + timedelta(seconds=60), since=NOW)
    synced(edge)
    edge.say(f"trunk{trunk.pk}", status=0, until=None, since=NOW + timedelta(seconds=50))
    synced(edge, 55)
    assert Trunk.objects.get().registration_state == "registered"
    synced(edge, 65)
    assert Trunk.objects.get().registration_state == "silent"


def test_an_edge_which_is_away_is_told_and_nothing_else_fails(edge):
    registering()
    edge.away = True
    tasks.sync_edge()
    assert "does not answer" in shown()
    found = list(doctor_edge.findings())
    assert found[0].level == Level.PROBLEM


def test_the_doctor_names_a_trunk_which_is_not_registered(edge):
    trunk = registering()
    synced(edge)
    edge.say(f"trunk{trunk.pk}", status=403)
    synced(edge)
    found = [f for f in doctor_edge.findings() if f.level == Level.PROBLEM]
    assert [(f.about, "forbids" in f.advice) for f in found] == [("Trunk “Sales”", True)]


def test_the_list_shows_registrations_without_a_query_each(
    edge, admin_client, django_assert_max_num_queries
):
    for n in range(30):
        registering(name=f"Line {n}", number=f"+120255502{n:02}")
    synced(edge)
    with django_assert_max_num_queries(20):
        page = admin_client.get(reverse("admin:telephony_trunk_changelist"))
    assert "Registering" in page.content.decode()


# --- what may be typed ----------------------------------------------------------------------------

TYPED = {
    "name": "Sales", "direction": "inbound", "enabled": True, "transport": "auto",
    "via_edge": True, "registers": True, "registrar": "sip.carrier.example",
    "auth_username": "alice", "password": "sesame",
}  # fmt: skip


def errors(**values) -> set[str]:
    return set(TrunkForm(TYPED | values).errors)


def test_registering_needs_no_addresses(edge):
    assert errors() == set()


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({"via_edge": False}, {"registers"}),
        ({"registrar": ""}, {"registrar"}),
        ({"registrar": "carrier>\r\nX: y"}, {"registrar"}),
        ({"auth_username": "al>ice"}, {"auth_username"}),
        ({"registers": False}, {"allowed_addresses"}),
        ({"direction": "outbound", "address": "a", "caller_ids": NUMBER}, {"registers"}),
    ],
)
def test_what_cannot_register_is_told(edge, typed, wrong):
    assert errors(**typed) == wrong


def test_without_an_edge_nothing_goes_through_it():
    assert "via_edge" in errors()


@pytest.mark.parametrize("typed", ["a b", "carrier;x", "[::1]", "carrier:port", 'a"b'])
def test_a_host_is_a_host(typed):
    with pytest.raises(shapes.Misshapen):
        shapes.edge_host(typed)


def test_a_deleted_trunk_leaves_the_edge(edge):
    trunk = registering()
    synced(edge)
    Number.objects.all().delete()
    trunk.delete()
    synced(edge)
    assert edge.writes[-1].startswith("unregister")
