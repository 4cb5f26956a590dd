"""Builders of STT, LLM and TTS (agents.providers). Only here livekit.plugins is imported."""

from agents.worker.providers.cloud import (
    anthropic_llm,
    assemblyai_stt,
    cartesia_tts,
    deepgram_flux,
    deepgram_stt,
    deepgram_tts,
    elevenlabs_tts,
    groq_llm,
    groq_stt,
    mistral_llm,
    openai_llm,
    openai_stt,
    openai_tts,
)
from agents.worker.providers.embedded import faq_llm, flite_tts, sphinx_stt
from agents.worker.providers.local import (
    kokoro_tts,
    local_llm,
    melotts_tts,
    piper_tts,
    whisper_stt,
    zonos_tts,
)
from agents.worker.providers.material import Material, MissingExtra

__all__ = [
    "Material",
    "MissingExtra",
    "anthropic_llm",
    "assemblyai_stt",
    "cartesia_tts",
    "deepgram_flux",
    "deepgram_stt",
    "deepgram_tts",
    "elevenlabs_tts",
    "faq_llm",
    "flite_tts",
    "groq_llm",
    "groq_stt",
    "kokoro_tts",
    "local_llm",
    "melotts_tts",
    "mistral_llm",
    "openai_llm",
    "openai_stt",
    "openai_tts",
    "piper_tts",
    "sphinx_stt",
    "whisper_stt",
    "zonos_tts",
]
