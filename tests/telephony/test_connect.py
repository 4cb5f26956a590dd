"""“Connect a number”: from the carrier to a line which answers, and back at each step."""

import pytest
from django.urls import reverse

from agents import seal
from telephony import carriers_known, connect, forms_connect, push, shapes, tasks, testline
from telephony.caller.selftest import Verdict
from telephony.carriers_known import CARRIERS
from telephony.models import DispatchRule, Number, Trunk
from tests.factories import NOW, NUMBER, make_call, make_plan, make_project, make_rule

pytestmark = [pytest.mark.db, pytest.mark.django_db]

ADDRESSES = "203.0.113.0/28\n198.51.100.7"


def step(name: str) -> str:
    return reverse("admin:telephony_connect_step", args=[name])


@pytest.fixture
def project(settings):
    settings.SIP_PUBLIC_ADDRESS = "sip.example.com:5070"
    found = make_project()
    make_plan(found)
    return found


@pytest.fixture
def test_calls(monkeypatch):
    """How often one was asked for."""
    asked: list[int] = []
    monkeypatch.setattr(tasks.test_call, "delay", lambda: asked.append(1))
    return asked


@pytest.fixture
def guide(
    admin_client, project, livekit, tasks_at_once, test_calls, django_capture_on_commit_callbacks
):
    """Answers all steps; each may be told otherwise."""

    def guide(carrier="generic", project=project, **number):
        admin_client.get(reverse("admin:telephony_trunk_connect"))
        admin_client.post(step("carrier"), {"carrier": carrier})
        answers = {"e164": NUMBER, "addresses": ADDRESSES, "encryption": "disable"} | number
        admin_client.post(step("number"), answers)
        admin_client.post(step("project"), {"project": project.pk})
        with django_capture_on_commit_callbacks(execute=True):
            made = admin_client.post(step("review"))
        return admin_client.get(made.url)

    return guide


# --- the whole way --------------------------------------------------------------------------------


def test_the_last_step_makes_trunk_number_and_rule_pushes_and_tests_them(
    guide, livekit, project, test_calls
):
    page = guide(label="Sales").content.decode()
    number = Number.objects.select_related("trunk").get()
    rule = DispatchRule.objects.get()
    assert (number.e164, number.label, number.trunk.name) == (NUMBER, "Sales", "Another carrier")
    assert number.trunk.allowed_addresses == ["203.0.113.0/28", "198.51.100.7"]
    assert (rule.project, list(rule.trunks.all())) == (project, [number.trunk])
    assert len(livekit.lines) == len(livekit.answers) == 1
    assert f"{NUMBER} is connected" in page
    assert "Project “Shop” answers (version 1)." in page
    assert "sip:sip.example.com:5070" in page
    assert "Under way." in page
    assert test_calls == [1]


def test_nothing_is_made_before_the_last_step(admin_client, project):
    admin_client.post(step("carrier"), {"carrier": "twilio"})
    admin_client.post(
        step("number"), {"e164": NUMBER, "addresses": ADDRESSES, "encryption": "disable"}
    )
    admin_client.post(step("project"), {"project": project.pk})
    page = admin_client.get(step("review")).content.decode()
    assert "Nothing has been made so far." in page
    assert "Call Transfer (SIP REFER)" in page
    assert not Trunk.objects.exists()
    assert not Number.objects.exists()


def test_going_back_keeps_what_was_answered(admin_client, project):
    admin_client.post(step("carrier"), {"carrier": "pbx"})
    answers = {"e164": NUMBER, "addresses": "", "encryption": "allow", "username": "pbx",
               "password": "open sesame"}  # fmt: skip
    assert admin_client.post(step("number"), answers).status_code == 302
    page = admin_client.get(step("number")).content.decode()
    assert NUMBER in page
    assert "open sesame" not in page
    assert "open sesame" not in str(dict(admin_client.session))
    again = answers | {"password": ""}  # left as it was
    assert admin_client.post(step("number"), again).status_code == 302
    sealed = admin_client.session["connect"]["sealed_password"]
    from django.conf import settings

    assert seal.unseal(sealed, keys=settings.SEAL_KEYS) == "open sesame"


@pytest.mark.parametrize("name", ["number", "project", "review"])
def test_no_step_can_be_jumped_over(admin_client, project, name):
    assert admin_client.get(step(name)).url == step("carrier")
    admin_client.post(step("carrier"), {"carrier": "twilio"})
    if name != "number":
        assert admin_client.get(step(name)).url == step("number")


