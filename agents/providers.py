"""The catalogue of speech and language providers: plain data, no SDK imported."""

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
    builder: str  # a function of agents.worker.pipeline
    default_model: str = ""
    default_voice: str = ""
    needs_key: bool = True
    local: bool = False  # nothing leaves the machine
    languages: tuple[str, ...] = ()  # empty: no limit known


def _catalogue(*providers: Provider) -> Mapping[str, Provider]:
    by_slug = {provider.slug: provider for provider in providers}
    if len(by_slug) != len(providers):
        raise ValueError("Two providers share a slug.")
    return MappingProxyType(by_slug)


PROVIDERS = _catalogue(
    Provider(
        slug="sphinx", label="PocketSphinx (embedded)", role=Role.STT, builder="sphinx_stt",
        needs_key=False, local=True, languages=("en",),
    ),
    Provider(
        slug="faq", label="FAQ answer engine (embedded)", role=Role.LLM, builder="faq_llm",
        needs_key=False, local=True, languages=("en",),
    ),
    Provider(
        slug="flite", label="flite (embedded)", role=Role.TTS, builder="flite_tts",
        default_voice="slt", needs_key=False, local=True, languages=("en",),
    ),
    Provider(
        slug="deepgram-stt", label="Deepgram", role=Role.STT, builder="deepgram_stt",
        default_model="nova-3",
    ),
    Provider(
        slug="openai-stt", label="OpenAI or compatible", role=Role.STT, builder="openai_stt",
        default_model="gpt-4o-mini-transcribe",
    ),
    Provider(
        slug="openai-llm", label="OpenAI or compatible", role=Role.LLM, builder="openai_llm",
        default_model="gpt-4o-mini",
    ),
    Provider(
        slug="cartesia-tts", label="Cartesia", role=Role.TTS, builder="cartesia_tts",
        default_model="sonic-3",
    ),
    Provider(
        slug="openai-tts", label="OpenAI or compatible", role=Role.TTS, builder="openai_tts",
        default_model="gpt-4o-mini-tts", default_voice="ash",
    ),
)  # fmt: skip


def for_role(role: Role) -> list[tuple[str, str]]:
    """Choices for an admin form."""
    return [(p.slug, p.label) for p in PROVIDERS.values() if p.role is role]
