"""What a call runs on, frozen. Shared by Django (writes) and the worker (reads)."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One provider of speech or language."""

    provider: str  # a slug of agents.providers
    options: dict[str, str | int | float | bool] = field(default_factory=dict)
    sealed_key: str = ""  # ciphertext; only a worker holding SEAL_KEY can open it


@dataclass(frozen=True, slots=True, kw_only=True)
class Faq:
    """A question the project answers itself."""

    question: str
    answer: str
    variants: tuple[str, ...] = ()
    digit: str = ""  # a key of the telephone which asks this question, or empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Vad:
    """Voice activity detection; times in ms."""

    threshold: float = 0.5
    min_speech_ms: int = 100
    min_silence_ms: int = 500
    prefix_ms: int = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPlan:
    project: str  # slug
    name: str
    language: str  # BCP 47, as "en"
    greeting: str
    instructions: str
    ask_back: str  # spoken when a question was not understood
    apology: str  # spoken when something of ours failed
    handover: str  # spoken when the caller asks for a person
    goodbye: str
    stt: Stage
    llm: Stage
    tts: Stage
    vad: Vad = Vad()
    faq: tuple[Faq, ...] = ()
    record: bool = True
    recorder: str = "worker"  # worker or egress
    max_call_s: int = 1800
    silence_s: int = (
        15  # after this long without a word the caller is asked, after twice the call ends
    )
    silence_prompt: str = ""
    format: int = FORMAT

    def to_json(self) -> str:
        """The canonical text; its SHA-256 is the plan's name."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    def digest(self) -> str:
        return digest_of(self.to_json())

    @classmethod
    def from_json(cls, text: str) -> "CallPlan":
        """Raises UnknownPlanFormat or BrokenPlan."""
        try:
            raw: dict[str, Any] = json.loads(text)
            if raw["format"] != FORMAT:
                raise UnknownPlanFormat(raw["format"])
            for name in ("stt", "llm", "tts"):
                raw[name] = Stage(**raw[name])
            raw["vad"] = Vad(**raw["vad"])
            raw["faq"] = tuple(
                Faq(**{**entry, "variants": tuple(entry["variants"])}) for entry in raw["faq"]
            )
            return cls(**raw)
        except (ValueError, TypeError, KeyError) as reason:
            raise BrokenPlan(str(reason)) from reason


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class PlanError(Exception):
    """A plan which cannot be used. The text is for a supervisor."""


class UnknownPlanFormat(PlanError):
    def __init__(self, found: object) -> None:
        super().__init__(
            f"This worker reads plan format {FORMAT}, the plan has format {found!r}. "
            f"Upgrade the worker, then publish the project again."
        )


class BrokenPlan(PlanError):
    def __init__(self, reason: str) -> None:
        super().__init__(f"The plan cannot be read ({reason}). Publish the project again.")
