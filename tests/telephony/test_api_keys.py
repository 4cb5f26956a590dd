"""Keys of the API: shown once, kept as a digest, bound to scopes, networks, dates and a rate."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from telephony import keys
from telephony.api import security
from telephony.models import ApiKey
from telephony.scopes import SCOPES
from tests.telephony.api_client import Api, every_operation, filled, make_key

pytestmark = [pytest.mark.db, pytest.mark.django_db]

OPERATIONS = [(method, path, told["x-scope"]) for method, path, told in every_operation()]


def error_of(answer: Any) -> dict[str, Any]:
    """The one shape."""
    told = answer.json()
    assert set(told) == {"error"}
    assert set(told["error"]) == {"code", "message", "details"}
    assert told["error"]["message"]
    return told["error"]


@pytest.mark.parametrize(("method", "path", "scope"), OPERATIONS)
def test_every_operation_wants_its_scope_and_no_other(method, path, scope):
    others = [other for other in SCOPES if other != scope]
    refused = Api(make_key(*others))(method, filled(path))
    assert refused.status_code == 403
    assert scope in error_of(refused)["message"]
    assert Api(make_key(scope))(method, filled(path)).status_code != 403


@pytest.mark.parametrize(("method", "path", "scope"), OPERATIONS)
def test_every_operation_wants_a_key(method, path, scope):
    answer = Api("")(method, filled(path))
    assert (answer.status_code, error_of(answer)["code"]) == (401, "unauthorised")
    assert answer["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("secret", ["nonsense", "cc_", "cc_aaaaaaaaaa_bbbb", "\x00", "x" * 4000])
def test_a_wrong_key_is_told_nothing_but_that(secret):
    answer = Api(secret)("GET", "/calls")
    assert answer.status_code == 401
    assert "Nobody knows this key" in error_of(answer)["message"]


def test_half_a_key_and_a_longer_one_are_wrong():
    secret = make_key()
    for wrong in (secret[:-1], secret + "x", secret.upper(), secret[:13]):
        assert Api(wrong)("GET", "/calls").status_code == 401
    assert Api(secret)("GET", "/calls").status_code == 200


def test_the_secret_is_not_in_the_database():
    secret = make_key()
    (row,) = ApiKey.objects.values()
    assert secret.rpartition("_")[2] not in str(row)
    assert row["digest"] == keys.digest(secret)


def test_a_revoked_and_an_expired_key_say_so():
    gone, late = make_key(name="gone"), make_key(expires_at=timezone.now() - timedelta(seconds=1))
    assert keys.revoke(key_id=ApiKey.objects.get(name="gone").pk, now=timezone.now())
    assert "revoked" in error_of(Api(gone)("GET", "/calls"))["message"]
    assert "expired" in error_of(Api(late)("GET", "/calls"))["message"]


@pytest.mark.parametrize(
    ("networks", "address", "status"),
    [
        ([], "203.0.113.9", 200),
        (["203.0.113.0/28"], "203.0.113.9", 200),
        (["203.0.113.0/28"], "::ffff:203.0.113.9", 200),
        (["203.0.113.0/28"], "203.0.113.99", 401),
        (["203.0.113.0/28"], "2001:db8::1", 401),
        (["203.0.113.0/28"], "", 401),
    ],
)
def test_a_key_may_be_bound_to_networks(networks, address, status):
    api = Api(make_key(allowed_networks=networks))
    api.client.defaults["REMOTE_ADDR"] = address
    assert api("GET", "/calls").status_code == status


def test_behind_a_proxy_the_client_is_who_the_proxy_says(settings):
    api = Api(make_key(allowed_networks=["203.0.113.9"]))
    forged = {"X_Forwarded_For": "203.0.113.9"}
    assert api("GET", "/calls", **forged).status_code == 401  # no proxy of ours wrote this
    settings.API_PROXIES = 1
    assert api("GET", "/calls", **forged).status_code == 200
    assert api("GET", "/calls", X_Forwarded_For="203.0.113.9, 192.0.2.1").status_code == 401


def test_its_use_is_noted_once_a_minute(django_assert_max_num_queries):
    api = Api(make_key())
    api("GET", "/calls")
    first = ApiKey.objects.get().last_used_at
    assert first is not None
    with django_assert_max_num_queries(2):  # the key, the calls
        api("GET", "/calls")
    assert ApiKey.objects.get().last_used_at == first
    ApiKey.objects.update(last_used_at=first - timedelta(seconds=61))
    api("GET", "/calls")
    again = ApiKey.objects.get().last_used_at
    assert again
    assert again > first - timedelta(seconds=1)


def test_a_key_has_a_rate_and_its_answers_say_how_much_is_left(settings):
    settings.API_REQUESTS_PER_MINUTE = 3
    api, other = Api(make_key()), Api(make_key(requests_per_minute=2))
    answers = [api("GET", "/calls") for _ in range(5)]
    # the minute may end meanwhile: then a second window begins
    assert [a["X-RateLimit-Limit"] for a in answers] == ["3"] * 5
    assert "429" in " ".join(str(a.status_code) for a in answers)
    refused = next(a for a in answers if a.status_code == 429)
    assert error_of(refused)["code"] == "too_many_requests"
    assert 0 < int(refused["Retry-After"]) <= 60
    assert refused["X-RateLimit-Remaining"] == "0"
    assert other("GET", "/calls")["X-RateLimit-Limit"] == "2"
    assert other("DELETE", "/trunks/77")["X-RateLimit-Remaining"] in {"0", "1"}


def test_without_redis_nobody_is_shut_out(monkeypatch):
    class Away:
        def add(self, *args: object, **more: object) -> None:
            raise ConnectionError("away")

    monkeypatch.setattr(security, "cache", Away())
    answer = Api(make_key())("GET", "/calls")
    assert answer.status_code == 200
    assert "X-RateLimit-Limit" not in answer


def test_a_session_of_the_admin_is_no_key(admin_client):
    assert admin_client.get("/api/v1/calls").status_code == 401
    answer = admin_client.post("/api/v1/trunks", "{}", content_type="application/json")
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nothing", None, 404, "not_found"),
        ("GET", "/trunks/4711", None, 404, "not_found"),
        ("GET", "/trunks/99999999999999999999", None, 422, "invalid"),
        ("GET", "/trunks/zero", None, 422, "invalid"),
        ("POST", "/trunks", {"name": "A", "colour": "red"}, 422, "invalid"),
        ("POST", "/trunks", {"name": "A\0"}, 400, "bad_request"),
        ("POST", "/trunks", [], 422, "invalid"),
        ("GET", "/calls?cursor=abc", None, 422, "invalid"),
        ("GET", "/calls?limit=201", None, 422, "invalid"),
        ("GET", "/calls?caller=%00", None, 422, "invalid"),
        ("GET", "/calls?started_after=yesterday", None, 422, "invalid"),
        ("GET", "/calls?started_after=2026-11-21T10:00:00", None, 422, "invalid"),
    ],
)
def test_errors_have_one_shape(method, path, body, status, code):
    answer = Api(make_key())(method, path, body)
    assert (answer.status_code, error_of(answer)["code"]) == (status, code)


@pytest.mark.parametrize("body", [b"{", b'{"name": NaN}', b'{"name": "\xff"}', b"[" * 5000, b""])
def test_a_body_which_is_no_json_is_refused(body):
    api = Api(make_key())
    answer = api.client.post(
        "/api/v1/trunks", body, content_type="application/json",
        headers={"Authorization": f"Bearer {api.secret}"},
    )  # fmt: skip
    assert answer.status_code in {400, 422}
    assert error_of(answer)


def test_a_body_which_is_too_large_is_refused():
    answer = Api(make_key())("POST", "/trunks", {"name": "x" * 1_100_000})
    assert (answer.status_code, error_of(answer)["code"]) == (413, "too_large")


# --- in the admin ---------------------------------------------------------------------------------

FORM = {
    "name": "Billing", "scopes": ["calls:read"], "allowed_networks": "203.0.113.0/28",
    "expires_at_0": "", "expires_at_1": "", "requests_per_minute": "",
}  # fmt: skip


def test_a_key_is_made_in_the_admin_and_its_secret_shown_once(admin_client):
    page = admin_client.post("/admin/telephony/apikey/add/", FORM)
    assert page.status_code == 200
    assert "no-store" in page["Cache-Control"]
    (secret,) = set(re.findall(r"cc_[a-z0-9]{10}_[\w-]{43}", page.content.decode()))
    key = ApiKey.objects.get()
    assert (key.scopes, key.created_by) == (["calls:read"], "admin")
    for url in ("", f"{key.pk}/change/", f"{key.pk}/history/", f"{key.pk}/revoke/"):
        shown = admin_client.get(f"/admin/telephony/apikey/{url}").content.decode()
        assert secret not in shown
    api = Api(secret)
    api.client.defaults["REMOTE_ADDR"] = "203.0.113.1"
    assert api("GET", "/calls").status_code == 200


def test_a_network_which_is_none_is_named(admin_client):
    form = FORM | {"allowed_networks": "203.0.113.1/28"}
    page = admin_client.post("/admin/telephony/apikey/add/", form).content.decode()
    assert "“203.0.113.1/28” is no address or network" in page
    assert not ApiKey.objects.exists()


def test_sending_the_form_again_makes_no_second_key(admin_client):
    admin_client.post("/admin/telephony/apikey/add/", FORM)
    again = admin_client.post("/admin/telephony/apikey/add/", FORM)
    assert "already exists" in again.content.decode()
    assert ApiKey.objects.count() == 1


def test_changing_a_key_keeps_its_secret(admin_client):
    secret = make_key()
    key = ApiKey.objects.get()
    form = FORM | {"scopes": ["trunks:read"], "allowed_networks": ""}
    answer = admin_client.post(f"/admin/telephony/apikey/{key.pk}/change/", form)
    assert answer.status_code == 302
    assert Api(secret)("GET", "/trunks").status_code == 200
    assert Api(secret)("GET", "/calls").status_code == 403


def test_revoking_asks_first(admin_client):
    secret = make_key()
    url = f"/admin/telephony/apikey/{ApiKey.objects.get().pk}/revoke/"
    asked = admin_client.get(url).content.decode()
    assert "stops working at once" in asked
    assert Api(secret)("GET", "/calls").status_code == 200
    assert admin_client.post(url).status_code == 302
    assert Api(secret)("GET", "/calls").status_code == 401


def test_who_may_not_change_keys_cannot_revoke_one(client, django_user_model):
    make_key()
    client.force_login(django_user_model.objects.create_user("low", is_staff=True))
    url = f"/admin/telephony/apikey/{ApiKey.objects.get().pk}/revoke/"
    assert client.post(url).status_code == 403
    assert ApiKey.objects.get().enabled


# --- its description ------------------------------------------------------------------------------


def test_the_description_is_for_staff_and_keys(client, admin_client):
    assert client.get("/api/v1/openapi.json").status_code == 401
    assert client.get("/api/v1/docs").status_code == 302
    assert admin_client.get("/api/v1/openapi.json").json()["openapi"].startswith("3.1")
    page = admin_client.get("/api/v1/docs").content.decode()
    assert "/static/ninja/swagger-ui-bundle.js" in page
    assert "http" not in re.sub(r"<title>.*</title>", "", page)  # nothing from elsewhere
    api = Api(make_key("calls:read"))
    assert api("GET", "/openapi.json").status_code == 200


def test_every_operation_is_described():
    operations = every_operation()
    assert len(operations) > 25
    for method, path, told in operations:
        assert told["x-scope"] in SCOPES, path
        assert told["summary"]
        assert told["security"] == [{"KeyAuth": []}]
        assert {401, 403, 422, 429} <= set(told["responses"]), path
        assert ("{" in path) <= (404 in told["responses"]), path
        assert (method == "GET") == told["x-scope"].endswith(":read"), path
        headers = [p["name"] for p in told["parameters"] if p["in"] == "header"]
        assert headers == (["Idempotency-Key"] if 201 in told["responses"] else []), path
        for status, answer in told["responses"].items():
            if int(status) >= 400:
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Error"}
    ids = [told["operationId"] for _, _, told in operations]
    assert len(set(ids)) == len(ids)


def test_the_description_is_whole():
    """Each reference leads somewhere, each parameter of a path is described, all of it is JSON."""
    from contactcenter.api import api

    text = json.dumps(api.get_openapi_schema())
    schema = json.loads(text)
    assert set(schema) >= {"openapi", "info", "paths", "components"}
    named = {f"#/components/schemas/{name}" for name in schema["components"]["schemas"]}
    assert set(re.findall(r'"\$ref": "([^"]+)"', text)) <= named
    for path, methods in schema["paths"].items():
        for told in methods.values():
            inside = {p["name"] for p in told["parameters"] if p["in"] == "path"}
            assert inside == set(re.findall(r"{(\w+)}", path))
