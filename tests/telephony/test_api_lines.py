"""Trunks, numbers and rules over the API: the admin's rules, pushed to LiveKit, secrets kept."""

import pytest
from django.conf import settings

from agents import seal
from telephony.models import DispatchRule, Number, Trunk
from tests.factories import NUMBER, make_plan, make_project, make_rule, make_trunk
from tests.telephony.api_client import Api, make_key

pytestmark = [pytest.mark.db, pytest.mark.django_db]

CANARY = "canary-password-4711"
TRUNK = {
    "name": "Sales", "allowed_addresses": ["203.0.113.0/28"], "numbers": [{"number": NUMBER}],
}  # fmt: skip


@pytest.fixture
def api(livekit, tasks_at_once, django_capture_on_commit_callbacks):
    """With everything which hangs on the commit done."""
    program = Api(make_key())

    def ask(*args, **headers):
        with django_capture_on_commit_callbacks(execute=True):
            return program(*args, **headers)

    return ask


def message(answer) -> str:
    return answer.json()["error"]["message"]


def fields(answer) -> list[str]:
    return [detail["field"] for detail in answer.json()["error"]["details"]]


def test_a_line_is_made_over_the_api_and_arrives_on_livekit(api, livekit):
    project = make_project()
    make_plan(project)
    trunk = api("POST", "/trunks", TRUNK)
    assert trunk.status_code == 201
    made = trunk.json()
    assert (made["livekit"]["state"], made["numbers"]) == (
        "pending", [{"number": NUMBER, "label": ""}],
    )  # fmt: skip
    rule = api(
        "POST", "/rules",
        {"name": "Line", "project_id": project.pk, "trunk_ids": [made["id"]]},
    )  # fmt: skip
    assert rule.status_code == 201
    assert api("GET", f"/trunks/{made['id']}").json()["livekit"]["state"] == "synced"
    assert api("GET", f"/rules/{rule.json()['id']}").json()["livekit"]["state"] == "synced"
    (spec,) = livekit.lines.values()
    assert spec.numbers == (NUMBER, NUMBER[1:])
    assert len(livekit.answers) == 1


@pytest.mark.parametrize(
    ("change", "field", "words"),
    [
        ({"allowed_addresses": []}, "allowed_addresses", "Anybody could call in"),
        ({"allowed_addresses": ["0.0.0.0/0"]}, "allowed_addresses", "let everyone call in"),
        ({"numbers": []}, "numbers", "at least one number"),
        ({"numbers": [{"number": "555"}]}, "numbers.0.number", "country code"),
        ({"auth_username": "u"}, "password", "come together"),
        ({"direction": "outbound", "numbers": []}, "address", "provider's host"),
        ({"direction": "sideways"}, "direction", "valid choice"),
        ({"name": " "}, "name", "required"),
        ({"name": "x" * 81}, "name", "at most 80"),
    ],
)
def test_the_admins_rules_hold(api, change, field, words):
    answer = api("POST", "/trunks", TRUNK | change)
    assert answer.status_code == 422
    assert words in message(answer)
    assert field in fields(answer)
    assert not Trunk.objects.exists()


def test_what_is_taken_is_a_conflict(api):
    rule = make_rule(make_trunk())
    same_name = api("POST", "/trunks", TRUNK | {"numbers": [{"number": "+12025550177"}]})
    same_number = api("POST", "/trunks", TRUNK | {"name": "Other"})
    number = api(
        "POST", "/numbers", {"number": "+1 202 555 0100", "trunk_id": Trunk.objects.get().pk}
    )
    second = {"name": "Second", "project_id": rule.project_id, "trunk_ids": [rule.trunks.get().pk]}
    rival = api("POST", "/rules", second)
    assert [a.status_code for a in (same_name, same_number, number, rival)] == [409] * 4
    assert "already belongs to trunk “Sales”" in message(number)
    assert "already answers “Sales”" in message(rival)
    assert Number.objects.count() == 1


def test_only_what_is_given_changes(api):
    trunk = make_trunk(name="Sales", auth_username="user")
    Trunk.objects.update(sealed_auth_password=seal.seal(CANARY, keys=settings.SEAL_KEYS))
    answer = api("PATCH", f"/trunks/{trunk.pk}", {"name": "Support"})
    assert answer.status_code == 200
    changed = answer.json()
    assert (changed["name"], changed["auth_username"], changed["has_password"]) == (
        "Support", "user", True,
    )  # fmt: skip
    assert changed["allowed_addresses"] == ["127.0.0.1/32"]
    assert changed["numbers"] == [{"number": NUMBER, "label": ""}]


