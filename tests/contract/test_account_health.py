"""The accounts page tells what workers know: theirs writes, ours reads, through a real Redis."""

import asyncio
import json
import socket
from datetime import UTC, datetime, timedelta

import pytest
import redis

from agents import provider_health
from agents.plan import Stage
from agents.provider_health import Down
from agents.providers import Role
from agents.worker.chain import health
from agents.worker.chain.health import SharedHealth
from agents.worker.chain.members import Member
from tests.contract import servers
from tests.factories import make_account

pytestmark = [pytest.mark.contract, pytest.mark.django_db]

ACCOUNTS = "/admin/agents/provideraccount/"
NOW = datetime(2026, 11, 21, 14, 4, tzinfo=UTC)


@pytest.fixture
def shared(tmp_path, settings):
    port = servers.free_port()
    with servers._redis(tmp_path, port):
        settings.REDIS_URL = f"redis://127.0.0.1:{port}/0"
        yield settings.REDIS_URL


def fail(url: str, *stages: Stage) -> None:
    """As a worker does when a provider fails in a call."""

    async def write() -> None:
        view = SharedHealth(url)
        for stage in stages:
            view.failed(Member(Role.LLM, stage, None), "stalled")
        await asyncio.wait(view._tasks)
        await view.aclose()

    asyncio.run(write())


def column_of(admin_client) -> dict[str, str]:
    rows = admin_client.get(ACCOUNTS).context["cl"].result_list
    return {row.name: row.health_words for row in rows}


def test_both_sides_mean_the_same_hash():
    assert provider_health.KEY == health.KEY


def test_what_a_worker_found_out_stands_beside_the_account(admin_client, shared):
    make_account("openai-llm", name="Cloud")
    make_account("anthropic-llm", name="Other")
    stages = [
        Stage(provider="openai-llm", account="Cloud", options={"model": model})
        for model in ("gpt-a", "gpt-b")
    ]
    fail(shared, *stages)
    column = column_of(admin_client)
    assert column["Cloud"].startswith("down since ")
    assert "(stalled), next probe " in column["Cloud"]
    assert column["Other"] == "no failure"
    assert column["Cloud"] in admin_client.get(ACCOUNTS).content.decode()


def test_an_account_which_only_has_the_name_is_not_meant(admin_client, shared):
    make_account("anthropic-llm", name="OpenAI or compatible")
    fail(shared, Stage(provider="openai-llm"))  # no account: it goes by its label
    assert column_of(admin_client) == {"OpenAI or compatible": "no failure"}


def test_what_nobody_can_read_is_left_out(admin_client, shared):
    make_account("openai-llm", name="Cloud")
    fail(shared, Stage(provider="openai-llm", account="Cloud"))
    with redis.Redis.from_url(shared) as client:
        for n, value in enumerate(["no JSON", "[]", '{"name": "Cloud"}', "\xff", json.dumps({
            "name": "Cloud", "provider": "openai-llm", "reason": "x", "since": "?", "probe_at": 1,
        })]):  # fmt: skip
            client.hset(health.KEY, str(n), value)
    assert column_of(admin_client)["Cloud"].startswith("down since ")


def test_without_redis_nobody_knows(admin_client, settings):
    settings.REDIS_URL = f"redis://127.0.0.1:{servers.free_port()}/0"
    make_account("openai-llm", name="Cloud")
    assert column_of(admin_client) == {"Cloud": "unknown"}


def test_a_redis_which_says_nothing_does_not_hold_the_page_up(admin_client, settings):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        settings.REDIS_URL = f"redis://127.0.0.1:{mute.getsockname()[1]}/0"
        make_account("openai-llm", name="Cloud")
        assert column_of(admin_client) == {"Cloud": "unknown"}


@pytest.mark.parametrize(
    ("since", "probe_at", "words"),
    [
        (NOW - timedelta(minutes=1), NOW, "down since 14:03 (broke off), next probe 14:04"),
        (NOW - timedelta(days=1), NOW, "down since 20 Nov 14:04 (broke off), next probe 14:04"),
        (
            NOW - timedelta(hours=2), NOW - timedelta(hours=1),
            "down since 12:04 (broke off), nobody probes it any more",
        ),
    ],
)  # fmt: skip
def test_it_is_told_in_a_supervisors_words(since, probe_at, words):
    down = Down(
        account="Cloud", provider="openai-llm", reason="broke_off", since=since, probe_at=probe_at
    )
    assert down.words(NOW) == words