# --- what cannot be -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("carrier", "answers", "words"),
    [
        ("generic", {"e164": "2025550100"}, "cannot be used"),
        ("generic", {"addresses": ""}, "or user name and password."),
        ("plivo", {"addresses": ""}, "Write the addresses."),
        ("generic", {"addresses": "0.0.0.0/0"}, "would let everyone call in"),
        ("generic", {"username": "me"}, "Give both, or none."),
        ("generic", {"encryption": "much"}, "not one of the available choices"),
    ],
)
def test_what_cannot_be_is_told(admin_client, project, carrier, answers, words):
    admin_client.post(step("carrier"), {"carrier": carrier})
    data = {"e164": NUMBER, "addresses": ADDRESSES, "encryption": "disable"} | answers
    page = admin_client.post(step("number"), data)
    assert page.status_code == 200
    assert words in page.content.decode()


def test_a_number_we_have_is_not_connected_twice(guide, admin_client):
    guide()
    admin_client.post(step("carrier"), {"carrier": "generic"})
    data = {"e164": NUMBER, "addresses": ADDRESSES, "encryption": "disable"}
    assert admin_client.post(step("number"), data).status_code == 200
    assert Number.objects.count() == 1


def test_somebody_else_was_quicker(admin_client, guide, project, livekit):
    admin_client.post(step("carrier"), {"carrier": "generic"})
    data = {"e164": NUMBER, "addresses": ADDRESSES, "encryption": "disable"}
    admin_client.post(step("number"), data)
    admin_client.post(step("project"), {"project": project.pk})
    make_rule(project=project)
    answer = admin_client.post(step("review"), follow=True)
    assert "connected by somebody else" in answer.content.decode()
    assert Trunk.objects.count() == 1


def test_a_project_nobody_published_is_not_taken(admin_client, project):
    draft = make_project(slug="draft", name="Draft")
    admin_client.post(step("carrier"), {"carrier": "generic"})
    data = {"e164": NUMBER, "addresses": ADDRESSES, "encryption": "disable"}
    admin_client.post(step("number"), data)
    page = admin_client.post(step("project"), {"project": draft.pk}).content.decode()
    assert "is not published, so nobody would answer" in page


def test_only_who_may_add_lines_is_let_in(client, django_user_model, project):
    client.force_login(django_user_model.objects.create_user("reviewer", is_staff=True))
    assert client.get(step("carrier")).status_code == 403


# --- used again -----------------------------------------------------------------------------------


def test_a_second_number_of_the_same_carrier_and_project_shares_trunk_and_rule(guide):
    guide()
    guide(e164="+12025550101")
    assert (Trunk.objects.count(), DispatchRule.objects.count()) == (1, 1)
    assert Trunk.objects.get().numbers.count() == 2


@pytest.mark.parametrize(
    "other",
    [{"addresses": "203.0.113.0/28"}, {"encryption": "require"},
     {"username": "u", "password": "p"}, {"carrier": "pbx"}],
)  # fmt: skip
def test_another_setting_makes_another_trunk(guide, other):
    guide()
    guide(**({"e164": "+12025550101"} | other))
    assert (Trunk.objects.count(), DispatchRule.objects.count()) == (2, 2)


def test_another_project_makes_another_trunk(guide):
    guide()
    second = make_project(slug="second", name="Second")
    make_plan(second)
    guide(e164="+12025550101", project=second)
    assert sorted(Trunk.objects.values_list("name", flat=True)) == [
        "Another carrier", "Another carrier 2",
    ]  # fmt: skip


def test_the_same_password_is_the_same_however_sealed(guide):
    guide(username="u", password="p")
    guide(e164="+12025550101", username="u", password="p")
    guide(e164="+12025550102", username="u", password="q")
    assert Trunk.objects.count() == 2


# --- afterwards -----------------------------------------------------------------------------------


