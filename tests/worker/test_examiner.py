"""“Try it”, the worker's half: a real examiner, the fake desk, providers which are emulated."""

import asyncio
import base64
import io
import wave
from contextlib import asynccontextmanager

import pytest

from agents.providers import PROVIDERS
from agents.seal import seal
from agents.worker import examiner
from agents.worker.desk import Desk
from agents.worker.examiner import Examiner
from agents.worker.prepared import RATE
from agents.worker.trial import SPOKEN
from tests.emulators.core import Fault
from tests.fakes.desk import TOKEN, FakeDesk, wait_until
from tests.worker.engines import ANSWER, ASKED, AT, SEAL, world
from tests.worker.plan import a_config

pytestmark = pytest.mark.worker


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(examiner, "LOOK_S", 0.02)


@asynccontextmanager
async def at_work(tmp_path, desk: FakeDesk):
    config = a_config(tmp_path, url=desk.url, seal_keys=tuple(SEAL))
    async with Desk(desk.url, TOKEN) as client:
        task = asyncio.create_task(Examiner(config, client).run())
        try:
            yield
        finally:
            task.cancel()


def a_wish(number: int, slug: str, base: str, *, text: str = "", key: str = "k-test", **options):
    provider = PROVIDERS[slug]
    if not provider.embedded:
        options = {"base_url": base + AT[slug]} | options
    stage = {
        "provider": slug, "options": options, "account": "Mine", "expected_ms": 0,
        "sealed_key": seal(key, keys=SEAL) if provider.needs_key else "",
    }  # fmt: skip
    return {
        "id": number, "role": provider.role, "stage": stage, "language": "en", "text": text,
    }  # fmt: skip


async def outcomes(tmp_path, *wishes) -> dict:
    async with FakeDesk() as desk, at_work(tmp_path, desk):
        desk.wishes = list(wishes)
        done = lambda: len([one for one in desk.trials.values() if one]) == len(wishes)  # noqa: E731
        await wait_until(done, timeout_s=30)
        return desk.trials


def seconds_of(wav: str) -> float:
    with wave.open(io.BytesIO(base64.b64decode(wav))) as file:
        assert (file.getnchannels(), file.getframerate()) == (1, RATE)
        return file.getnframes() / file.getframerate()


async def test_one_of_each_role_is_tried_and_told(tmp_path):
    async with world() as emulators:
        emulators.board.script.utterances.append(SPOKEN)
        await emulators.board.script.prepare()
        found = await outcomes(
            tmp_path,
            a_wish(1, "deepgram-stt", emulators.base, text=SPOKEN),
            a_wish(2, "openai-llm", emulators.base, text=ASKED),
            a_wish(3, "kokoro", emulators.base, text="Good morning.", voice="af_sky"),
        )
    assert [found[n]["ok"] for n in (1, 2, 3)] == [True, True, True]
    assert (found[1]["text"], found[2]["text"]) == (SPOKEN, ANSWER)
    assert (found[1]["wav"], found[2]["wav"]) == ("", "")
    assert seconds_of(found[3]["wav"]) > 0.5


async def test_the_embedded_voice_needs_nobody(tmp_path):
    found = await outcomes(tmp_path, a_wish(1, "flite", "", text="Good morning.", voice="slt"))
    assert found[1]["ok"]
    assert seconds_of(found[1]["wav"]) > 0.5


async def test_what_fails_is_told_in_the_providers_words_and_without_the_key(tmp_path):
    async with world(Fault("tts", "kokoro", "429")) as emulators:
        found = await outcomes(
            tmp_path,
            a_wish(1, "openai-llm", emulators.base, key="bad-secret"),
            a_wish(2, "kokoro", emulators.base),
            a_wish(3, "whisper", "http://127.0.0.1:9"),
        )
    assert [found[n]["ok"] for n in (1, 2, 3)] == [False, False, False]
    assert found[1]["error"].startswith("401")
    assert found[2]["error"].startswith("429")
    assert "Connect" in found[3]["error"]
    assert "bad-secret" not in str(found)


async def test_a_wish_nobody_can_read_does_not_stop_the_next_one(tmp_path):
    broken = a_wish(1, "flite", "") | {"role": "smell"}
    async with FakeDesk() as desk, at_work(tmp_path, desk):
        desk.wishes = [broken, a_wish(2, "flite", "", text="Hello.")]
        await wait_until(lambda: desk.trials.get(2), timeout_s=20)
        assert desk.trials[1] is None


async def test_the_examiner_waits_while_the_desk_is_away(tmp_path):
    async with FakeDesk() as desk, at_work(tmp_path, desk):
        desk.away = True
        desk.wishes = [a_wish(1, "flite", "", text="Hello.")]
        await asyncio.sleep(0.2)
        assert desk.trials == {}
        desk.away = False
        await wait_until(lambda: desk.trials.get(1), timeout_s=20)
        assert (desk.trials[1] or {})["ok"]
