"""What the doctor finds, in words, and who would answer a call."""

import json
import socket
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import redis
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from agents import presence
from telephony import doctor, dryrun, probes, push, services, shapes
from telephony.findings import Level
from telephony.models import InboundEvent, Trunk
from tests.factories import NOW, NUMBER, make_call, make_project, make_rule, make_trunk

pytestmark = [pytest.mark.db, pytest.mark.django_db]

CARRIER = "127.0.0.1"


@pytest.fixture
def pushed(livekit):
    """One line which works."""
    rule = make_rule()
    push.push(now=NOW, gateway=livekit)
    return rule


@pytest.fixture(autouse=True)
def parts_are_well(monkeypatch):
    monkeypatch.setattr(probes, "sip_status", lambda address: 200)
    monkeypatch.setattr(probes, "clock_offset_s", lambda url, now: 0.4)
    monkeypatch.setattr(probes, "redis_keeps", lambda url: True)
    presence.seen(timezone.now())


def asked(livekit, called=NUMBER, address=CARRIER):
    return dryrun.ask(called=called, address=address, gateway=livekit)


def found(livekit, about, now=None):
    everything = doctor.examine(gateway=livekit, now=now or timezone.now())
    return [f for f in everything if f.about.startswith(about)]


# --- who would answer --------------------------------------------------------------------------


@pytest.mark.parametrize("called", [NUMBER, NUMBER[1:], f"sip:{NUMBER}@pbx.example.com;user=phone"])
def test_a_line_which_works_names_its_project(livekit, pushed, called):
    told = asked(livekit, called)
    assert told.works
    assert told.headline == "Project “Shop” answers (version 1)."
    assert told.steps == (
        f"LiveKit compares “{NUMBER}” from {CARRIER} with its trunks.",
        "Trunk “Sales” takes the call.",
        "Rule “Sales line” decides who answers.",
    )


def test_a_strange_address_is_named(livekit, pushed):
    told = asked(livekit, address="198.51.100.9")
    assert not told.works
    assert told.headline == dryrun.SILENCE
    assert "Trunk “Sales” has the number, but does not take calls from 198.51.100.9." in told.steps
    assert told.advice == "If 198.51.100.9 is your carrier, add it to that trunk's addresses."


def test_a_number_without_its_country_is_recognised(livekit, pushed):
    told = asked(livekit, "2025550100")
    assert told.headline == "The call is refused: nobody here has the number."
    assert told.advice.startswith(f"Your number is {NUMBER}. The carrier has to send it like that")


def test_a_number_nobody_has_may_be_added(livekit, pushed):
    assert asked(livekit, "+442079460018").advice == (
        "Add +442079460018 to a trunk, if it is yours."
    )
    assert "cannot be used" in asked(livekit, "shop").advice


def test_a_trunk_which_is_off_or_not_there_is_named(livekit, pushed):
    Trunk.objects.update(enabled=False)
    push.push(now=NOW, gateway=livekit)
    assert asked(livekit).advice == "Trunk “Sales” has this number, but is switched off."
    Trunk.objects.update(enabled=True, sync_error="LiveKit refused: no.")
    assert asked(livekit).advice.endswith("is not on LiveKit. LiveKit refused: no.")


def test_a_trunk_without_rule_and_one_too_many(livekit, pushed):
    livekit.rules.clear()
    assert asked(livekit).headline == f"{dryrun.SILENCE} No rule says who answers."
    (spec,) = livekit.lines.values()
    livekit.trunks["ST_foreign"] = replace(spec, tag="", name="theirs")
    assert asked(livekit).headline == "The call fails: more than one trunk has the number."


def test_a_rule_of_others_is_told_apart(livekit, pushed):
    (spec,) = livekit.answers.values()
    livekit.rules = {"SDR_9": replace(spec, tag="by hand", agent_name="theirs")}
    assert asked(livekit).headline == "Rule SDR_9, which is not ours, sends it to agent “theirs”."


def test_an_address_which_is_none_is_told(livekit):
    with pytest.raises(shapes.Misshapen, match="is no IP address"):
        asked(livekit, address="carrier.example")


# --- what is wrong -----------------------------------------------------------------------------


def test_a_healthy_installation_has_no_problem(livekit, pushed):
    InboundEvent.objects.create(
        event_id="e", name="room_started", payload={}, received_at=NOW, try_after=NOW
    )
    everything = doctor.examine(gateway=livekit, now=timezone.now())
    assert {finding.level for finding in everything} == {Level.FINE}
    assert "Calls to all numbers (1) would reach an agent." in [f.text for f in everything]


def test_problems_come_first(livekit, pushed):
    livekit.away = True
    everything = doctor.examine(gateway=livekit, now=timezone.now())
    assert everything[0].level == Level.PROBLEM
    assert everything[0].about == "LiveKit"


def test_drift_and_what_cannot_be_repaired(livekit, pushed):
    livekit.flushall()
    make_trunk(number="", name="Numberless")
    texts = [(f.level, f.text) for f in found(livekit, "LiveKit")]
    assert (Level.WARNING, "Trunk “Sales”: missing on LiveKit.") in texts
    assert any(lv == Level.PROBLEM and "Numberless" in text for lv, text in texts)
    assert livekit.trunks == {}  # nothing was repaired


def test_each_number_is_tried(livekit, pushed):
    make_rule(make_trunk(number="+12025550101", name="Quiet"), project=make_project(slug="new"),
              name="Quiet line")  # fmt: skip
    push.push(now=NOW, gateway=livekit)
    (problem,) = found(livekit, "Number +12025550101")
    assert problem.text == "The call is refused: no rule says who answers."


