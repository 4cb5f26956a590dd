"""What load balancers and `make status` ask."""

import pytest

from contactcenter import checks, health

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def test_a_process_which_answers_lives(client):
    assert client.get("/health").content == b"ok"


def test_every_part_well_is_ready(client, monkeypatch):
    for name in health.PARTS:
        monkeypatch.setitem(health.PARTS, name, lambda: None)
    answer = client.get("/ready")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)


def test_parts_which_do_not_answer_are_named(client, settings):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    settings.LIVEKIT_URL = "ws://127.0.0.1:1"
    settings.S3_ENDPOINT = "http://127.0.0.1:1"
    answer = client.get("/ready")
    assert answer.status_code == 503
    parts = answer.json()["parts"]
    assert parts["database"] == "ok"
    assert {name for name, state in parts.items() if state != "ok"} == {
        "redis",
        "livekit",
        "bucket",
    }


def test_no_secret_is_in_the_answer(client, settings):
    settings.REDIS_URL = "redis://:redis-password@127.0.0.1:1/0"
    assert "redis-password" not in client.get("/ready").content.decode()


def test_a_secret_livekit_would_refuse_is_found_at_start(settings):
    assert checks.secrets_are_long_enough() == []
    settings.LIVEKIT_API_SECRET = "short"
    (error,) = checks.secrets_are_long_enough()
    assert "LIVEKIT_API_SECRET is shorter than 32" in error.msg


def test_another_package_called_agents_is_found(monkeypatch):
    assert checks.nothing_else_is_called_agents() == []
    monkeypatch.setattr(checks, "packages_distributions", lambda: {"agents": ["celery"]})
    (error,) = checks.nothing_else_is_called_agents()
    assert "celery also installs “agents”" in error.msg
