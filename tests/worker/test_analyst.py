"""Questions about finished calls, the worker's half: a real analyst, emulated providers."""

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from agents.providers import PROVIDERS
from agents.seal import seal
from agents.worker import analyst
from agents.worker.analyst import Analyst
from agents.worker.desk import Desk
from agents.worker.embedded import flite
from agents.worker.spoken import RATE, utterances
from tests.emulators.core import Fault
from tests.fakes.desk import TOKEN, FakeDesk, wait_until
from tests.worker.engines import ANSWER, ASKED, AT, SEAL, world
from tests.worker.plan import a_config

pytestmark = pytest.mark.worker

SAID = {"summary": "Asked for the hours.", "resolved": "yes"}


@pytest.fixture(autouse=True)
def looks_often(monkeypatch):
    monkeypatch.setattr(analyst, "LOOK_S", 0.02)
    monkeypatch.setattr(analyst, "TELL_S", (0.02,) * 100)


@asynccontextmanager
async def at_work(tmp_path, desk: FakeDesk):
    config = a_config(tmp_path, url=desk.url, seal_keys=tuple(SEAL))
    async with Desk(desk.url, TOKEN) as client:
        task = asyncio.create_task(Analyst(config, client).run())
        try:
            yield task
        finally:
            task.cancel()


def a_stage(slug: str, base: str, *, key: str = "k-test", **options) -> dict:
    provider = PROVIDERS[slug]
    return {
        "provider": slug, "options": {"base_url": base + AT[slug]} | options,
        "account": f"My {slug}", "expected_ms": 0,
        "sealed_key": seal(key, keys=SEAL) if provider.needs_key else "",
    }  # fmt: skip


def a_question(number: int, *stages: dict) -> dict:
    return {
        "id": number, "kind": "ask", "stages": list(stages), "system": "You file calls.",
        "user": "=== x ===\n[]\n=== x ===", "schema": {"type": "object", "properties": {}},
    }  # fmt: skip


async def outcomes(tmp_path, *wishes, objects: dict[str, bytes] | None = None) -> dict:
    async with FakeDesk() as desk, at_work(tmp_path, desk):
        desk.objects |= objects or {}
        for wish in wishes:
            if "url" in wish:
                wish["url"] = desk.url + wish["url"]
        desk.questions = list(wishes)
        done = lambda: len([one for one in desk.analyses.values() if one]) == len(wishes)  # noqa: E731
        await wait_until(done, timeout_s=60)
        return desk.analyses


@pytest.mark.parametrize("slug", ["openai-llm", "anthropic-llm", "mistral-llm", "ollama"])
async def test_a_model_is_asked_and_what_it_used_is_told(tmp_path, slug):
    async with world() as emulators:
        emulators.board.script.answers["*"] = json.dumps(SAID)
        stage = a_stage(slug, emulators.base, model="m-1")
        found = (await outcomes(tmp_path, a_question(1, stage)))[1]
    assert found["ok"], found
    assert json.loads(found["text"]) == SAID
    assert (found["provider"], found["model"], found["account"]) == (slug, "m-1", f"My {slug}")
    assert found["usage"]["input_tokens"] > 0
    assert found["usage"]["output_tokens"] > 0


async def test_the_next_model_is_asked_when_one_fails(tmp_path):
    async with world(Fault("llm", "openai", "500")) as emulators:
        emulators.board.script.answers["*"] = json.dumps(SAID)
        stages = [a_stage(slug, emulators.base, model="m") for slug in ("openai-llm", "groq-llm")]
        found = (await outcomes(tmp_path, a_question(1, *stages)))[1]
        asked = [line["provider"] for line in emulators.board.log if line["what"] == "request"]
    assert (found["ok"], found["provider"]) == (True, "groq-llm")
    assert asked == ["groq"]


async def test_when_all_fail_it_is_told_without_a_key(tmp_path):
    async with world(Fault("llm", "groq", "429")) as emulators:
        stages = [
            a_stage("openai-llm", emulators.base, key="bad-secret"),
            a_stage("groq-llm", emulators.base),
        ]
        found = (await outcomes(tmp_path, a_question(1, *stages)))[1]
    assert not found["ok"]
    assert "My openai-llm: 401" in found["error"]
    assert "My groq-llm: 429" in found["error"]
    assert "bad-secret" not in str(found)