def test_without_numbers_nobody_can_call(livekit):
    (finding,) = found(livekit, "Number")
    assert (finding.level, finding.advice) == (Level.WARNING, "Use Trunks → Connect a number.")


def test_many_findings_of_one_kind_are_counted(livekit, pushed):
    trunk = Trunk.objects.get()
    for n in range(doctor.MOST + 5):
        trunk.numbers.create(e164=f"+1202555{2000 + n}")
    numbers = found(livekit, "Number")
    assert len(numbers) == doctor.MOST + 1
    assert numbers[-1].text == "… and 5 more of this kind."


def test_no_worker_no_hook_no_sip(livekit, pushed, monkeypatch):
    make_call()

    def silent(address):
        raise TimeoutError

    monkeypatch.setattr(probes, "sip_status", silent)
    later = timezone.now() + timedelta(minutes=1)
    for about in ("Worker", "Hooks", "SIP"):
        (finding,) = found(livekit, about, later)
        assert (finding.level, bool(finding.advice)) == (Level.PROBLEM, True)


@pytest.mark.parametrize(("offset", "level"), [(0.9, "fine"), (-7.0, "problem"), (60.0, "problem")])
def test_clocks(livekit, monkeypatch, offset, level):
    monkeypatch.setattr(probes, "clock_offset_s", lambda url, now: offset)
    (finding,) = found(livekit, "Clock")
    assert finding.level == level


@pytest.mark.parametrize(
    ("answer", "levels"),
    [(True, ["fine"]), (False, ["warning"]), (redis.ConnectionError(), ["problem"]),
     (redis.ResponseError(), [])],
)  # fmt: skip
def test_redis(livekit, monkeypatch, answer, levels):
    def told(url):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(probes, "redis_keeps", told)
    assert [finding.level for finding in found(livekit, "Redis")] == levels


def test_a_certificate_near_its_end(livekit, monkeypatch):
    ends = timezone.now() + timedelta(days=3)
    monkeypatch.setattr(probes, "certificate_until", lambda url: ends)
    assert {finding.level for finding in found(livekit, "Certificates")} == {Level.WARNING}

    def untrusted(url):
        raise OSError("certificate verify failed")

    monkeypatch.setattr(probes, "certificate_until", untrusted)
    assert {finding.level for finding in found(livekit, "Certificates")} == {Level.PROBLEM}


# --- the probes, against real sockets ----------------------------------------------------------


@contextmanager
def answering(reply):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)

        def serve():
            asked, peer = server.recvfrom(4096)
            assert asked.startswith(b"OPTIONS sip:")
            server.sendto(reply, peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join(5)


@pytest.mark.parametrize(
    ("reply", "status"), [(b"SIP/2.0 200 OK\r\n\r\n", 200), (b"SIP/2.0 503 No\r\n", 503), (b"?", 0)]
)
def test_the_status_of_options(monkeypatch, reply, status):
    monkeypatch.undo()
    with answering(reply) as address:
        assert probes.sip_status(address) == status


def test_a_closed_port_is_an_error(monkeypatch):
    monkeypatch.undo()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        probes.sip_status(f"127.0.0.1:{port}")


def test_the_clock_of_a_server(monkeypatch):
    monkeypatch.undo()

    class Late(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response_only(404)
            self.send_header("Date", "Sat, 21 Nov 2026 10:00:30 GMT")
            self.end_headers()

    with ThreadingHTTPServer(("127.0.0.1", 0), Late) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"ws://127.0.0.1:{server.server_address[1]}"
        assert probes.clock_offset_s(url, datetime(2026, 11, 21, 10, 0, tzinfo=UTC)) == 30.0
        server.shutdown()


# --- page and command --------------------------------------------------------------------------


def test_the_page_shows_all_of_it(livekit, pushed, admin_client):
    services.note_unknown_number(
        room="unknown_1", at=NOW, room_sid="RM", sip_call_id="SCL", caller="+1", called="+49301"
    )
    page = admin_client.get(reverse("admin:telephony_trunk_doctor"), {"called": NUMBER})
    text = page.content.decode()
    assert "Project “Shop” answers (version 1)." in text
    assert "Nobody here has the number that was dialled." in text
    assert "?called=%2B49301" in text


def test_the_page_survives_everything_being_away(livekit, admin_client, monkeypatch):
    livekit.away = True
    asked = {"called": "<script>alert(1)</script>", "address": "x"}
    page = admin_client.get(reverse("admin:telephony_trunk_doctor"), asked)
    assert page.status_code == 200
    assert "<script>alert" not in page.content.decode()
    assert "“x” is no IP address" in page.content.decode()


def test_only_who_may_see_trunks_sees_it(livekit, client, django_user_model):
    user = django_user_model.objects.create_user("reviewer", is_staff=True)
    client.force_login(user)
    assert client.get(reverse("admin:telephony_trunk_doctor")).status_code == 403


def test_the_command_prints_and_tells_by_its_exit_code(livekit, pushed, capsys):
    call_command("doctor", "--called", NUMBER)
    assert "Project “Shop” answers" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        call_command("doctor", "--called", "+442079460018", "--json")
    assert json.loads(capsys.readouterr().out)["works"] is False
    call_command("doctor", "--json")
    assert {finding["level"] for finding in json.loads(capsys.readouterr().out)} == {
        "fine", "warning",
    }  # fmt: skip
    livekit.away = True
    with pytest.raises(SystemExit):
        call_command("doctor")
    assert "PROBLEM" in capsys.readouterr().out
