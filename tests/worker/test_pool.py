"""Processes which wait for a call: how many, and when new ones are made."""

import asyncio
import os
from types import SimpleNamespace

import pytest

from agents.worker import server
from agents.worker.pool import READY, SETTLE_S, Pool

pytestmark = pytest.mark.worker


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def framework():
    """What the pool asks of livekit-agents' own one."""
    queue: asyncio.Queue[object] = asyncio.Queue()
    pool = SimpleNamespace(_warmed_proc_queue=queue, target_idle_processes=5)
    pool.set_target_idle_processes = lambda n: setattr(pool, "target_idle_processes", n)
    return pool


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def waiting(framework, clock):
    return Pool(SimpleNamespace(_proc_pool=framework), 5, clock)


async def test_no_more_wait_than_calls_could_still_come(waiting, framework):
    waiting.load(3, 2)
    assert framework.target_idle_processes == 2
    waiting.load(4, 1)
    assert framework.target_idle_processes == 1
    waiting.load(0, 20)
    assert framework.target_idle_processes == 5


async def test_a_process_in_a_call_is_made_up_for_when_few_are_left(waiting, framework):
    for calls, idle in ((1, 4), (2, 3), (3, 2), (9, 2)):
        waiting.load(calls, 20)
        assert framework.target_idle_processes == idle


async def test_nothing_new_is_made_while_a_caller_is_being_answered(waiting, framework, clock):
    waiting.taken()
    assert framework.target_idle_processes == READY
    waiting.load(1, 4)  # the load is asked for meanwhile
    assert framework.target_idle_processes == READY
    clock.now += SETTLE_S
    waiting.load(1, 4)
    assert framework.target_idle_processes == 4


async def test_it_is_made_up_for_without_being_asked(framework, monkeypatch):
    monkeypatch.setattr("agents.worker.pool.SETTLE_S", 0.05)
    loop = asyncio.get_running_loop()
    waiting = Pool(SimpleNamespace(_proc_pool=framework), 5, loop.time)
    waiting.taken()
    assert framework.target_idle_processes == READY
    await asyncio.sleep(0.15)
    assert framework.target_idle_processes == 5


async def test_a_framework_without_these_names_still_works():
    waiting = Pool(SimpleNamespace(), 5, Clock())
    waiting.load(2, 3)
    waiting.taken()
    await waiting.renew()
    assert waiting.idle() == 0


async def test_processes_are_renewed_one_after_another_and_one_is_left(framework, waiting):
    closed = []

    class Process:
        def __init__(self, name):
            self.name = name

        async def aclose(self):
            closed.append(self.name)
            framework._warmed_proc_queue.put_nowait(Process("new"))

    framework.target_idle_processes = 2
    for name in ("a", "b"):
        framework._warmed_proc_queue.put_nowait(Process(name))
    await waiting.renew()
    assert closed == ["a", "b"]
    assert waiting.idle() == 2
    closed.clear()
    framework._warmed_proc_queue.get_nowait()
    await waiting.renew()
    assert closed == []


def test_a_process_calculates_with_one_thread_unless_told(monkeypatch):
    """Read when numpy is imported, which the fork server does after this."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    server._one_core_each()
    assert (os.environ["OPENBLAS_NUM_THREADS"], os.environ["OMP_NUM_THREADS"]) == ("1", "3")


def test_new_clients_share_what_they_trust():
    """Parsing the CA bundle takes 0.07 s or more, and a ringing caller would wait for it."""
    import httpx
    import httpx2

    from agents.worker import preload

    assert preload.CLIENTS
    for library in (httpx, httpx2):
        one, other = library.AsyncClient(), library.AsyncClient()
        assert _context(one) is _context(other)


def _context(client):
    return client._transport._pool._ssl_context
