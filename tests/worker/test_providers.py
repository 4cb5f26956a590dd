"""Every provider of the catalogue on the wire: our builder, its stock plugin, its emulator."""

import asyncio
import json
import socket
import sys
from functools import partial

import pytest
from livekit.agents import (
    APIConnectionError,
    APIConnectOptions,
    APIStatusError,
    APITimeoutError,
    stt,
)

from agents.plan import BrokenPlan
from agents.providers import PROVIDERS, Role
from agents.worker.embedded import grammar, recogniser
from agents.worker.providers import MissingExtra
from agents.worker.providers.settings import wyoming_host
from tests.emulators import speech
from tests.emulators.core import Fault, words
from tests.worker.engines import (
    ANSWER,
    ASKED,
    AT,
    WITH_TOOL,
    answered,
    contacted,
    conversation,
    engine_of,
    heard,
    spoken,
    used,
    with_result,
    world,
)
from tests.worker.plan import a_plan, on_the_phone

pytestmark = pytest.mark.worker

RATES = {"openai-tts": 24_000, "kokoro": 24_000}  # all others speak at the line's rate
NICE = dict.fromkeys(("smart_format", "punctuate", "interim_results"), "true")
REFUSALS = {"assemblyai-stt": 1008}  # closes a socket which it has opened; all others say 401
STTS, LLMS, TTSS = ([s for s, p in PROVIDERS.items() if p.role is role] for role in Role)
IMPATIENT = APIConnectOptions(max_retry=0, timeout=0.5)
KEYED = [slug for slug, p in PROVIDERS.items() if p.needs_key]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Of a prepared plan, for the embedded recogniser."""
    made = tmp_path_factory.mktemp("prepared")
    recogniser.save(grammar.grammar_of(a_plan(), lexicon=recogniser.lexicon), made)
    return made


@pytest.fixture
def make(folder):
    return partial(engine_of, folder=folder)


@pytest.fixture(autouse=True)
def nobody_else_is_contacted():
    """After each test of this module: no host was looked up or called but this one."""
    contacted.clear()
    yield
    assert set(contacted) <= {"127.0.0.1", "localhost"}


def test_a_look_up_of_another_host_would_be_noticed():
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("provider.invalid", 443)
    assert contacted == ["provider.invalid"]
    contacted.clear()


def test_every_provider_of_the_catalogue_has_its_emulator():
    assert set(AT) == {slug for slug, p in PROVIDERS.items() if not p.embedded}


@pytest.mark.parametrize("slug", STTS)
async def test_a_caller_is_understood(slug, make):
    async with asyncio.timeout(30), world() as emulators:
        engine = make(slug, emulators)
        kinds, text = await heard(engine, await on_the_phone(ASKED))
        await engine.aclose()
    assert words(text) == words(ASKED)
    if engine.capabilities.streaming:
        assert stt.SpeechEventType.INTERIM_TRANSCRIPT in kinds


async def test_assemblyais_other_model_is_understood_too(make):
    """It refuses what the newer ones want to be told."""
    async with asyncio.timeout(30), world() as emulators:
        engine = make("assemblyai-stt", emulators, model="universal-streaming-multilingual")
        _, text = await heard(engine, await on_the_phone(ASKED))
        await engine.aclose()
    assert words(text) == words(ASKED)


@pytest.mark.parametrize("slug", LLMS)
async def test_a_question_is_answered(slug, make):
    async with asyncio.timeout(30), world() as emulators:
        engine = make(slug, emulators)
        text, calls, usage = await answered(engine, conversation(ASKED))
        await engine.aclose()
    assert text.strip() == ANSWER
    assert calls == []
    if slug in AT:
        assert usage is not None
        assert usage.completion_tokens >= len(ANSWER.split())
        assert usage.prompt_tokens >= len(ASKED.split())


@pytest.mark.parametrize("slug", [slug for slug in LLMS if slug in AT])
async def test_a_tool_is_called_and_its_result_understood(slug, make):
    context = conversation(WITH_TOOL)
    async with asyncio.timeout(30), world() as emulators:
        engine = make(slug, emulators)
        text, (call,), _ = await answered(engine, context)
        assert (text, call.name) == ("", "opening_hours")
        assert json.loads(call.arguments) == {"day": "Sunday"}
        assert (await answered(engine, with_result(context, call)))[:2] == ("No.", [])
        await engine.aclose()


@pytest.mark.parametrize(("slug", "strict"), [("openai-llm", True), ("vllm", False)])
async def test_local_servers_are_not_asked_for_strict_schemas(slug, strict, make):
    """Not all of them know the word."""
    async with world() as emulators:
        await answered(make(slug, emulators, model="m-1"), conversation(ASKED))
        (asked,) = [line["extra"] for line in emulators.board.log if line["what"] == "request"]
    assert asked == {"model": "m-1", "strict": strict}


async def check_speech(engine, emulators, rate, *, stream):
    made, pcm = await spoken(engine, ANSWER, stream=stream)
    assert made == engine.sample_rate == rate
    voice = "slt" if engine.provider == "flite" else speech.VOICE
    expected = len(await speech.speak(ANSWER, voice)) / speech.RATE
    assert len(pcm) / rate == pytest.approx(expected, abs=0.15)
    # at another rate or pitch it would not be known again
    assert emulators.board.script.text_of(pcm, rate) == ANSWER


@pytest.mark.parametrize("slug", TTSS)
async def test_an_answer_is_spoken(slug, make):
    async with asyncio.timeout(30), world() as emulators:
        engine = make(slug, emulators)
        rate = RATES.get(slug, 16_000)
        await check_speech(engine, emulators, rate, stream=False)
        if engine.capabilities.streaming:
            await check_speech(engine, emulators, rate, stream=True)
        await engine.aclose()


async def test_piper_speaks_wyoming_too(make):
    async with asyncio.timeout(30), world() as emulators:
        engine = make("piper", emulators, base_url=emulators.wyoming_url, voice="en_GB-alan-low")
        await check_speech(engine, emulators, 16_000, stream=False)
        assert engine.model == "en_GB-alan-low"


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://localhost:10200", ("localhost", 10200)),
        ("tcp://piper:9000", ("piper", 9000)),
        ("wyoming://piper", ("piper", 10200)),
        ("piper:10200", ("piper", 10200)),
        ("http://localhost:5000", None),
        ("https://piper.example/speak", None),
    ],
)
def test_port_or_scheme_tell_wyoming_from_http(url, host):
    assert wyoming_host(url) == host


async def test_an_older_server_of_piper_is_understood(make):
    async with asyncio.timeout(30), world() as emulators:
        engine = make("piper", emulators, base_url=f"{emulators.base}/piper14")
        await check_speech(engine, emulators, 16_000, stream=False)


@pytest.mark.parametrize(
    ("slug", "voice", "status"), [("melotts", "EN-MARS", 500), ("zonos", "nobody", 404)]
)
async def test_a_voice_the_server_lacks_is_its_error(slug, voice, status, make):
    async with world() as emulators:
        with pytest.raises(APIStatusError) as raised:
            await spoken(make(slug, emulators, voice=voice), ANSWER, stream=False)
    assert raised.value.status_code == status


@pytest.mark.parametrize("url", ["tcp://127.0.0.1:{0}", "http://127.0.0.1:{0}"])
async def test_a_speech_server_which_is_down_is_a_connection_error(url, make):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with world() as emulators:
        engine = make("piper", emulators, base_url=url.format(port))
        with pytest.raises(APIConnectionError):
            await spoken(engine, ANSWER, stream=False)


@pytest.mark.parametrize("way", ["wyoming", "http"])
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("refuse", APIConnectionError),
        ("stall", APITimeoutError),
        ("stall_after", APITimeoutError),
        ("drop", APIConnectionError),
    ],
)
async def test_pipers_troubles_are_what_they_are_on_the_wire(way, kind, error, make):
    async with asyncio.timeout(30), world(Fault("tts", "*", kind, after=0.5)) as emulators:
        url = emulators.wyoming_url if way == "wyoming" else emulators.url("piper")
        engine = make("piper", emulators, base_url=url)
        with pytest.raises(error):
            await spoken(engine, ANSWER, stream=False, conn_options=IMPATIENT)


@pytest.mark.parametrize("slug", KEYED)
async def test_a_wrong_key_is_the_providers_own_error(slug, make):
    async with asyncio.timeout(30), world() as emulators:
        engine = make(slug, emulators, key="bad-key")
        with pytest.raises(APIStatusError) as raised:
            await used(engine, PROVIDERS[slug].role)
        await engine.aclose()
    assert raised.value.status_code == REFUSALS.get(slug, 401)


@pytest.mark.parametrize("slug", ["openai-llm", "anthropic-llm", "mistral-llm", "ollama"])
@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("429", APIStatusError),
        ("500", APIStatusError),
        ("refuse", APIConnectionError),
        ("stall", APITimeoutError),
        ("stall_after", APIConnectionError),  # some plugins tell a time-out apart, some do not
        ("drop", APIConnectionError),
    ],
)
async def test_a_models_troubles_are_what_they_are_on_the_wire(slug, kind, error, make):
    async with asyncio.timeout(30), world(Fault("llm", "*", kind, after=3)) as emulators:
        engine = make(slug, emulators)
        with pytest.raises(error) as raised:
            await answered(engine, conversation(ASKED), conn_options=IMPATIENT)
        await engine.aclose()
    if error is APIStatusError:
        assert raised.value.status_code == int(kind)


@pytest.mark.parametrize("slug", ["openai-llm", "anthropic-llm", "mistral-llm"])
async def test_half_an_answer_is_an_answer(slug, make):
    async with asyncio.timeout(30), world(Fault("llm", "*", "half", after=3)) as emulators:
        engine = make(slug, emulators)
        text, _, _ = await answered(engine, conversation(ASKED))
        await engine.aclose()
    assert text.split() == ANSWER.split()[:3]


@pytest.mark.parametrize("slug", [slug for slug, p in PROVIDERS.items() if p.package])
async def test_a_missing_package_is_named_with_what_to_do(slug, make, monkeypatch):
    plugin = PROVIDERS[slug].package.rpartition("-")[2]
    monkeypatch.delattr(f"livekit.plugins.{plugin}", raising=False)
    monkeypatch.setitem(sys.modules, f"livekit.plugins.{plugin}", None)
    async with world() as emulators:
        with pytest.raises(MissingExtra) as raised:
            make(slug, emulators)
    assert str(raised.value) == (
        f"The provider “{PROVIDERS[slug].label}” needs the package livekit-plugins-{plugin}. "
        f"Install it with “make extras”, then restart the worker."
    )


@pytest.mark.parametrize("slug", [slug for slug, p in PROVIDERS.items() if p.needs_url])
async def test_a_server_of_ones_own_is_nowhere_without_its_address(slug, make):
    async with world() as emulators:
        with pytest.raises(BrokenPlan, match="Enter the address of your server"):
            make(slug, emulators, base_url="")


@pytest.mark.parametrize("slug", KEYED)
async def test_a_compatible_server_needs_no_key(slug, make):
    async with asyncio.timeout(30), world() as emulators:
        engine = make(slug, emulators, key="")
        await used(engine, PROVIDERS[slug].role)
        await engine.aclose()


@pytest.mark.parametrize(
    ("slug", "language", "said"),
    [
        ("melotts", "en", {"language": "EN", "voice": "EN-US"}),
        ("melotts", "en-GB", {"language": "EN", "voice": "EN-BR"}),
        ("melotts", "ja", {"language": "JP", "voice": "JP"}),
        ("zonos", "en", {"language": "en-us"}),
        ("zonos", "en-GB", {"language": "en-gb"}),
        ("zonos", "fr", {"language": "fr-fr"}),
        ("whisper", "en-GB", {"language": "en"}),
        ("groq-stt", "en-GB", {"language": "en"}),
        ("deepgram-stt", "en-GB", {"language": "en-GB", "sample_rate": "16000", **NICE}),
        ("deepgram-stt", "de-AT", {"language": "de"}),
        ("deepgram-flux", "en-GB", {"model": "flux-general-en", "eager_eot_threshold": "0.5"}),
        ("deepgram-flux", "de", {"model": "flux-general-multi", "language_hint": "de"}),
        ("assemblyai-stt", "en-GB", {"language_codes": '["en"]', "sample_rate": "16000"}),
    ],
)
async def test_each_server_is_told_the_language_and_what_a_call_needs(slug, language, said, make):
    async with asyncio.timeout(30), world() as emulators:
        engine = make(slug, emulators, language=language)
        await used(engine, PROVIDERS[slug].role)
        await engine.aclose()
        (asked,) = [line["extra"] for line in emulators.board.log if line["what"] == "request"]
    assert asked | said == asked


@pytest.mark.parametrize(
    ("slug", "root"),
    [
        ("deepgram-tts", "/deepgram/"),
        ("deepgram-tts", "/deepgram/v1/speak"),
        ("mistral-llm", "/mistral/v1"),
        ("openai-llm", "/openai/v1/"),
        ("melotts", "/melotts/convert/tts"),
    ],
)
async def test_an_address_may_be_written_in_other_ways(slug, root, make):
    async with asyncio.timeout(30), world() as emulators:
        engine = make(slug, emulators, base_url=emulators.base + root)
        await used(engine, PROVIDERS[slug].role)
        await engine.aclose()
