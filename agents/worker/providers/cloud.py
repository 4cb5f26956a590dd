"""Builders of cloud providers. A plugin is imported when a plan asks for it.

All hear at 16 kHz, with words which are not final yet, and speak raw PCM: compressed audio costs
decoding, and fills a frame of its own before anything is heard.
"""

from typing import Any, get_args

from livekit.agents import llm, stt, tts

from agents.worker.providers.material import Material, extra
from agents.worker.providers.settings import root_of, settings

RATE = 16_000  # the line's own; a telephone carries half of it
EAGER_CONFIDENCE = 0.5  # how sure Flux is that the caller has finished before we begin
FLUX_CHUNK_MS = 80  # the packet its makers recommend


def deepgram_stt(material: Material, **options: Any) -> stt.STT[Any]:
    from livekit.plugins import deepgram

    whole = material.plan.language
    known = whole in get_args(deepgram.DeepgramLanguages)
    usual: dict[str, Any] = {"language": whole if known else material.language}
    usual |= {"punctuate": True, "smart_format": True, "interim_results": True}
    return deepgram.STT(**settings(material, options, path="/v1/listen", sample_rate=RATE, **usual))


def deepgram_flux(material: Material, **options: Any) -> stt.STT[Any]:
    """Hears the end of a turn itself, and tells early when it is fairly sure."""
    from livekit.plugins import deepgram

    english = material.language == "en"
    usual: dict[str, Any] = {"model": "flux-general-en" if english else "flux-general-multi"}
    if options.get("model", usual["model"]) == "flux-general-multi":
        usual["language_hint"] = [material.language]
    if material.plan.speed.eager_end:
        usual["eager_eot_threshold"] = EAGER_CONFIDENCE
    usual |= {"sample_rate": RATE, "audio_chunk_duration_ms": FLUX_CHUNK_MS}
    return deepgram.STTv2(**settings(material, options, path="/v2/listen", **usual))


def openai_stt(material: Material, **options: Any) -> stt.STT[Any]:
    from livekit.plugins import openai

    return openai.STT(**settings(material, options, language=material.language))


def groq_stt(material: Material, **options: Any) -> stt.STT[Any]:
    with extra("groq-stt"):
        from livekit.plugins import groq

    return groq.STT(**settings(material, options, language=material.language))


def assemblyai_stt(material: Material, **options: Any) -> stt.STT[Any]:
    with extra("assemblyai-stt"):
        from livekit.plugins import assemblyai

    usual: dict[str, Any] = {"sample_rate": RATE}
    # “universal-streaming” has its languages in its name, and would send punctuation later
    if not str(options.get("model", "")).startswith("universal-streaming"):
        usual["language_codes"] = [material.language]
    return assemblyai.STT(**settings(material, options, socket=True, **usual))


def openai_llm(material: Material, **options: Any) -> llm.LLM[Any]:
    from livekit.plugins import openai

    return openai.LLM(**settings(material, options))


def anthropic_llm(material: Material, **options: Any) -> llm.LLM[Any]:
    with extra("anthropic-llm"):
        from livekit.plugins import anthropic

    # every turn repeats the instructions and all turns before
    return anthropic.LLM(**settings(material, options, caching="ephemeral"))


def groq_llm(material: Material, **options: Any) -> llm.LLM[Any]:
    with extra("groq-llm"):
        from livekit.plugins import groq

    return groq.LLM(**settings(material, options))


def mistral_llm(material: Material, **options: Any) -> llm.LLM[Any]:
    with extra("mistral-llm"):
        from livekit.plugins import mistralai
        from mistralai.client import Mistral

    # answers sooner than “conversations”, the plugin's usual way
    chosen = settings(material, options, api_mode="chat_completions")
    root = root_of({"base_url": chosen.pop("base_url", "")}).removesuffix("/v1")  # the SDK adds it
    client = Mistral(api_key=chosen.pop("api_key"), server_url=root or None)
    return mistralai.LLM(client=client, **chosen)


def cartesia_tts(material: Material, **options: Any) -> tts.TTS[Any]:
    from livekit.plugins import cartesia

    usual: dict[str, Any] = {"language": material.language, "word_timestamps": True}
    return cartesia.TTS(**settings(material, options, sample_rate=RATE, **usual))


def elevenlabs_tts(material: Material, **options: Any) -> tts.TTS[Any]:
    with extra("elevenlabs-tts"):
        from livekit.plugins import elevenlabs

    if voice := options.pop("voice", ""):
        options["voice_id"] = voice
    usual: dict[str, Any] = {"encoding": f"pcm_{RATE}", "auto_mode": True, "sync_alignment": True}
    if str(options.get("model", "v2_5")).endswith("v2_5"):  # older models refuse a language
        usual["language"] = material.language
    return elevenlabs.TTS(**settings(material, options, **usual))


def openai_tts(material: Material, **options: Any) -> tts.TTS[Any]:
    from livekit.plugins import openai

    # 24 kHz, which the plugin takes for granted as well
    return openai.TTS(**settings(material, options, response_format="pcm"))


def deepgram_tts(material: Material, **options: Any) -> tts.TTS[Any]:
    from livekit.plugins import deepgram

    if voice := options.pop("voice", ""):
        options["model"] = voice  # each voice of Deepgram is a model
    return deepgram.TTS(**settings(material, options, path="/v1/speak", sample_rate=RATE))
