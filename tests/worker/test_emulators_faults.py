"""What goes wrong on the wire when an emulator is told so; its delays, and its control routes."""

import asyncio
import base64
import json
import statistics
from contextlib import asynccontextmanager
from urllib.parse import urlencode

import aiohttp
import numpy as np
import pytest

from tests.emulators import speech, wyoming
from tests.emulators.core import Board, Fault, Profile, Script
from tests.emulators.server import Emulators
from tests.worker.plan import on_the_phone

pytestmark = pytest.mark.worker

ASKED = "What are your opening hours?"
ANSWER = "We are open from nine to six."
KEY = {"Authorization": "Token k", "X-API-Key": "k", "xi-api-key": "k"}
LISTEN = {
    "model": "nova-3", "encoding": "linear16", "sample_rate": 16_000, "interim_results": "true",
    "punctuate": "true", "vad_events": "true",
}  # fmt: skip
SPEAK = {"model": "aura-2-thalia-en", "encoding": "linear16", "sample_rate": 16_000,
         "container": "none"}  # fmt: skip
NOTHING_S, PATIENCE_S = 0.5, 10  # for so long nothing more comes; what will come has come


# ruff: noqa: SIM117 - a world, and in it a connection


@asynccontextmanager
async def world(*faults, profile="zero"):
    """Emulators with these faults, and a client."""
    async with (
        Emulators(profile, Script.of([ASKED], {"*": ANSWER}), faults=list(faults)) as emulators,
        aiohttp.ClientSession(headers=KEY) as client,
    ):
        yield emulators, client


def listen_url(emulators, **changes):
    return f"{emulators.url('deepgram')}/v1/listen?{urlencode(LISTEN | changes)}"


def speak_url(emulators, **changes):
    return f"{emulators.url('deepgram')}/v1/speak?{urlencode(SPEAK | changes)}"


def cartesia_url(emulators):
    return f"{emulators.url('cartesia')}/tts/websocket?cartesia_version=2025-04-16"


def asked_of_cartesia(context="one"):
    wanted = {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 16_000}
    return {
        "model_id": "sonic-3", "voice": {"mode": "id", "id": "v"}, "output_format": wanted,
        "transcript": ANSWER, "context_id": context, "continue": False,
    }  # fmt: skip


async def say(websocket, pcm):
    for at in range(0, len(pcm), 1600):
        await websocket.send_bytes(pcm[at : at + 1600])


async def rest_of(websocket, *, closes=False):
    """The messages until nothing comes, and what came then: None (still open) or a close code."""
    said: list[dict] = []
    while True:
        try:
            message = await websocket.receive(timeout=PATIENCE_S if closes else NOTHING_S)
        except TimeoutError:
            return said, None
        if message.type is not aiohttp.WSMsgType.TEXT:
            return said, websocket.close_code
        said.append(json.loads(message.data))


def seconds_of(messages):
    """Of Cartesia's audio."""
    return sum(len(base64.b64decode(m["data"])) for m in messages if m["type"] == "chunk") / 32_000


@pytest.mark.parametrize(("role", "path"), [("stt", listen_url), ("tts", cartesia_url)])
@pytest.mark.parametrize("kind", ["429", "500"])
async def test_a_connection_is_answered_with_a_status(role, path, kind):
    async with world(Fault(role, "*", kind)) as (emulators, client):
        with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
            await client.ws_connect(path(emulators))
    assert raised.value.status == int(kind)


@pytest.mark.parametrize(("role", "path"), [("stt", listen_url), ("tts", cartesia_url)])
async def test_a_connection_is_refused(role, path):
    async with world(Fault(role, "*", "refuse")) as (emulators, client):
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.ws_connect(path(emulators))


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("stt", "deepgram", "stall"), None),
        (Fault("stt", "deepgram", "stall_after", after=1.0), None),
        (Fault("stt", "deepgram", "half", after=1.0), 1000),
        (Fault("stt", "deepgram", "drop", after=1.0), 1006),
    ],
    ids=lambda value: getattr(value, "kind", str(value)),
)
async def test_an_stt_falls_silent_or_away(fault, code):
    async with world(fault) as (emulators, client):
        async with client.ws_connect(listen_url(emulators)) as websocket:
            await say(websocket, await on_the_phone(ASKED) + bytes(16_000))
            said, closed = await rest_of(websocket, closes=code is not None)
    assert closed == code
    assert not any(message.get("is_final") for message in said)
    if fault.kind == "stall":
        assert said == []
    else:
        assert said[0]["type"] == "SpeechStarted"
        assert max(m["start"] + m["duration"] for m in said[1:]) <= 1.05


async def test_a_fault_set_during_a_connection_strikes_it():
    async with world() as (emulators, client):
        async with client.ws_connect(listen_url(emulators)) as websocket:
            pcm = await on_the_phone(ASKED) + bytes(16_000)
            await say(websocket, pcm)
            while not (await websocket.receive_json(timeout=5)).get("is_final"):
                pass
            emulators.board.faults = [Fault("stt", "deepgram", "drop")]
            await say(websocket, pcm)
            said, closed = await rest_of(websocket, closes=True)
    assert (said, closed) == ([], 1006)


