"""The doctor on one trunk, on carriers we call, on sound, and on what livekit-sip refuses alone."""

import json
import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from agents import presence
from telephony import doctor, probes, push, seen, siplog, testline
from telephony.caller.selftest import Verdict
from telephony.carriers_known import CARRIERS
from telephony.doctor import Level, Scope
from telephony.errors import GatewayUnavailable
from telephony.models import Number, Trunk
from telephony.siplog import Kind
from tests.factories import NOW, NUMBER, make_call, make_rule, make_trunk

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture(autouse=True)
def parts_are_well(monkeypatch):
    monkeypatch.setattr(probes, "sip_status", lambda address: 200)
    monkeypatch.setattr(probes, "clock_offset_s", lambda url, now: 0.4)
    monkeypatch.setattr(probes, "redis_keeps", lambda url: True)
    presence.seen(timezone.now())


@pytest.fixture
def pushed(livekit):
    rule = make_rule()
    push.push(now=NOW, gateway=livekit)
    return rule


def told(livekit, scope=None, about=""):
    found = doctor.examine(gateway=livekit, now=timezone.now(), scope=scope)
    return [(f.level, f.text) for f in found if f.about.startswith(about)]


def outbound(**values) -> Trunk:
    values = {"name": "Out", "direction": "outbound", "address": "sip.example.com",
              "caller_ids": [NUMBER]} | values  # fmt: skip
    return Trunk.objects.create(**values)


# --- one trunk ------------------------------------------------------------------------------------


def test_a_trunk_alone_says_nothing_of_others(livekit, pushed):
    make_trunk(name="Numberless", number="")
    everything = told(livekit, Scope(trunk=Trunk.objects.get(name="Sales")))
    assert (Level.FINE, "It is on LiveKit.") in everything
    assert (Level.FINE, "Project “Shop” answers (version 1).") in everything
    assert "Numberless" not in str(everything)


def test_what_is_wrong_with_one_trunk_is_told(livekit, pushed):
    trunk = Trunk.objects.get()
    livekit.flushall()
    assert (Level.WARNING, "Trunk “Sales”: missing on LiveKit.") in told(
        livekit, Scope(trunk=trunk)
    )
    for change, level in (
        ({"enabled": False}, Level.WARNING),
        ({"allowed_addresses": []}, Level.PROBLEM),
        ({"sync_state": "failed", "sync_error": "No."}, Level.PROBLEM),
        ({"sync_state": "pending"}, Level.WARNING),
    ):
        row = Trunk.objects.get()
        for name, value in change.items():
            setattr(row, name, value)
        assert told(livekit, Scope(trunk=row), "Trunk “Sales”")[0][0] == level


def test_one_number_alone(livekit, pushed):
    trunk = Trunk.objects.get()
    trunk.numbers.create(e164="+12025550101")
    scope = Scope(trunk=trunk, number=Number.objects.get(e164="+12025550101"))
    (finding,) = told(livekit, scope, "Number")
    assert finding == (Level.PROBLEM, "The call is refused: nobody here has the number.")


def test_a_region_of_the_carrier_which_is_left_out_is_told(livekit, pushed):
    twilio = CARRIERS["twilio"]
    Trunk.objects.update(template="twilio", allowed_addresses=twilio.addresses())
    scope = Scope(trunk=Trunk.objects.get())
    assert told(livekit, scope, "Addresses") == []
    Trunk.objects.update(allowed_addresses=twilio.addresses()[1:])
    scope = Scope(trunk=Trunk.objects.get())
    ((level, text),) = told(livekit, scope, "Addresses")
    assert level == Level.WARNING
    assert twilio.addresses()[0] in text


def test_page_and_command_for_one(livekit, pushed, admin_client, capsys):
    pk = Trunk.objects.get().pk
    page = admin_client.get(f"/admin/telephony/trunk/{pk}/change/").content.decode()
    assert reverse("admin:telephony_trunk_doctor_of", args=[pk]) in page
    shown = admin_client.get(
        reverse("admin:telephony_trunk_doctor_of", args=[pk]), follow=True
    ).content.decode()
    assert "Trunk “Sales” alone." in shown
    number = Number.objects.get()
    shown = admin_client.get(
        reverse("admin:telephony_number_doctor_of", args=[number.pk]), follow=True
    ).content.decode()
    assert f"Number {NUMBER} alone." in shown
    call_command("doctor", "--trunk", "Sales")
    call_command("doctor", "--number", NUMBER)
    assert capsys.readouterr().out.count("It is on LiveKit.") == 2
    for wrong in (("--trunk", "None"), ("--number", "1")):
        with pytest.raises(CommandError):
            call_command("doctor", *wrong)
    assert admin_client.get(
        reverse("admin:telephony_trunk_doctor"), {"trunk": "x", "number": "nobody's"}
    ).status_code == 200  # fmt: skip