async def test_a_question_nobody_can_read_is_told_to_have_failed(tmp_path):
    found = await outcomes(tmp_path, a_question(1, {"provider": "openai-llm", "smell": 1}))
    assert not found[1]["ok"]


async def test_a_worker_which_stops_gives_back_what_it_took(tmp_path):
    async with world(Fault("llm", "openai", "stall")) as emulators, FakeDesk() as desk:
        async with at_work(tmp_path, desk) as task:
            desk.questions = [a_question(7, a_stage("openai-llm", emulators.base))]
            await wait_until(lambda: 7 in desk.analyses)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert desk.given_back == [7]
        assert desk.analyses == {7: None}


async def test_an_answer_is_kept_while_the_desk_is_away(tmp_path):
    async with world() as emulators, FakeDesk() as desk, at_work(tmp_path, desk):
        emulators.board.script.answers["*"] = json.dumps(SAID)
        desk.questions = [a_question(1, a_stage("openai-llm", emulators.base))]
        await wait_until(lambda: 1 in desk.analyses)
        desk.away = True
        asked = lambda: any(one["what"] == "end" for one in emulators.board.log)  # noqa: E731
        await wait_until(asked, timeout_s=20)
        desk.away = False
        await wait_until(lambda: desk.analyses[1], timeout_s=20)
        assert (desk.analyses[1] or {})["ok"]
        requests = [one for one in emulators.board.log if one["what"] == "request"]
        assert len(requests) == 1


# --- the recording once more ----------------------------------------------------------------------


async def a_recording(path: Path, *, layout: str = "stereo") -> Path:
    """Caller left, bot right: the bot at 0.5 s, the caller at 5 s."""
    track = np.zeros((2, RATE * 12), dtype=np.int16)
    for channel, text, at in ((1, ANSWER, 0.5), (0, ASKED, 6.0)):
        pcm = np.frombuffer(await flite.speak(text, voice="slt"), dtype=np.int16)
        begin = round(at * RATE)
        track[channel, begin : begin + len(pcm)] = pcm[: track.shape[1] - begin]
    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=48_000, layout=layout)
        sound = track if layout == "stereo" else track.sum(axis=0, dtype=np.int16)[None]
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(sound.T.reshape(1, -1)), format="s16", layout=layout
        )
        frame.sample_rate = RATE
        resampler = av.AudioResampler(format="s16", layout=layout, rate=48_000, frame_size=960)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return path


async def test_utterances_have_their_speaker_and_their_time(tmp_path):
    said = list(utterances(await a_recording(tmp_path / "a.ogg")))
    assert [one.who for one in said] == ["agent", "caller"]
    assert [round(one.start_ms, -3) for one in said] == [0, 6000]
    assert all(1000 < one.ms < 6000 for one in said)
    mono = list(utterances(await a_recording(tmp_path / "b.ogg", layout="mono")))
    assert [one.who for one in mono] == ["mixed", "mixed"]


@pytest.mark.parametrize("slug", ["whisper", "deepgram-stt"])
async def test_a_recording_is_heard_again_speaker_by_speaker(tmp_path, slug):
    sound = (await a_recording(tmp_path / "a.ogg")).read_bytes()
    async with world() as emulators:
        wish = {
            "id": 3, "kind": "retell", "stages": [a_stage(slug, emulators.base)],
            "language": "en", "url": "/store/rec", "size": len(sound),
        }  # fmt: skip
        found = (await outcomes(tmp_path, wish, objects={"rec": sound}))[3]
    assert found["ok"], found
    assert [(turn["who"], turn["text"]) for turn in found["turns"]] == [
        ("agent", ANSWER), ("caller", ASKED),
    ]  # fmt: skip
    assert found["turns"][1]["start_ms"] > 5000
    assert found["usage"]["audio_ms"] > 3000
    assert not list(tmp_path.glob("tmp*"))


async def test_a_recording_which_is_gone_is_told(tmp_path):
    async with world() as emulators:
        wish = {
            "id": 3, "kind": "retell", "stages": [a_stage("whisper", emulators.base)],
            "language": "en", "url": "/store/none",
        }  # fmt: skip
        found = (await outcomes(tmp_path, wish))[3]
    assert not found["ok"]
    assert "404" in found["error"]
