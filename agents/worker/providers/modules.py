"""Which plugin speaks for which provider: for importing it before the first call."""

import importlib.util
from collections.abc import Iterable

from agents.plan import CallPlan

_OPENAI_LIKE = {
    "openai-stt", "openai-llm", "openai-tts", "whisper", "ollama", "vllm", "llama-cpp", "kokoro",
    "zonos",
}  # fmt: skip
_PLUGINS = {
    "deepgram-stt": "deepgram", "deepgram-flux": "deepgram", "deepgram-tts": "deepgram",
    "groq-stt": "groq", "groq-llm": "groq", "assemblyai-stt": "assemblyai",
    "anthropic-llm": "anthropic", "mistral-llm": "mistralai", "cartesia-tts": "cartesia",
    "elevenlabs-tts": "elevenlabs", **dict.fromkeys(_OPENAI_LIKE, "openai"),
}  # fmt: skip


def modules_of(plans: Iterable[CallPlan]) -> list[str]:
    """Those which are installed and some plan needs; importing one takes up to half a second."""
    slugs = {stage.provider for plan in plans for stage in (*plan.stt, *plan.llm, *plan.tts)}
    names = {f"livekit.plugins.{_PLUGINS[slug]}" for slug in slugs if slug in _PLUGINS}
    return sorted(name for name in names if importlib.util.find_spec(name))