@pytest.mark.parametrize(
    ("fault", "code", "seconds"),
    [
        (Fault("tts", "cartesia", "stall"), None, 0),
        (Fault("tts", "cartesia", "stall_after", after=0.5), None, 0.5),
        (Fault("tts", "cartesia", "half", after=0.5), 1000, 0.5),
        (Fault("tts", "cartesia", "drop", after=0.5), 1006, 0.5),
    ],
    ids=lambda value: getattr(value, "kind", str(value)),
)
async def test_a_tts_breaks_off_on_its_socket(fault, code, seconds):
    async with world(fault) as (emulators, client):
        async with client.ws_connect(cartesia_url(emulators)) as websocket:
            await websocket.send_json(asked_of_cartesia())
            said, closed = await rest_of(websocket, closes=code is not None)
    assert closed == code
    assert seconds_of(said) == pytest.approx(seconds, abs=0.05)
    assert all(message["type"] == "chunk" for message in said)


@pytest.mark.parametrize("kind", ["429", "500"])
async def test_a_tts_fails_on_a_connection_which_stands(kind):
    async with world() as (emulators, client):
        async with client.ws_connect(cartesia_url(emulators)) as websocket:
            emulators.board.faults = [Fault("tts", "cartesia", kind, times=1)]
            await websocket.send_json(asked_of_cartesia("one"))
            error = await websocket.receive_json(timeout=5)
            await websocket.send_json(asked_of_cartesia("two"))
            said, _ = await rest_of(websocket)
    assert (error["type"], error["context_id"]) == ("error", "one")
    assert error["status_code"] == int(kind)
    assert said[-1]["type"] == "done"


async def body_of(answer):
    """What came of it, and whether it ended as it should."""
    data = b""
    try:
        async for part in answer.content.iter_any():
            data += part
    except (aiohttp.ClientPayloadError, ConnectionError):
        return data, "broken"
    except TimeoutError:
        return data, "silent"
    return data, "whole"


@pytest.mark.parametrize(
    ("kind", "end"), [("stall_after", "silent"), ("half", "whole"), ("drop", "broken")]
)
async def test_a_tts_breaks_off_in_its_answer(kind, end):
    async with world(Fault("tts", "deepgram", kind, after=0.5)) as (emulators, client):
        impatient = aiohttp.ClientTimeout(sock_read=NOTHING_S)
        url = speak_url(emulators)
        async with client.post(url, json={"text": ANSWER}, timeout=impatient) as answer:
            data, ended = await body_of(answer)
    assert ended == end
    assert len(data) / 32_000 == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("kind", ["stall", "refuse", "429", "500"])
async def test_a_tts_never_begins_its_answer(kind):
    async with world(Fault("tts", "deepgram", kind)) as (emulators, client):
        impatient = aiohttp.ClientTimeout(sock_read=NOTHING_S)
        asked = client.post(speak_url(emulators), json={"text": ANSWER}, timeout=impatient)
        if kind.isdigit():
            assert (await asked).status == int(kind)
            return
        error = TimeoutError if kind == "stall" else aiohttp.ServerDisconnectedError
        with pytest.raises(error):
            await asked


async def test_a_fault_strikes_its_provider_and_role_so_often_and_no_other():
    fault = Fault("tts", "deepgram", "500", times=2)
    async with world(fault) as (emulators, client):
        async with client.ws_connect(listen_url(emulators)):
            pass
        statuses = []
        for _ in range(3):
            async with client.post(speak_url(emulators), json={"text": ANSWER}) as answer:
                statuses.append(answer.status)
    assert statuses == [500, 500, 200]


@pytest.mark.parametrize(
    "path",
    [
        "/deepgram/v1/listen?model=nova-3&encoding=linear16&smart_fromat=true",
        "/deepgram/v1/listen?model=nova-3&encoding=opus",
        "/deepgram/v1/listen?model=nova-3&punctuate=True",
        "/deepgram/v1/listen?model=nova-2&keyterm=bicycle",
        "/deepgram/v2/listen?model=nova-3&encoding=linear16",
        "/deepgram/v2/listen?model=flux-general-en&eager_eot_threshold=0.8&eot_threshold=0.6",
        "/deepgram/v1/speak?model=aura-2-thalia-en&encoding=opus",
        "/cartesia/tts/websocket",
        "/elevenlabs/v1/text-to-speech/v/multi-stream-input?output_format=wav",
    ],
)
async def test_what_a_provider_would_not_understand_is_refused(path):
    async with world() as (emulators, client):
        with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
            await client.ws_connect(emulators.base + path)
    assert raised.value.status == 400


def sent(board, what):
    return [line for line in board.log if line["what"].endswith(what)]