def test_the_numbers_of_a_trunk_are_replaced_as_a_whole(api, livekit):
    trunk = make_trunk()
    other = "+12025550177"
    kept = Number.objects.get().pk
    wanted = [{"number": NUMBER, "label": "Main"}, {"number": other}]
    both = api("PATCH", f"/trunks/{trunk.pk}", {"numbers": wanted})
    assert both.status_code == 200
    assert Number.objects.get(e164=NUMBER).pk == kept
    assert Number.objects.get(e164=NUMBER).label == "Main"
    one = api("PATCH", f"/trunks/{trunk.pk}", {"numbers": [{"number": other}]})
    assert [n["number"] for n in one.json()["numbers"]] == [other]
    none = api("PATCH", f"/trunks/{trunk.pk}", {"numbers": []})
    assert none.status_code == 422
    assert [n.e164 for n in Number.objects.all()] == [other]
    (spec,) = livekit.lines.values()
    assert spec.numbers == (other, other[1:])


def test_a_number_moves_and_both_trunks_are_pushed(api, livekit):
    make_trunk()
    other = make_trunk(name="Support", number="+12025550177")
    number = Number.objects.get(e164=NUMBER)
    answer = api("PATCH", f"/numbers/{number.pk}", {"trunk_id": other.pk, "label": "Moved"})
    assert answer.status_code == 200
    assert (answer.json()["trunk_id"], answer.json()["number"]) == (other.pk, NUMBER)
    (spec,) = [s for s in livekit.lines.values() if s.tag.endswith(str(other.pk))]
    assert NUMBER in spec.numbers
    assert api("DELETE", f"/numbers/{number.pk}").status_code == 204
    assert api("GET", f"/numbers/{number.pk}").status_code == 404


def test_what_is_deleted_goes_from_livekit(api, livekit):
    rule = make_rule()
    trunk = rule.trunks.get()
    api("PATCH", f"/rules/{rule.pk}", {"name": "Line"})
    assert livekit.answers
    assert api("DELETE", f"/rules/{rule.pk}").status_code == 204
    assert api("DELETE", f"/trunks/{trunk.pk}").status_code == 204
    assert not livekit.answers
    assert not livekit.lines
    assert not DispatchRule.objects.exists()


def test_a_refusal_of_livekit_is_told_on_the_row(api, livekit):
    livekit.refusing = "no"
    made = api("POST", "/trunks", TRUNK).json()
    told = api("GET", f"/trunks/{made['id']}").json()["livekit"]
    assert told["state"] == "failed"
    assert told["error"]


def test_a_password_is_sealed_and_never_seen_again(api, caplog):
    body = TRUNK | {"auth_username": "user", "password": CANARY}
    answers = [api("POST", "/trunks", body, Idempotency_Key="one")]
    answers += [api("POST", "/trunks", body, Idempotency_Key="one")]
    answers += [api("POST", "/trunks", body | {"auth_username": ""})]
    pk = answers[0].json()["id"]
    answers += [api("PATCH", f"/trunks/{pk}", {"password": CANARY, "name": ""})]
    answers += [api("GET", f"/trunks/{pk}"), api("GET", "/trunks"), api("GET", "/numbers")]
    assert [a.status_code for a in answers] == [201, 201, 422, 422, 200, 200, 200]
    assert all(CANARY not in a.content.decode() for a in answers)
    row = Trunk.objects.get()
    assert seal.unseal(row.sealed_auth_password, keys=settings.SEAL_KEYS) == CANARY
    assert all(row.sealed_auth_password not in a.content.decode() for a in answers)
    assert CANARY not in caplog.text


def test_the_same_request_twice_is_done_once(api):
    first = api("POST", "/trunks", TRUNK, Idempotency_Key="abc")
    second = api("POST", "/trunks", TRUNK, Idempotency_Key="abc")
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    assert Trunk.objects.count() == 1
    other = api("POST", "/trunks", TRUNK | {"name": "Other"}, Idempotency_Key="abc")
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")


def test_a_request_which_failed_may_be_mended_under_the_same_key(api):
    assert api("POST", "/trunks", TRUNK | {"numbers": []}, Idempotency_Key="k").status_code == 422
    assert api("POST", "/trunks", TRUNK, Idempotency_Key="k").status_code == 201


def test_keys_do_not_share_their_idempotency_keys(api):
    assert api("POST", "/trunks", TRUNK, Idempotency_Key="k").status_code == 201
    other = Api(make_key())("POST", "/trunks", TRUNK, Idempotency_Key="k")
    assert other.status_code == 409  # done again, and the name is taken
    assert "Trunk with this Name" in message(other)


@pytest.mark.parametrize("path", ["/trunks", "/numbers", "/rules"])
def test_a_list_asks_as_often_for_many_rows_as_for_few(
    api, path, django_assert_num_queries, django_assert_max_num_queries
):
    def asked() -> int:
        from django.db import connection
        from django.test.utils import CaptureQueriesContext

        with CaptureQueriesContext(connection) as queries:
            assert api("GET", path).status_code == 200
        assert not any("COUNT(" in q["sql"] for q in queries.captured_queries)
        return len(queries)

    rule = make_rule()
    api("GET", path)
    few = asked()
    for n in range(5):
        trunk = make_trunk(name=f"T{n}", number=f"+1202555011{n}")
        make_rule(trunk, project=rule.project, name=f"R{n}")
    assert asked() == few <= 4
