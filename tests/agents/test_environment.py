"""The variables of hybrid AI: defaults, what is refused, and what “local” means."""

import re
from pathlib import Path

import pytest

from agents.environment import BadEnvironment, read
from agents.plan import Vad
from agents.providers import PROVIDERS, Role

pytestmark = pytest.mark.unit

EXAMPLE = (Path(__file__).parents[2] / ".env.example").read_text()


class Watched(dict):
    """Remembers which variables were asked for."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.asked: set[str] = set()

    def get(self, name, default=None):
        self.asked.add(name)
        return super().get(name, default)


def refused(**environ) -> str:
    with pytest.raises(BadEnvironment) as told:
        read(environ)
    return str(told.value)


def test_without_any_variable_everything_has_the_documented_default():
    found = read({})
    assert found.mode == "hybrid"
    assert dict(found.orders) == {
        Role.STT: ("deepgram-stt", "whisper"),
        Role.LLM: ("openai-llm", "ollama"),
        Role.TTS: ("cartesia-tts", "kokoro"),
    }
    assert found.model("openai-llm", set_only=False) == "gpt-4o-mini"
    assert found.model("ollama", set_only=False) == "llama3.2:3b"
    assert found.model("whisper", set_only=False) == "small"
    assert found.voice("kokoro", set_only=False) == "af_bella"
    assert found.voice("piper", set_only=False) == "en_US-lessac-medium"
    assert found.vad == Vad(threshold=0.5, min_speech_ms=200, min_silence_ms=500)
    assert (found.whisper_implementation, found.whisper_device) == ("faster-whisper", "cpu")
    assert (found.whisper_compute_type, found.vad_model) == ("int8", "silero")
    assert (found.target_latency_ms, found.health_check_s) == (800, 30)
    assert found.streaming
    assert found.caching
    assert found.prewarm
    assert found.latency_metrics
    assert (found.region, found.preferred_regions, found.turn_detector_language) == ("", (), "en")
    assert found.given == frozenset()


def test_the_detector_which_needs_no_download_is_the_default():
    assert read({}).turn_detector == "v1-mini"
    assert read({"TURN_DETECTOR_MODEL": "multilingual"}).turn_detector == "multilingual"


def test_an_empty_variable_is_as_good_as_none():
    assert read({"AGENT_MODE": "", "OPENAI_API_KEY": " "}) == read({})


def test_seconds_become_milliseconds():
    found = read({"VAD_MIN_SPEECH_DURATION": "0.05", "VAD_MIN_SILENCE_DURATION": "1.2"})
    assert (found.vad.min_speech_ms, found.vad.min_silence_ms) == (50, 1200)


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("AGENT_MODE", "cloud", "hybrid, api, local, project"),
        ("STT_PROVIDER", "whisper", "deepgram, deepgram-flux, openai, groq, assemblyai"),
        ("LLM_PROVIDER", "llama", "openai, anthropic, groq, mistral"),
        ("TTS_PROVIDER", "kokoro", "cartesia, elevenlabs, openai, deepgram"),
        ("TTS_IMPLEMENTATION", "espeak", "kokoro, piper, melotts, zonos"),
        ("LOCAL_LLM_API_TYPE", "tgi", "ollama, vllm, llama-cpp"),
        ("WHISPER_IMPLEMENTATION", "openai", "faster-whisper, whisper-cpp"),
        ("WHISPER_DEVICE", "gpu", "cpu, cuda"),
        ("WHISPER_COMPUTE_TYPE", "int4", "int8, float16"),
        ("VAD_MODEL", "webrtc", "silero"),
        ("TURN_DETECTOR_MODEL", "best", "multilingual, english"),
        ("VAD_THRESHOLD", "1.5", "from 0 to 1"),
        ("VAD_MIN_SPEECH_DURATION", "200", "from 0 to 10, as 0.2"),
        ("VAD_MIN_SILENCE_DURATION", "half", "from 0 to 10, as 0.5"),
        ("TARGET_LATENCY_MS", "fast", "whole number"),
        ("HEALTH_CHECK_INTERVAL", "0", "whole number of 1 or more"),
        ("ENABLE_CACHING", "yes", "true, false"),
        ("ENABLE_STREAMING", "1", "true, false"),
        ("ENABLE_PREWARM", "on", "true, false"),
        ("ENABLE_LATENCY_METRICS", "no", "true, false"),
        ("STT_FALLBACK_ORDER", "deepgram,cartesia", "local, sphinx, deepgram"),
        ("LLM_FALLBACK_ORDER", "gpt", "ollama, vllm, llama-cpp"),
        ("TTS_FALLBACK_ORDER", "cartesia;kokoro", "cartesia,local"),
        ("KOKORO_URL", "kokoro:8880", "http://localhost:8880/v1"),
    ],
)
def test_a_wrong_value_is_refused_with_the_variable_and_what_to_write(name, value, hint):
    text = refused(**{name: value})
    assert text.startswith(name)
    assert hint in text


def test_an_address_with_a_password_is_refused_and_not_repeated():
    text = refused(OPENAI_BASE_URL="https://user:geheim@proxy/v1")
    assert "without a password" in text
    assert "geheim" not in text


def test_wyoming_has_an_address_of_its_own_kind():
    found = read({"PIPER_URL": "tcp://piper:10200/"})
    assert found.url(PROVIDERS["piper"]) == "tcp://piper:10200"


def test_a_provider_variable_begins_the_order_which_is_not_set():
    found = read({"STT_PROVIDER": "openai", "LLM_PROVIDER": "groq", "TTS_PROVIDER": "deepgram"})
    assert found.orders[Role.STT] == ("openai-stt", "whisper")
    assert found.orders[Role.LLM] == ("groq-llm", "ollama")
    assert found.orders[Role.TTS] == ("deepgram-tts", "kokoro")


def test_local_in_an_order_is_the_kind_of_server_which_is_set():
    found = read({"LOCAL_LLM_API_TYPE": "vllm", "TTS_IMPLEMENTATION": "piper"})
    assert found.orders[Role.LLM][1] == "vllm"
    assert found.orders[Role.TTS][1] == "piper"


def test_an_order_names_each_provider_once():
    found = read({"TTS_FALLBACK_ORDER": " kokoro , local,elevenlabs,kokoro"})
    assert found.orders[Role.TTS] == ("kokoro", "elevenlabs-tts")


def test_llm_model_is_for_the_provider_it_stands_beside():
    found = read({"LLM_PROVIDER": "groq", "LLM_MODEL": "fast-one"})
    assert found.model("groq-llm", set_only=True) == "fast-one"
    assert found.model("openai-llm", set_only=False) == ""
    assert read({"LLM_PROVIDER": "groq"}).model("groq-llm", set_only=False) == ""


def test_the_english_detector_wants_english():
    assert "multilingual" in refused(TURN_DETECTOR_MODEL="english", TURN_DETECTOR_LANGUAGE="de")
    assert read({"TURN_DETECTOR_MODEL": "english"}).turn_detector == "english"


def test_regions_are_a_list():
    found = read({"DEPLOYMENT_REGION": "eu-1", "PREFERRED_REGIONS": "eu-1, us-1,"})
    assert (found.region, found.preferred_regions) == ("eu-1", ("eu-1", "us-1"))


# --- keys ---------------------------------------------------------------------------------------


def test_a_mounted_key_wins(tmp_path):
    path = tmp_path / "key"
    path.write_text("from-file\n")
    found = read({"GROQ_API_KEY": "from-variable", "GROQ_API_KEY_FILE": str(path)})
    assert found.keys == {"GROQ_API_KEY": "from-file"}


def test_a_mounted_key_which_is_not_there_is_named(tmp_path):
    text = refused(OPENAI_API_KEY_FILE=str(tmp_path / "nothing"))
    assert text.startswith("OPENAI_API_KEY_FILE: cannot read")


def test_keys_do_not_show_where_the_value_is_printed():
    assert "sk-secret" not in repr(read({"OPENAI_API_KEY": "sk-secret"}))


# --- what it offers -----------------------------------------------------------------------------


def offered(**environ) -> set[str]:
    found = read(environ)
    return {slug for slug, p in PROVIDERS.items() if not p.embedded and found.offers(p)}


def test_nothing_set_offers_nothing():
    """A usual address is no promise that somebody listens there."""
    assert offered() == set()


def test_one_key_offers_every_part_of_that_provider():
    assert offered(DEEPGRAM_API_KEY="k") == {"deepgram-stt", "deepgram-flux", "deepgram-tts"}


def test_an_address_is_enough_for_a_compatible_server():
    assert "openai-llm" in offered(OPENAI_BASE_URL="http://llm:8000/v1")
    assert offered(OPENAI_BASE_URL="https://api.openai.com/v1/") == set()


def test_one_address_is_one_kind_of_language_model_server():
    assert offered(LOCAL_LLM_URL="http://llm:8000/v1", LOCAL_LLM_API_TYPE="vllm") == {"vllm"}


def test_who_asks_for_a_local_server_by_name_gets_its_usual_address():
    assert offered(AGENT_MODE="local") == {"whisper", "ollama", "kokoro"}
    assert offered(TTS_FALLBACK_ORDER="piper,local") == {"piper", "kokoro"}
    assert read({"AGENT_MODE": "local"}).url(PROVIDERS["ollama"]) == "http://localhost:11434/v1"


# --- documentation ------------------------------------------------------------------------------


def test_every_variable_is_in_the_example_file():
    watched = Watched()
    read(watched)
    named = set(re.findall(r"^#?\s?([A-Z][A-Z0-9_]+)=", EXAMPLE, re.M))
    assert len(watched.asked) > 60
    assert {n for n in watched.asked if not n.endswith("_FILE")} - named == set()


def test_the_example_file_shows_values_which_are_accepted():
    """Uncommented as it is, it must start."""
    lines = re.findall(r"^# ([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE, re.M)
    watched = Watched()
    read(watched)
    shown = {name: value for name, value in lines if name in watched.asked}
    assert read(shown).mode == "hybrid"
