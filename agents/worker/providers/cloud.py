"""Builders of cloud providers. A plugin is imported when a plan asks for it."""

from typing import Any

from livekit.agents import llm, stt, tts

from agents.worker.providers.material import Material


def deepgram_stt(material: Material, **options: Any) -> stt.STT[Any]:
    from livekit.plugins import deepgram

    return deepgram.STT(api_key=material.key, language=material.plan.language, **options)


def openai_stt(material: Material, **options: Any) -> stt.STT[Any]:
    from livekit.plugins import openai

    return openai.STT(api_key=material.key, language=material.plan.language, **options)


def openai_llm(material: Material, **options: Any) -> llm.LLM[Any]:
    from livekit.plugins import openai

    return openai.LLM(api_key=material.key, **options)


def cartesia_tts(material: Material, **options: Any) -> tts.TTS[Any]:
    from livekit.plugins import cartesia

    return cartesia.TTS(api_key=material.key, language=material.plan.language, **options)


def openai_tts(material: Material, **options: Any) -> tts.TTS[Any]:
    from livekit.plugins import openai

    return openai.TTS(api_key=material.key, **options)