def test_the_page_shows_what_comes_and_what_is_refused(guide, admin_client):
    guide()
    number = Number.objects.get()
    make_call(room="call_1", caller="+12025550123", called=NUMBER, number=number)
    make_call(room="unknown_1", caller="+12025550124", called="2025550100", state="failed",
              end_reason="unknown_number", ended_at=NOW)  # fmt: skip
    make_call(room="call_other", caller="+12025550125", called="+12025559999")
    url = reverse("admin:telephony_connect_state", args=[number.pk])
    page = admin_client.get(url, {"since": NOW.isoformat()}).content.decode()
    assert "+1 202-555-0123" in page
    assert "Nobody here has the number that was dialled." in page
    assert "+1 202-555-0125" not in page
    assert admin_client.get(url, {"since": "soon"}).status_code == 404


def test_a_push_which_waits_or_failed_is_shown(guide, livekit, admin_client):
    guide()
    number = Number.objects.get()
    livekit.away = True
    push.mark_pending(Trunk.objects.all())
    url = reverse("admin:telephony_connect_done", args=[number.pk])
    page = admin_client.get(url).content.decode()
    assert "Pending" in page
    assert "Connecting" in page


def test_a_test_call_is_queued_and_shown(
    guide, admin_client, test_calls, django_capture_on_commit_callbacks
):
    guide()
    test_calls.clear()
    number = Number.objects.get()
    url = reverse("admin:telephony_testcall")
    assert admin_client.put(url).status_code == 405
    with django_capture_on_commit_callbacks(execute=True):
        page = admin_client.post(url, {"number": number.pk}, follow=True).content.decode()
    assert test_calls == [1]
    assert "Under way." in page
    testline.remember(Verdict(ok=False, headline="One-way audio", advice="Open it."), NOW)
    page = admin_client.get(reverse("admin:telephony_connect_done", args=[number.pk]))
    assert "One-way audio" in page.content.decode()


# --- what we know of carriers ---------------------------------------------------------------------


@pytest.mark.parametrize("carrier", CARRIERS.values(), ids=lambda c: c.key)
def test_each_carrier_can_be_told_and_its_addresses_used(carrier):
    values = {"host": "h", "port": "5060", "number": "n", "user": "u"}
    assert all("{" not in line for line in (*carrier.told(**values), *carrier.warned(**values)))
    assert [shapes.network(network) for network in carrier.addresses()] == carrier.addresses()
    assert bool(carrier.source) == bool(carrier.checked)
    assert carrier.networks or carrier.by_password or "support" in " ".join(carrier.traps)


def test_addresses_nobody_compared_are_told_to_be_checked(admin_client, project):
    twilio = CARRIERS["twilio"]
    assert twilio.unconfirmed < set(twilio.networks)
    assert "54.172.60.0/30" not in twilio.to_check()
    assert "54.171.127.192/30" in twilio.to_check()
    told = forms_connect._about_addresses(twilio)
    assert "Check these against Twilio's page before use: " in told
    assert "54.171.127.192/30" in told
    assert "54.172.60.0/30" not in told
    assert "Check these" not in forms_connect._about_addresses(CARRIERS["telnyx"])
    admin_client.post(step("carrier"), {"carrier": "twilio"})
    page = admin_client.get(step("number")).content.decode()
    assert page.count("(not confirmed: check against Twilio’s page before use)") == 6


@pytest.mark.parametrize("carrier", CARRIERS.values(), ids=lambda c: c.key)
def test_only_regions_there_are_can_be_unconfirmed(carrier):
    assert carrier.unconfirmed <= set(carrier.networks)


def test_the_place_of_this_installation(settings):
    settings.SIP_PUBLIC_ADDRESS = "sip.example.com"
    assert connect.place() == {"host": "sip.example.com", "port": "5060"}
    assert carriers_known.CARRIERS["twilio"].label == "Twilio"


@pytest.mark.parametrize(
    ("address", "carrier", "is_told"),
    [("127.0.0.1:5060", "twilio", True), ("10.0.0.5:5060", "generic", True),
     ("10.0.0.5:5060", "pbx", False), ("8.8.8.8:5060", "twilio", False),
     ("sip.example.com:5060", "twilio", False), ("localhost:5060", "twilio", True)],
)  # fmt: skip
def test_a_carrier_which_cannot_reach_us_is_told(
    admin_client, project, settings, address, carrier, is_told
):
    settings.SIP_PUBLIC_ADDRESS = address
    admin_client.post(step("carrier"), {"carrier": carrier})
    page = admin_client.get(step("number")).content.decode()
    assert ("Set SIP_PUBLIC_ADDRESS" in page) == is_told