# --- LiveKit is asked once ------------------------------------------------------------------------


def test_livekit_is_asked_once_for_the_whole_page(livekit, pushed, admin_client, monkeypatch):
    asked = []

    def counted(name: str):
        real = getattr(livekit, name)

        def ask():
            asked.append(name)
            return real()

        return ask

    for name in ("list_trunks", "list_rules"):
        monkeypatch.setattr(livekit, name, counted(name))
    admin_client.get(reverse("admin:telephony_trunk_doctor"), {"called": NUMBER})
    assert sorted(asked) == ["list_rules", "list_trunks"]


def test_livekit_away_is_waited_for_once(livekit, monkeypatch):
    asked = []

    def away():
        asked.append(1)
        raise GatewayUnavailable("away")

    monkeypatch.setattr(livekit, "list_trunks", away)
    lists = seen.once(livekit)
    for _ in range(2):
        with pytest.raises(GatewayUnavailable):
            lists.list_trunks()
    with pytest.raises(GatewayUnavailable):
        lists.list_rules()
    assert asked == [1]


# --- carriers we call -----------------------------------------------------------------------------


@contextmanager
def sip_server():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)

        def serve():
            _, peer = server.recvfrom(4096)
            server.sendto(b"SIP/2.0 405 No\r\n\r\n", peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)


def test_a_carrier_which_answers(livekit):
    with sip_server() as port:
        outbound(address=f"127.0.0.1:{port}")
        assert told(livekit, about="Trunk “Out”") == [
            (Level.FINE, f"127.0.0.1:{port} answers."),
        ]  # fmt: skip


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_silent_carrier_is_a_warning_only(livekit, transport):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        outbound(address=f"127.0.0.1:{held.getsockname()[1] if transport == 'tcp' else 1}",
                 transport=transport)  # fmt: skip
        ((level, _),) = told(livekit, about="Trunk “Out”")
    assert level == Level.WARNING


def test_a_host_which_does_not_exist_is_a_problem(livekit):
    trunk = outbound(address="nobody.invalid")
    assert told(livekit, about="Trunk “Out”")[0][0] == Level.PROBLEM
    assert (Level.PROBLEM, "nobody.invalid cannot be found.") in told(livekit, Scope(trunk=trunk))


# --- sound, and where carriers are told to call ---------------------------------------------------


def test_the_last_test_call_is_part_of_the_findings(livekit, settings):
    assert told(livekit, about="Media") == []
    testline.remember_asked(timezone.now())
    assert told(livekit, about="Media") == []
    testline.remember(Verdict(ok=True, headline="Fine.", media="127.0.0.1"), NOW)
    assert told(livekit, about="Media")[0][0] == Level.FINE
    settings.SIP_PUBLIC_ADDRESS = "8.8.8.8:5060"
    ((level, text), _) = told(livekit, about="Media")
    assert level == Level.PROBLEM
    assert "callers will hear nothing" in text


def test_carriers_are_not_told_to_call_an_address_of_this_machine(livekit, settings):
    settings.SIP_PUBLIC_ADDRESS = "127.0.0.1:5060"
    make_trunk()
    assert len(told(livekit, about="SIP")) == 1
    make_trunk(name="Far", number="+12025550101", allowed_addresses=["54.172.60.0/30"])
    assert told(livekit, about="SIP")[0] == (
        Level.WARNING, "Carriers are told to call 127.0.0.1:5060, which they cannot reach.",
    )  # fmt: skip
    settings.SIP_PUBLIC_ADDRESS = "8.8.8.8:5060"
    assert len(told(livekit, about="SIP")) == 1


# --- what livekit-sip refuses by itself -----------------------------------------------------------


def line(call: str, msg: str, **more) -> str:
    told = {"level": "info", "ts": 1795305479.3366888, "msg": msg, "callID": call}
    return json.dumps(told | more)


