"""What a worker is told about a ringing call, and the desk where it is set."""

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.urls import reverse

from agents import seal
from agents.entrance import Decision
from telephony import entrance
from telephony.models import CallerRule, Entrance, Number, Schedule
from tests.agents.pages import shown
from tests.factories import (
    NOW,
    NUMBER,
    digest_in_use,
    make_call,
    make_line,
    make_plan,
    make_project,
    make_rule,
    make_trunk,
)

pytestmark = [pytest.mark.db, pytest.mark.django_db]

CALLER = "+12025550123"


@pytest.fixture
def number(db) -> Number:
    trunk = make_trunk()
    make_rule(trunk)
    return trunk.numbers.get()


def plan_of(number: Number) -> str:
    return digest_in_use(number.trunk.rules.get())


def policy(number: Number, **values) -> Entrance:
    return Entrance.objects.create(number=number, **values)


def shut() -> Schedule:
    return Schedule.objects.create(name="Shut", expression="24/7 off")


def told(number: Number, *, caller: str = CALLER, called: str = "") -> dict:
    return entrance.decisions(plan=plan_of(number), caller=caller, called=called, now=NOW)


def decision(number: Number, **asked) -> Decision:
    return Decision.from_dict(told(number, **asked)["numbers"][number.e164]["decision"])


# --- what a worker is told -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({}, ("ST_out", "")),
        ({"caller_ids": [NUMBER]}, ("ST_out", NUMBER)),
        ({"enabled": False}, ("", "")),
        ({"remote_id": ""}, ("", "")),
    ],
)
def test_a_worker_is_told_over_which_line_callers_are_sent_on(number, line, said):
    policy(
        number, schedule=shut(), closed_action="forward", closed_number="+12025550188",
        overflow_trunk=make_line(**line),
    )  # fmt: skip
    found = decision(number)
    assert (found.action, found.number) == ("forward", "+12025550188")
    assert (found.trunk, found.caller_id) == said


def test_a_number_without_policy_is_answered(number):
    assert told(number) == {"numbers": {}, "others": Decision().to_dict(), "whole": True}


def test_a_closed_number_is_told_with_its_words(number):
    policy(number, schedule=shut(), closed_words="We are closed.")
    made = decision(number)
    assert (made.action, made.reason, made.words) == ("message", "closed", "We are closed.")


def test_a_number_is_told_by_name_too(number):
    policy(number, schedule=shut(), closed_words="We are closed.")
    assert set(told(number, called="12025550100")["numbers"]) == {NUMBER}
    assert told(number, called="+12025550999")["numbers"] == {}


def test_a_number_with_a_project_of_its_own_names_its_plan(number):
    project = make_project(slug="other", name="Other")
    plan = make_plan(project)
    policy(number, project=project)
    assert decision(number).plan == plan.digest


def test_the_secret_of_the_lookup_stays_sealed(number):
    sealed = seal.seal("s3cret", keys=settings.SEAL_KEYS)
    policy(number, lookup_url="https://crm.example/", sealed_lookup_secret=sealed)
    lookup = decision(number).lookup
    assert lookup
    assert lookup.sealed_secret == sealed
    assert "s3cret" not in json.dumps(told(number))


def rule(digits: str, **values) -> CallerRule:
    return CallerRule.objects.create(digits=digits, **values)


def test_a_blocked_caller_is_blocked_at_numbers_without_policy_too(number):
    rule("12025550123")
    assert told(number)["others"]["reason"] == "blocked"
    assert told(number, caller="+12025550124")["others"]["action"] == "answer"


def test_what_is_held_against_one_caller_is_not_usual(number):
    policy(number)
    rule("12025550123")
    both = told(number)["numbers"][NUMBER]
    assert (both["decision"]["action"], both["usual"]["action"]) == ("refuse", "answer")


