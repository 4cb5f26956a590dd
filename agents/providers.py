"""The catalogue of speech and language providers: plain data, no SDK imported.

Models, voices, prices and latencies are not here: they age, and live in the price book.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Role(StrEnum):
    STT = "stt"
    LLM = "llm"
    TTS = "tts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    slug: str
    label: str
    role: Role
    builder: str  # a function of agents.worker.providers
    name: str  # as STT_PROVIDER, LLM_FALLBACK_ORDER and the like write it
    key_env: str = ""  # the variable with its key; empty: it needs none
    url_env: str = ""  # the variable with its base URL
    needs_url: bool = False  # a server of the operator's own
    package: str = ""  # what must be installed besides requirements/base.txt; empty: nothing
    local: bool = False  # nothing leaves the house
    languages: tuple[str, ...] = ()  # empty: no limit known

    @property
    def needs_key(self) -> bool:
        return bool(self.key_env)

    @property
    def embedded(self) -> bool:
        """Part of this product: no key, no address."""
        return self.local and not self.needs_url


def _catalogue(*providers: Provider) -> Mapping[str, Provider]:
    by_slug = {provider.slug: provider for provider in providers}
    if len(by_slug) != len(providers):
        raise ValueError("Two providers share a slug.")
    return MappingProxyType(by_slug)


PROVIDERS = _catalogue(
    # --- speech to text
    Provider(
        slug="sphinx", name="sphinx", label="PocketSphinx (embedded)", role=Role.STT,
        builder="sphinx_stt", local=True, languages=("en",),
    ),
    Provider(
        slug="deepgram-stt", name="deepgram", label="Deepgram", role=Role.STT,
        builder="deepgram_stt", key_env="DEEPGRAM_API_KEY", url_env="DEEPGRAM_BASE_URL",
    ),
    Provider(
        slug="deepgram-flux", name="deepgram-flux", label="Deepgram Flux", role=Role.STT,
        builder="deepgram_flux", key_env="DEEPGRAM_API_KEY", url_env="DEEPGRAM_BASE_URL",
    ),
    Provider(
        slug="openai-stt", name="openai", label="OpenAI or compatible", role=Role.STT,
        builder="openai_stt", key_env="OPENAI_API_KEY", url_env="OPENAI_BASE_URL",
    ),
    Provider(
        slug="groq-stt", name="groq", label="Groq", role=Role.STT, builder="groq_stt",
        key_env="GROQ_API_KEY", url_env="GROQ_BASE_URL", package="livekit-plugins-groq",
    ),
    Provider(
        slug="assemblyai-stt", name="assemblyai", label="AssemblyAI", role=Role.STT,
        builder="assemblyai_stt", key_env="ASSEMBLYAI_API_KEY", url_env="ASSEMBLYAI_BASE_URL",
        package="livekit-plugins-assemblyai",
    ),
    Provider(
        slug="whisper", name="whisper", label="Whisper server (faster-whisper, whisper.cpp)",
        role=Role.STT, builder="whisper_stt", url_env="WHISPER_LOCAL_URL", needs_url=True,
        local=True,
    ),
    # --- answers
    Provider(
        slug="faq", name="faq", label="FAQ answer engine (embedded)", role=Role.LLM,
        builder="faq_llm", local=True, languages=("en",),
    ),
    Provider(
        slug="openai-llm", name="openai", label="OpenAI or compatible", role=Role.LLM,
        builder="openai_llm", key_env="OPENAI_API_KEY", url_env="OPENAI_BASE_URL",
    ),
    Provider(
        slug="anthropic-llm", name="anthropic", label="Anthropic", role=Role.LLM,
        builder="anthropic_llm", key_env="ANTHROPIC_API_KEY", url_env="ANTHROPIC_BASE_URL",
        package="livekit-plugins-anthropic",
    ),
    Provider(
        slug="groq-llm", name="groq", label="Groq", role=Role.LLM, builder="groq_llm",
        key_env="GROQ_API_KEY", url_env="GROQ_BASE_URL", package="livekit-plugins-groq",
    ),
    Provider(
        slug="mistral-llm", name="mistral", label="Mistral", role=Role.LLM, builder="mistral_llm",
        key_env="MISTRAL_API_KEY", url_env="MISTRAL_BASE_URL", package="livekit-plugins-mistralai",
    ),
    Provider(
        slug="ollama", name="ollama", label="Ollama", role=Role.LLM, builder="local_llm",
        url_env="LOCAL_LLM_URL", needs_url=True, local=True,
    ),
    Provider(
        slug="vllm", name="vllm", label="vLLM", role=Role.LLM, builder="local_llm",
        url_env="LOCAL_LLM_URL", needs_url=True, local=True,
    ),
    Provider(
        slug="llama-cpp", name="llama-cpp", label="llama.cpp", role=Role.LLM, builder="local_llm",
        url_env="LOCAL_LLM_URL", needs_url=True, local=True,
    ),
    # --- text to speech
    Provider(
        slug="flite", name="flite", label="flite (embedded)", role=Role.TTS, builder="flite_tts",
        local=True, languages=("en",),
    ),
    Provider(
        slug="cartesia-tts", name="cartesia", label="Cartesia", role=Role.TTS,
        builder="cartesia_tts", key_env="CARTESIA_API_KEY", url_env="CARTESIA_BASE_URL",
    ),
    Provider(
        slug="elevenlabs-tts", name="elevenlabs", label="ElevenLabs", role=Role.TTS,
        builder="elevenlabs_tts", key_env="ELEVENLABS_API_KEY", url_env="ELEVENLABS_BASE_URL",
        package="livekit-plugins-elevenlabs",
    ),
    Provider(
        slug="openai-tts", name="openai", label="OpenAI or compatible", role=Role.TTS,
        builder="openai_tts", key_env="OPENAI_API_KEY", url_env="OPENAI_BASE_URL",
    ),
    Provider(
        slug="deepgram-tts", name="deepgram", label="Deepgram Aura", role=Role.TTS,
        builder="deepgram_tts", key_env="DEEPGRAM_API_KEY", url_env="DEEPGRAM_BASE_URL",
    ),
    Provider(
        slug="kokoro", name="kokoro", label="Kokoro server", role=Role.TTS, builder="kokoro_tts",
        url_env="KOKORO_URL", needs_url=True, local=True,
    ),
    Provider(
        slug="piper", name="piper", label="Piper server (Wyoming or HTTP)", role=Role.TTS,
        builder="piper_tts", url_env="PIPER_URL", needs_url=True, local=True,
    ),
    Provider(
        slug="melotts", name="melotts", label="MeloTTS server", role=Role.TTS,
        builder="melotts_tts", url_env="MELOTTS_URL", needs_url=True, local=True,
    ),
    Provider(
        slug="zonos", name="zonos", label="Zonos server", role=Role.TTS, builder="zonos_tts",
        url_env="ZONOS_URL", needs_url=True, local=True,
    ),
)  # fmt: skip


def for_role(role: Role) -> list[tuple[str, str]]:
    """Choices for an admin form."""
    return [(p.slug, p.label) for p in PROVIDERS.values() if p.role is role]


def by_name(role: Role, name: str) -> Provider | None:
    """The provider a variable such as STT_PROVIDER names."""
    return next((p for p in PROVIDERS.values() if p.role is role and p.name == name), None)