async def test_speech_is_due_after_its_delay_at_its_own_pace():
    profile = Profile("slow", stt_ms=0, llm_ms=0, tts_ms=80, voice_speed=5)
    async with world(profile=profile) as (emulators, client):
        async with client.ws_connect(cartesia_url(emulators)) as websocket:
            await websocket.send_json(asked_of_cartesia())
            await rest_of(websocket)
        (asked,) = sent(emulators.board, "request")
        chunks = sent(emulators.board, "chunk")
    due = [line["intended"] for line in chunks]
    assert chunks[0]["what"] == "first chunk"
    assert due[0] - asked["sent"] == pytest.approx(0.08, abs=0.01)
    assert np.diff(due) == pytest.approx(0.02)
    assert all(line["sent"] >= line["intended"] for line in chunks)


async def test_a_text_is_due_after_the_last_sound_of_it_was_there():
    profile = Profile("slow", stt_ms=300, llm_ms=0, tts_ms=0)
    async with world(profile=profile) as (emulators, client):
        async with client.ws_connect(listen_url(emulators)) as websocket:
            before = asyncio.get_running_loop().time()
            await say(websocket, await on_the_phone(ASKED) + bytes(16_000))
            await rest_of(websocket)
        (final,) = sent(emulators.board, "final")
        interims = sent(emulators.board, "interim")
    assert final["intended"] > before + 0.3
    assert final["intended"] < interims[-1]["intended"] + 0.3 + 0.2  # the audio came all at once
    assert final["sent"] >= final["intended"]


def test_jitter_is_the_same_in_every_run_and_its_tail_three_medians():
    drawn = [
        [board.delay("tts") for _ in range(4000)] for board in (Board("jitter"), Board("jitter"))
    ]
    assert drawn[0] == drawn[1]
    median, tail = statistics.median(drawn[0]), statistics.quantiles(drawn[0], n=20)[-1]
    assert median == pytest.approx(0.12, rel=0.05)
    assert tail / median == pytest.approx(3, rel=0.1)


async def test_a_process_of_its_own_is_steered_by_its_control_routes():
    script = Script.of([ASKED], {"*": ANSWER}, tools={ASKED: {"tool": "t", "arguments": {}}})
    async with (
        asyncio.timeout(60),
        Emulators.spawn("zero", script, marked=True) as emulators,
        aiohttp.ClientSession(headers=KEY) as client,
    ):
        await emulators.faults(Fault("stt", "deepgram", "500", times=1))
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.ws_connect(listen_url(emulators))
        async with client.ws_connect(listen_url(emulators)) as websocket:
            await say(websocket, await on_the_phone(ASKED) + bytes(16_000))
            said, _ = await rest_of(websocket)
        async with client.post(speak_url(emulators), json={"text": ANSWER}) as answer:
            pcm = np.frombuffer(await answer.read(), np.int16)
        kinds = [line["what"] for line in await emulators.log()]
        state = await emulators.change("reset")
        with pytest.raises(ValueError, match="no fault"):
            await emulators.change("faults", [{"role": "stt", "provider": "*", "kind": "rain"}])
    assert said[-1]["channel"]["alternatives"][0]["transcript"] == ASKED
    assert speech.find_marker(pcm, 16_000, 1) == pytest.approx(0, abs=0.001)
    assert kinds[0] == "fault"
    assert {"final", "marker", "first chunk"} <= set(kinds)
    assert (state["log"], state["faults"], state["profile"]["name"]) == (0, [], "zero")
    assert state["script"] == script.plain()


async def talk_wyoming(emulators, *events):
    """Its answers until it closes or says nothing more: (types, samples, how it ended)."""
    host, port = emulators.wyoming_url.removeprefix("tcp://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    kinds, data = [], b""
    try:
        for kind, said in events:
            writer.write(wyoming.packed(kind, said))
        while event := await asyncio.wait_for(wyoming.read(reader), NOTHING_S):
            kinds.append(event["type"])
            data += event["payload"]
        return kinds, data, "closed"
    except TimeoutError:
        return kinds, data, "silent"
    except asyncio.IncompleteReadError:
        return kinds, data, "broken"
    finally:
        writer.close()


async def test_wyoming_tells_what_it_is_and_speaks():
    async with world() as (emulators, _):
        asked = [("describe", {}), ("synthesize", {"text": ANSWER})]
        kinds, data, ended = await talk_wyoming(emulators, *asked)
    assert kinds[:2] == ["info", "audio-start"]
    assert kinds[-1] == "audio-stop"
    assert set(kinds[2:-1]) == {"audio-chunk"}
    assert data == speech.resampled(await speech.speak(ANSWER), 22_050).tobytes()
    assert ended == "silent"


@pytest.mark.parametrize(
    ("kind", "end"),
    [("refuse", "closed"), ("stall", "silent"), ("stall_after", "silent"), ("half", "closed"),
     ("drop", "broken"), ("500", "closed")],
)  # fmt: skip
async def test_wyoming_breaks_off(kind, end):
    fault = Fault("tts", "wyoming", kind, after=0.5)
    async with world(fault) as (emulators, _):
        kinds, data, ended = await talk_wyoming(emulators, ("synthesize", {"text": ANSWER}))
    assert ended == end
    assert "audio-stop" not in kinds
    spoken = kind in ("stall_after", "half", "drop")
    assert len(data) / 44_100 == pytest.approx(0.5 if spoken else 0, abs=0.05)