@pytest.mark.parametrize(
    ("rules", "reason"),
    [
        ([("1202", "block", True)], "blocked"),
        ([("1202", "block", False)], ""),
        ([("1202", "block", True), ("12025550123", "allow", False)], ""),
        ([("1202", "allow", True), ("1202555", "block", True)], "blocked"),
        ([("49", "block", True)], ""),
    ],
)
def test_the_most_exact_rule_decides(number, rules, reason):
    policy(number)
    for digits, kind, is_prefix in rules:
        rule(digits, kind=kind, is_prefix=is_prefix)
    assert decision(number).reason == reason


def test_a_numbers_own_rule_comes_before_those_for_all(number):
    policy(number)
    rule("12025550123", kind="block")
    rule("1202", kind="allow", is_prefix=True, number=number)
    assert decision(number).action == "answer"


def test_a_rule_which_is_over_is_none(number):
    policy(number)
    rule("12025550123", expires_at=NOW - timedelta(seconds=1))
    assert decision(number).action == "answer"


def test_a_withheld_number(number):
    policy(number, withheld_allowed=False)
    assert decision(number, caller="anonymous").reason == "blocked"
    assert decision(number).reason == ""


def test_one_look_for_many_numbers(number, django_assert_max_num_queries):
    for n in range(20):
        more = Number.objects.create(e164=f"+120255502{n:02}", trunk=number.trunk)
        policy(more, schedule=Schedule.objects.create(name=f"{n}", expression="24/7 off"))
    digest = plan_of(number)
    with django_assert_max_num_queries(3):
        found = entrance.decisions(plan=digest, caller=CALLER, now=NOW)
    assert len(found["numbers"]) == 20


def test_too_many_numbers_are_asked_for_by_name(number, monkeypatch):
    monkeypatch.setattr(entrance, "MOST", 2)
    for n in range(3):
        policy(Number.objects.create(e164=f"+120255502{n:02}", trunk=number.trunk))
    assert told(number)["whole"] is False
    assert set(told(number, called="+12025550202")["numbers"]) == {"+12025550202"}


# --- the endpoint --------------------------------------------------------------------------------


def ask(client, body, token=None):
    return client.post(
        "/internal/entrance", json.dumps(body), content_type="application/json",
        headers={"Authorization": f"Bearer {token or settings.WORKER_TOKEN}"},
    )  # fmt: skip


def test_a_worker_asks(client, number):
    policy(number, schedule=shut(), closed_action="refuse")
    answer = ask(client, {"plan": plan_of(number), "caller": CALLER})
    assert answer.json()["numbers"][NUMBER]["decision"]["action"] == "refuse"


def test_nobody_else_may_ask(client, number):
    assert ask(client, {"plan": plan_of(number)}, token="guess").status_code == 401


@pytest.mark.parametrize("body", [[], "x", {"plan": 1}, {"caller": "x" * 200}, {"plan": "\0"}])
def test_what_is_no_question_is_refused(client, body):
    assert ask(client, body).status_code == 400


# --- the desk ------------------------------------------------------------------------------------


def number_page(number: Number) -> str:
    return reverse("admin:telephony_number_change", args=[number.pk])


def save(client, number: Number, **values):
    data = shown(client.get(number_page(number)))
    data |= {f"entrance-0-{name}": value for name, value in values.items()}
    data = {key: value for key, value in data.items() if value is not None}
    return client.post(number_page(number), data, follow=True)


def test_a_supervisor_sets_what_happens_outside_the_hours(admin_client, number, livekit):
    schedule = shut()
    save(
        admin_client, number, schedule=schedule.pk, closed_action="forward",
        closed_number="+1 202 555 0188", lookup_secret="",
    )  # fmt: skip
    row = Entrance.objects.get()
    assert (row.schedule, row.closed_action, row.closed_number) == (
        schedule, "forward", "+12025550188",
    )  # fmt: skip


