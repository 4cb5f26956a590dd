"""Builders of STT, LLM and TTS (agents.providers). Only here livekit.plugins is imported."""

from agents.worker.providers.cloud import (
    cartesia_tts,
    deepgram_stt,
    openai_llm,
    openai_stt,
    openai_tts,
)
from agents.worker.providers.embedded import faq_llm, flite_tts, sphinx_stt
from agents.worker.providers.material import Material

__all__ = [
    "Material",
    "cartesia_tts",
    "deepgram_stt",
    "faq_llm",
    "flite_tts",
    "openai_llm",
    "openai_stt",
    "openai_tts",
    "sphinx_stt",
]
