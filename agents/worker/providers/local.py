"""Builders of servers in the operator's own house: nothing leaves it, no key is needed.

Each raises ValueError when the server's address is missing.
"""

from typing import Any

from livekit.agents import llm, stt, tts

from agents.worker.providers.material import Material
from agents.worker.providers.settings import own_server, settings, wyoming_host

NO_NAME = "default"  # servers with one model take any name
KOKORO_VOICE = "af_heart"
MELO_LANGUAGES = {"ja": "JP", "ko": "KR"}  # others are named as everywhere
MELO_ACCENTS = {"en-GB": "EN-BR", "en-AU": "EN-AU", "en-IN": "EN_INDIA"}
ZONOS_MODEL = "Zyphra/Zonos-v0.1-transformer"
ZONOS_LANGUAGES = {"en": "en-us", "fr": "fr-fr"}  # espeak's names


def whisper_stt(material: Material, **options: Any) -> stt.STT[Any]:
    from livekit.plugins import openai

    own_server(options)
    usual: dict[str, Any] = {"model": "whisper-1", "use_realtime": False}
    return openai.STT(**settings(material, options, language=material.language, **usual))


def local_llm(material: Material, **options: Any) -> llm.LLM[Any]:
    """Ollama, vLLM, llama.cpp. How long an answer may take is the session's to say."""
    from livekit.plugins import openai

    own_server(options)
    return openai.LLM(**settings(material, options, model=NO_NAME, _strict_tool_schema=False))


def kokoro_tts(material: Material, **options: Any) -> tts.TTS[Any]:
    from livekit.plugins import openai

    own_server(options)
    usual: dict[str, Any] = {"model": "kokoro", "voice": KOKORO_VOICE, "response_format": "pcm"}
    return openai.TTS(**settings(material, options, **usual))


def piper_tts(material: Material, **options: Any) -> tts.TTS[Any]:
    """A voice of Piper is a model; without one the server speaks with what it was started with."""
    from agents.worker.providers.piper import WyomingTTS
    from agents.worker.providers.wav import WavTTS

    root = own_server(options)
    voice = str(options.get("voice") or options.get("model") or "")
    if host := wyoming_host(root):
        return WyomingTTS(*host, voice=voice)
    # up to version 1.4 Piper's server knew only its root
    return WavTTS("piper", (f"{root}/synthesize", f"{root}/"), {"voice": voice} if voice else {})


def melotts_tts(material: Material, **options: Any) -> tts.TTS[Any]:
    """The API server of MeloTTS' Docker image. Its voices are accents of a language."""
    from agents.worker.providers.wav import WavTTS

    url = own_server(options).removesuffix("/convert/tts") + "/convert/tts"
    language = MELO_LANGUAGES.get(material.language, material.language.upper())
    usual = MELO_ACCENTS.get(material.plan.language, "EN-US") if language == "EN" else language
    body = {"language": language, "speaker_id": options.get("voice") or usual}
    return WavTTS("melotts", (url,), body | _speed(options))


def zonos_tts(material: Material, **options: Any) -> tts.TTS[Any]:
    """OpenAI's speech request with a language, for which OpenAI's plugin has no room."""
    from agents.worker.providers.wav import WavTTS

    url = own_server(options) + "/audio/speech"
    language = ZONOS_LANGUAGES.get(material.plan.language, material.plan.language.lower())
    body = {"model": options.get("model") or ZONOS_MODEL, "language": language}
    if voice := options.get("voice"):  # one nobody has recorded is an error there
        body["voice"] = voice
    body |= {"response_format": "wav"} | _speed(options)
    return WavTTS("zonos", (url,), body, text_field="input")


def _speed(options: dict[str, Any]) -> dict[str, float]:
    return {"speed": float(options["speed"])} if "speed" in options else {}