def test_a_number_saved_without_a_change_has_no_policy(admin_client, number, livekit):
    save(admin_client, number)
    assert not Entrance.objects.exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"closed_action": "message"}, "Write what the caller hears."),
        ({"closed_action": "forward"}, "Write the number callers are sent to."),
        ({"closed_number": "42"}, "cannot be used"),
        ({"priority": 12}, "Write 0 to 9."),
        ({"lookup_url": "https://elsewhere.example/"}, "LOOKUP_HOSTS"),
        ({"blocked_action": "message"}, "Write what blocked callers hear"),
        ({"overflow_number": "+12025550177"}, "Choose the outbound trunk"),
    ],
)
def test_what_is_missing_is_said(admin_client, number, livekit, values, words):
    page = save(admin_client, number, schedule=shut().pk, **values)
    assert words in page.content.decode()
    assert not Entrance.objects.exists()


def test_a_secret_is_sealed_and_never_shown(admin_client, number, livekit, settings):
    settings.LOOKUP_HOSTS = ["crm.example"]
    save(admin_client, number, lookup_url="https://crm.example/who", lookup_secret="s3cret")
    row = Entrance.objects.get()
    assert seal.unseal(row.sealed_lookup_secret, keys=settings.SEAL_KEYS) == "s3cret"
    assert "s3cret" not in admin_client.get(number_page(number)).content.decode()


def test_hours_are_previewed_while_they_are_typed(admin_client):
    url = reverse("admin:telephony_schedule_preview")
    typed = {"expression": "24/7 off", "timezone": "Europe/Berlin", "country": "", "closed_on": ""}
    assert admin_client.get(url, typed).json()["words"].startswith("Closed now")
    typed["expression"] = "every now and then"
    answer = admin_client.get(url, typed).json()
    assert (answer["fine"], "cannot be read" in answer["words"]) == (False, True)


def test_hours_are_saved_with_their_closed_days(admin_client):
    page = admin_client.get(reverse("admin:telephony_schedule_add"))
    data = shown(page) | {"name": "Week", "country": "de", "closed_on": "2026-12-24\n2026-12-31"}
    admin_client.post(reverse("admin:telephony_schedule_add"), data)
    row = Schedule.objects.get()
    assert (row.country, row.closed_on) == ("DE", ["2026-12-24", "2026-12-31"])
    listing = admin_client.get(reverse("admin:telephony_schedule_changelist")).content.decode()
    assert "now, until" in listing


def add_rule(client, **values):
    url = reverse("admin:telephony_callerrule_add")
    return client.post(url, {"kind": "block", "priority": 0} | values)


def test_a_beginning_of_numbers_is_blocked(admin_client):
    add_rule(admin_client, typed="+49 900", is_prefix="on", note="dear")
    assert CallerRule.objects.get().digits == "49900"
    listing = admin_client.get(reverse("admin:telephony_callerrule_changelist"), {"q": "+49 900"})
    assert "+49900…" in listing.content.decode()


def test_a_second_rule_for_one_caller_is_refused(admin_client):
    add_rule(admin_client, typed=CALLER)
    assert (
        "There is a rule for this caller already"
        in add_rule(admin_client, typed=CALLER, kind="allow").content.decode()
    )
    assert CallerRule.objects.count() == 1


def test_a_caller_is_blocked_from_the_list_of_calls(admin_client):
    mine = make_call(caller=CALLER)
    withheld = make_call(room="call_2_abc", caller="anonymous")
    url = reverse("admin:telephony_call_changelist")
    page = admin_client.post(
        url, {"action": "block_callers", "_selected_action": [mine.pk, withheld.pk]}, follow=True
    )
    row = CallerRule.objects.get()
    assert (row.kind, row.digits, row.number) == ("block", "12025550123", None)
    words = page.content.decode()
    assert "is blocked now" in words
    assert "nothing to block" in words


def test_who_may_not_make_rules_may_not_block(client, django_user_model):
    from django.contrib.auth.models import Permission

    looker = django_user_model.objects.create_user("looker", is_staff=True, password="x")
    looker.user_permissions.add(Permission.objects.get(codename="view_call"))
    client.force_login(looker)
    call = make_call(caller=CALLER)
    url = reverse("admin:telephony_call_changelist")
    client.post(url, {"action": "block_callers", "_selected_action": [call.pk]})
    assert not CallerRule.objects.exists()
