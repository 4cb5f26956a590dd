"""Whether a worker is alone, as the real Redis tells."""

import asyncio

import pytest

from agents.worker import company
from agents.worker.company import Company
from tests.contract import servers
from tests.fakes.desk import wait_until

pytestmark = pytest.mark.contract


@pytest.fixture
def redis(tmp_path):
    port = servers.free_port()
    with servers._redis(tmp_path, port):
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture(autouse=True)
def sooner(monkeypatch):
    monkeypatch.setattr(company, "GONE_S", 0.6)
    monkeypatch.setattr(company, "BEAT_S", 0.1)


async def test_one_is_alone_until_another_comes_and_again_when_that_has_gone(redis):
    first, second = Company(redis, "one"), Company(redis, "two")
    assert not first.is_alone  # nobody knows yet
    mine = asyncio.create_task(first.run())
    await wait_until(lambda: first.is_alone)
    other = asyncio.create_task(second.run())
    await wait_until(lambda: not first.is_alone)
    await asyncio.sleep(0.7)
    assert not second.is_alone
    other.cancel()  # says good-bye
    await wait_until(lambda: first.is_alone)
    mine.cancel()
    await asyncio.gather(mine, other, return_exceptions=True)


async def test_a_killed_worker_is_no_company_for_long(redis):
    first, second = Company(redis, "one"), Company(redis, "two")
    await second.beat()
    mine = asyncio.create_task(first.run())
    await wait_until(lambda: first.is_alone)
    mine.cancel()
    await asyncio.gather(mine, return_exceptions=True)
    await second._client.aclose()


async def test_without_redis_nobody_is_believed_alone(redis):
    lonely = Company(f"redis://127.0.0.1:{servers.free_port()}/0", "one")
    running = asyncio.create_task(lonely.run())
    await asyncio.sleep(1)
    assert not lonely.is_alone
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
