"""What is wanted of a call once it is over, and what is known of it. Pure: no Django."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

# every step in its order, in words
STEPS = {
    "transcript": "Transcript",
    "retranscribe": "Transcribe again",
    "redact": "Redact",
    "ask": "Ask the models",
    "summary": "Summary",
    "disposition": "Disposition",
    "fields": "Fields",
    "sentiment": "Sentiment",
    "quality": "Quality",
    "resolved": "Resolved or not",
    "followups": "Follow-ups",
    "tell": "Tell others",
}
# those a supervisor chooses
CHOSEN = ("summary", "disposition", "fields", "sentiment", "quality", "resolved", "followups")
FIELD_TYPES = {
    "text": "Text", "number": "Number", "money": "Money", "date": "Date", "boolean": "Yes or no",
    "choice": "Choice", "phone": "Telephone number", "email": "E-mail address",
}  # fmt: skip
# redaction takes these out of what a model gets, so rules find them
RULES_ONLY = frozenset({"phone", "email"})
JUDGED_BY = {
    "bot_says": "The bot says one of the words",
    "bot_never_says": "The bot says none of the words",
    "understood": "The bot never had to ask back",
    "uninterrupted": "The bot was not interrupted",
    "no_handover": "The caller did not ask for a person",
}
RULES = "rules"  # who found a value, if no model did
MOST_SUMMARY, MOST_FOLLOWUPS, MOST_FOLLOWUP, MOST_REASON, MOST_VALUE = 1200, 10, 300, 300, 300
# between them a caller is neither pleased nor cross
PLEASED, CROSS = 0.2, -0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Disposition:
    name: str
    description: str = ""
    words: tuple[str, ...] = ()
    end_reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    name: str
    type: str
    description: str = ""
    choices: tuple[str, ...] = ()
    pattern: str = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    text: str
    weight: int = 1
    rule: str = ""
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """A project's settings; `version` 0: it has none, and this is what everybody gets."""

    steps: frozenset[str] = frozenset(CHOSEN)
    by_model: bool = False
    dispositions: tuple[Disposition, ...] = ()
    fields: tuple[Field, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    version: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """A call as the rules see it. `turns` are a transcript's segments, in order."""

    turns: tuple[Mapping[str, Any], ...] = ()
    language: str = ""
    end_reason: str = ""
    end_words: str = ""
    handover: bool = False  # the caller asked for a person
    connected: bool = False  # … and got one
    ask_back: str = ""  # what the bot says when it did not understand
    region: str = ""  # of telephone numbers without a country, as “DE”
    day: date | None = None  # of the call, for “tomorrow”


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The value of one field; `number`, `day` and `flag` by its type."""

    name: str
    type: str
    text: str = ""
    number: Any = None  # Decimal
    day: date | None = None
    flag: bool | None = None
    confidence: float = 0.0
    turn: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """One criterion; no score: it could not be judged."""

    text: str
    weight: int
    score: int | None = None
    reason: str = ""


def lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def label(sentiment: float | None) -> str:
    if sentiment is None:
        return "unknown"
    if sentiment >= PLEASED:
        return "positive"
    return "negative" if sentiment <= CROSS else "neutral"


def score(judged: tuple[Judged, ...]) -> int | None:
    """Of what could be judged, by weight; None if that is nothing."""
    known = [one for one in judged if one.score is not None]
    weight = sum(one.weight for one in known)
    return round(sum((one.score or 0) * one.weight for one in known) / weight) if weight else None
