"""Which providers are down, shared through the real Redis."""

import asyncio

import pytest

from agents.plan import Stage
from agents.providers import Role
from agents.seal import seal
from agents.worker import trial
from agents.worker.chain import health
from agents.worker.chain.health import SharedHealth
from agents.worker.chain.members import Member
from agents.worker.prober import Prober
from tests.contract import servers
from tests.emulators.core import Fault
from tests.worker.engines import AT, SEAL, world
from tests.worker.plan import a_config, a_plan

pytestmark = pytest.mark.contract

CLOUD = Member(Role.LLM, Stage(provider="openai-llm", account="Cloud"), None)
OTHER = Member(Role.LLM, Stage(provider="anthropic-llm", account="Other"), None)


@pytest.fixture
def redis(tmp_path):
    port = servers.free_port()
    with servers._redis(tmp_path, port):
        yield f"redis://127.0.0.1:{port}/0"


@pytest.fixture
async def workers(redis):
    """Two processes' views."""
    views = [SharedHealth(redis), SharedHealth(redis)]
    yield views
    for view in views:
        await view.aclose()


async def settled(view):
    if view._tasks:
        await asyncio.wait(view._tasks)


async def test_what_one_worker_learns_all_know(workers):
    one, two = workers
    one.failed(CLOUD, "stalled")
    assert one.is_down(CLOUD)
    await settled(one)
    await two.look()
    assert two.is_down(CLOUD)
    assert not two.is_down(OTHER)


async def test_only_one_worker_probes_and_a_good_probe_closes_the_circuit(workers, monkeypatch):
    monkeypatch.setattr(health, "REST_S", 0.1)
    one, two = workers
    one.failed(CLOUD, "failed")
    await settled(one)
    await asyncio.sleep(0.2)
    first, second = await one.due([CLOUD.id]), await two.due([CLOUD.id])
    assert (first, second) == ([CLOUD.id], [])
    await one.probed(CLOUD.id, works=True)
    await two.look()
    assert not one.is_down(CLOUD)
    assert not two.is_down(CLOUD)


async def test_a_failed_probe_doubles_the_rest(workers):
    one, _ = workers
    one.failed(CLOUD, "failed")
    await settled(one)
    before = one._down[CLOUD.id]["rest"]
    await one.probed(CLOUD.id, works=False)
    assert one._down[CLOUD.id]["rest"] == 2 * before
    assert await one.due([CLOUD.id]) == []


async def test_without_redis_each_process_keeps_its_own_view(tmp_path):
    alone = SharedHealth(f"redis://127.0.0.1:{servers.free_port()}/0")
    await alone.look()
    alone.failed(CLOUD, "stalled")
    await settled(alone)
    assert alone.is_down(CLOUD)
    assert not alone.is_down(OTHER)
    await alone.aclose()


async def test_the_prober_finds_out_that_a_provider_is_back(redis, workers, tmp_path, monkeypatch):
    """Over the provider's own wire; a live call has no part in it."""
    monkeypatch.setattr(health, "REST_S", 0.1)
    view, _ = workers
    async with world(Fault("llm", "openai", "500")) as emulators:
        where = emulators.base + AT["openai-llm"]
        stage = Stage(
            provider="openai-llm", options={"base_url": where}, sealed_key=seal("k", keys=SEAL)
        )
        member = Member(Role.LLM, stage, None)
        config = a_config(tmp_path, redis_url=redis, seal_keys=tuple(SEAL))
        prober = Prober(config, lambda: [a_plan(llm=(stage,))])
        view.failed(member, "failed")
        await settled(view)
        await asyncio.sleep(0.2)
        await prober.look()
        await view.look()
        assert view.is_down(member)
        emulators.board.faults.clear()
        await asyncio.sleep(0.5)
        await prober._health._redis().delete(f"{health.KEY}:probe:{member.id}")
        await prober.look()
        await view.look()
        assert not view.is_down(member)
        await prober._health.aclose()


async def test_a_trial_tells_the_providers_own_words_but_never_the_key(tmp_path):
    async with world() as emulators:
        where = emulators.base + AT["openai-llm"]
        bad = Stage(
            provider="openai-llm",
            options={"base_url": where},
            sealed_key=seal("bad-secret", keys=SEAL),
        )
        found = await trial.attempt(Role.LLM, bad, folder=tmp_path, seal_keys=SEAL)
        assert not found.ok
        assert found.error.startswith("401")
        assert "bad-secret" not in found.error
        good = Stage(
            provider="openai-llm", options={"base_url": where}, sealed_key=seal("k", keys=SEAL)
        )
        found = await trial.attempt(Role.LLM, good, folder=tmp_path, seal_keys=SEAL)
        assert (found.ok, found.error) == (True, "")


@pytest.mark.parametrize("slug", ["deepgram-stt", "openai-stt", "whisper"])
async def test_a_recogniser_is_tried_with_a_spoken_sentence(slug, tmp_path):
    async with world() as emulators:
        emulators.board.script.utterances.append(trial.SPOKEN)
        await emulators.board.script.prepare()
        where = emulators.base + AT[slug]
        stage = Stage(provider=slug, options={"base_url": where}, sealed_key=seal("k", keys=SEAL))
        found = await trial.attempt(Role.STT, stage, folder=tmp_path, seal_keys=SEAL)
    assert (found.ok, found.text, found.error) == (True, trial.SPOKEN, "")


async def test_a_voice_can_be_heard(tmp_path):
    async with world() as emulators:
        where = emulators.base + AT["kokoro"]
        stage = Stage(provider="kokoro", options={"base_url": where})
        found = await trial.attempt(Role.TTS, stage, folder=tmp_path, seal_keys=SEAL)
    assert found.ok
    assert found.sound is not None
    assert found.sound.duration > 1
