"""What a call runs on, frozen. Shared by Django (writes) and the worker (reads)."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

from agents.card import CardWords, Tokeniser
from agents.consent import Consent
from agents.menus import Menu, Purpose, menu_from

FORMAT = 4
READABLE = (1, 2, 3, 4)  # a plan published by the release before stays usable


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One provider of speech or language: a member of a chain."""

    provider: str  # a slug of agents.providers
    options: dict[str, str | int | float | bool] = field(default_factory=dict)
    sealed_key: str = ""  # ciphertext; only a worker holding SEAL_KEY can open it
    account: str = ""  # the account's name, for supervisors
    expected_ms: int = 0  # first result, as the price book estimates; 0: nobody knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Faq:
    """A question the project answers itself."""

    question: str
    answer: str
    variants: tuple[str, ...] = ()
    digit: str = ""  # a key of the telephone which asks this question, or empty
    live: bool = False  # the answer needs live data: never given from the cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Vad:
    """Voice activity detection; times in ms."""

    threshold: float = 0.5
    min_speech_ms: int = 100
    min_silence_ms: int = 500
    prefix_ms: int = 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """What makes answers come sooner; each can be switched off by itself."""

    prewarm: bool = True  # models loaded and connections opened while the telephone rings
    preemptive_llm: bool = True  # the model begins before the caller's turn is surely over
    preemptive_tts: bool = True  # … and the voice too; thrown away if he goes on
    eager_end: bool = True  # begin on words which are not final yet
    expected_answer: bool = True  # wait less, or longer, by what was asked (yes/no, digits)
    first_clause: bool = True  # speak after the first clause instead of the first sentence
    faq_cache: bool = True  # questions of the FAQ are answered without the model
    filler: bool = True  # a few words when an answer takes long
    noise_suppression: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a caller may be sent: an entry of the directory. A model sees key, name, description;
    the number is for a REFER while the control plane is away."""

    key: str  # what a model names
    name: str
    description: str
    number: str  # E.164, or sip:user@host
    method: str = "refer_dial"  # or refer, dial: the caller's carrier sends him on, or we join
    ring_s: int = 25
    has_hours: bool = False  # closed at times: only the control plane knows when
    for_people: bool = False  # callers who ask for a person go here
    announcement: str = ""  # spoken before
    sorry: str = ""  # … when nobody could be reached
    closed: str = ""  # … outside the opening hours


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
    stt: tuple[Stage, ...]  # chains: the first one which works is used
    llm: tuple[Stage, ...]
    tts: tuple[Stage, ...]
    vad: Vad = Vad()
    faq: tuple[Faq, ...] = ()
    record: bool = True
    recorder: str = "worker"  # worker or egress
    max_call_s: int = 1800
    silence_s: int = 15  # … without a word the caller is asked, after twice again; then it ends
    silence_prompt: str = ""
    silence_prompt_2: str = ""
    warn_before_s: int = 0  # so long before max_call_s the warning is spoken; 0: never
    warning: str = ""
    menu: Menu | None = None  # callers are met by it, not by the talking bot
    purposes: tuple[Purpose, ...] = ()  # digits which may be collected
    filler: str = ""  # spoken when an answer takes long, as "One moment, please."
    fallback_number: str = ""  # E.164; where callers go when every provider is down
    mode: str = "hybrid"  # api, local or hybrid: how the chains were made
    turn_detector: str = "v1-mini"  # or english, multilingual: the turn-detector plugin's models
    speed: Speed = Speed()
    targets: tuple[Target, ...] = ()  # where the bot may send callers, and nowhere else
    consent: Consent = field(default_factory=Consent)  # before anything is recorded
    pause_key: str = ""  # a key which pauses the recording, and lets it go on
    bot_pauses: bool = False  # a model may pause the recording
    paused: str = ""  # spoken when a key or the bot paused it
    resumed: str = ""
    card: CardWords = field(default_factory=CardWords)
    tokeniser: Tokeniser | None = None  # without it no card is taken
    format: int = FORMAT

    def to_json(self) -> str:
        """The canonical text; its SHA-256 is the plan's name."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    def asides(self) -> tuple[str, ...]:
        """What is spoken about recording and cards, as far as it may be."""
        pauses = (self.paused, self.resumed) if self.pause_key or self.bot_pauses else ()
        cards = self.card.texts() if any(one.card for one in self.purposes) else ()
        return (*self.consent.texts(), *pauses, *cards)

    def digest(self) -> str:
        return digest_of(self.to_json())

    @classmethod
    def from_json(cls, text: str) -> "CallPlan":
        """Raises UnknownPlanFormat or BrokenPlan."""
        try:
            raw: dict[str, Any] = json.loads(text)
            if raw["format"] not in READABLE:
                raise UnknownPlanFormat(raw["format"])
            for name in ("stt", "llm", "tts"):
                raw[name] = _chain(raw[name])
            raw["speed"] = Speed(**raw.get("speed", {}))
            raw["format"] = FORMAT
            raw["vad"] = Vad(**raw["vad"])
            raw["targets"] = tuple(Target(**one) for one in raw.get("targets", []))
            raw["faq"] = tuple(
                Faq(**{**entry, "variants": tuple(entry["variants"])}) for entry in raw["faq"]
            )
            raw["menu"] = menu_from(raw["menu"]) if raw.get("menu") else None
            raw["consent"] = Consent(**raw.get("consent", {}))
            raw["card"] = CardWords(**raw.get("card", {}))
            kept = raw.get("tokeniser")
            raw["tokeniser"] = Tokeniser(**kept) if kept else None
            raw["purposes"] = tuple(Purpose(**one) for one in raw.get("purposes", ()))
            return cls(**raw)
        except (ValueError, TypeError, KeyError) as reason:
            raise BrokenPlan(str(reason)) from reason


def _chain(raw: Any) -> tuple[Stage, ...]:
    """Format 1 had one provider for each role."""
    members = tuple(Stage(**one) for one in (raw if isinstance(raw, list) else [raw]))
    if not members:
        raise ValueError("a chain without a provider")
    return members


def uses(chain: tuple[Stage, ...], provider: str) -> bool:
    """Whether a provider (slug) is anywhere in a chain."""
    return any(stage.provider == provider for stage in chain)


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