def invite(call: str, called: str = NUMBER) -> str:
    return line(call, "processing invite", fromIP="198.51.100.9", fromUser="+49301", toUser=called)


LOG = [
    "not JSON", '["callID"]', "null",
    invite("A"), line("A", "SIP call ended", reason="flood"),
    invite("B"), line("B", "No Proxy header found. Sending 407"), invite("B"),
    line("B", "SIP invite authentication successful"), line("B", "SIP call ended", reason="hangup"),
    invite("C"), line("C", "No Proxy header found. Sending 407"),
    line("C", "Authentication failed - response mismatch"),
    invite("D"), line("D", "No Proxy header found. Sending 407"),
    invite("E"), line("E", "SIP call ended", reason="no-common-codec"),
    line("F", "SIP call ended", reason="flood"),  # its INVITE is further up
    line("G", "processing invite", ts="soon"), line("G", "SIP call ended", reason="flood"),
]  # fmt: skip


def test_refusals_are_read_from_the_log(tmp_path):
    path = tmp_path / "sip.log"
    path.write_text("\n".join(LOG))
    found = {refusal.kind for refusal in siplog.read(path)}
    assert found == {Kind.NO_TRUNK, Kind.WRONG_PASSWORD, Kind.NO_PASSWORD, Kind.NO_CODEC}
    first = siplog.read(path)[0]
    assert (first.address, first.caller, first.called) == ("198.51.100.9", "+49301", NUMBER)
    assert siplog.read(tmp_path / "none.log") == []


def test_only_the_end_of_a_long_log_is_read_and_words_of_strangers_are_short(tmp_path):
    path = tmp_path / "sip.log"
    lots = [invite(f"X{n}", "9" * 500) + "\n" for n in range(2000)]
    path.write_text("".join(lots) + line("X1999", "SIP call ended", reason="flood"))
    (refusal,) = siplog.read(path)
    assert len(refusal.called) == siplog.LONGEST


def test_the_page_shows_them_escaped(livekit, tmp_path, settings, admin_client):
    path = tmp_path / "sip.log"
    path.write_text(
        "\n".join([invite("A", "<b>1</b>"), line("A", "SIP call ended", reason="flood")])
    )
    settings.SIP_LOG = str(path)
    page = admin_client.get(reverse("admin:telephony_trunk_doctor")).content.decode()
    assert "No trunk takes this number from this address." in page
    assert "198.51.100.9" in page
    assert "<b>1</b>" not in page


def test_only_who_may_change_lines_may_call(client, livekit, django_user_model):
    client.force_login(django_user_model.objects.create_user("reviewer", is_staff=True))
    url = reverse("admin:telephony_testcall")
    assert (client.get(url).status_code, client.post(url).status_code) == (403, 403)


def test_of_one_line_only_its_own_refusals_are_shown(livekit, pushed, tmp_path, settings):
    path = tmp_path / "sip.log"
    theirs = [invite("X", "+12025559999"), line("X", "SIP call ended", reason="flood")]
    path.write_text("\n".join([*LOG, *theirs]))
    settings.SIP_LOG = str(path)
    now, trunk = timezone.now(), Trunk.objects.get()
    for n, called in enumerate((NUMBER[2:], "+12025559999")):
        make_call(room=f"unknown_{n}", called=called, state="failed", ended_at=now, started_at=now)
    scope = Scope(trunk=trunk)
    assert len(doctor.refused_unseen()) == 5
    assert {refusal.called for refusal in doctor.refused_unseen(scope=scope)} == {NUMBER}
    assert [call.called for call in doctor.refused(scope=scope)] == [NUMBER[2:]]
    assert doctor.refused().count() == 2


def test_the_guide_shows_a_carrier_who_calls_from_elsewhere(
    livekit, pushed, tmp_path, settings, admin_client
):
    path = tmp_path / "sip.log"
    path.write_text("\n".join(LOG))
    settings.SIP_LOG = str(path)
    url = reverse("admin:telephony_connect_state", args=[Number.objects.get().pk])
    page = admin_client.get(url, {"since": NOW.isoformat()}).content.decode()
    assert "A call from address 198.51.100.9" in page
    later = datetime.now(UTC) + timedelta(days=9999)
    assert (
        "198.51.100.9" not in admin_client.get(url, {"since": later.isoformat()}).content.decode()
    )
