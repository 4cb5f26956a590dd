"""The common judge of turns: right, replaced when it dies, and gone with its worker."""

import asyncio
import contextlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from livekit.agents.inference.eot import transports as framework
from livekit.local_inference import EOT, EOT_MAX_SAMPLES

from agents.worker import shared_eot
from agents.worker.shared_eot import ADDRESS, Bench, SharedEot
from tests.fakes.desk import wait_until

pytestmark = pytest.mark.worker

SOUND = (np.random.default_rng(7).standard_normal(EOT_MAX_SAMPLES) * 3000).astype(np.int16)


@pytest.fixture
async def bench(monkeypatch):
    monkeypatch.setenv(ADDRESS, "")  # given back afterwards
    monkeypatch.setattr(shared_eot, "AGAIN_S", 0.1)
    bench = Bench()
    running = asyncio.create_task(bench.run())
    await wait_until(lambda: Path(os.environ[ADDRESS]).exists(), timeout_s=30)
    yield bench
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
    await wait_until(lambda: not judges(), timeout_s=10)
    assert not Path(os.environ[ADDRESS]).parent.exists()


def judges():
    """Processes which listen at the address."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if any(
                str(line.laddr) == os.environ[ADDRESS] for line in process.net_connections("unix")
            ):
                found.append(process)
    return found


async def test_it_judges_as_the_framework_does_by_itself(bench):
    shared = SharedEot()
    for samples in (SOUND, SOUND[:8000], np.zeros(100, dtype=np.int16)):
        told = await asyncio.to_thread(shared.predict, samples)
        assert told == pytest.approx(EOT().predict(samples), abs=1e-6)
    assert shared._own is None


async def test_calls_ask_at_the_same_time(bench):
    asked = [asyncio.to_thread(SharedEot().predict, SOUND) for _ in range(6)]
    assert len(set(await asyncio.gather(*asked))) == 1


async def test_a_call_goes_on_without_it_and_it_comes_back(bench):
    (first,) = judges()
    first.kill()
    first.wait(5)
    shared = SharedEot()
    told = await asyncio.to_thread(shared.predict, SOUND)
    assert told == pytest.approx(EOT().predict(SOUND), abs=1e-6)
    await wait_until(lambda: bool(judges()), timeout_s=20)
    again = SharedEot()
    assert await asyncio.to_thread(again.predict, SOUND) == told
    assert again._own is None


def test_the_framework_asks_it(monkeypatch):
    """A private name of livekit-agents: this fails when it is gone."""
    transports: Any = framework
    monkeypatch.setattr(transports, "_EOT", transports._EOT)
    monkeypatch.delenv(ADDRESS, raising=False)
    shared_eot.share()
    assert transports._EOT is EOT
    monkeypatch.setenv(ADDRESS, "/nowhere")
    shared_eot.share()
    transport = transports._LocalTransport(opts=None)
    assert isinstance(transport._eot, SharedEot)
    assert transport._eot.predict(SOUND) == pytest.approx(EOT().predict(SOUND), abs=1e-6)
