"""What callers asked, from a transcript: which was answered from the FAQ, by the model, or not at
all; and which are alike. Pure.

The bot asked back when its words are the plan's `ask_back` (via “prompt”; a model which was told
to say so says it as an “answer”), or an answer begins with them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

KNOWN, ANSWERED, LOST = "known", "answered", "lost"
UNCLEAR = "[unclear]"  # what a recogniser writes when it heard no words
_COMMON_WORDS = """
    a an the and or but to of for with at in on from my your our is are was were be been am
    i im id ill we you it its he she they me us them this that these those do does did can could
    would shall will may might have has had what when where which who how why if so please hi
    hello tell want like need there here get any some by about uh um er yes no ok okay thanks
    thank der die das ein eine und oder ich sie wir ist sind hat haben kann wie was wann wo bitte
"""
_COMMON = frozenset(_COMMON_WORDS.split())


@dataclass(frozen=True, slots=True)
class Asked:
    at_ms: int
    text: str
    how: str


def asked(
    segments: Iterable[Mapping[str, Any]], *, ask_back: str, answers: frozenset[str] = frozenset()
) -> Iterator[Asked]:
    """Each thing a caller said with how the bot's next words took it."""
    said: Mapping[str, Any] | None = None
    back = plain(ask_back)
    for turn in segments:
        via = str(turn.get("via", ""))
        if turn.get("who") == "caller":
            said = None if via == "dtmf" else turn
            continue
        if said is None or via in {"filler", "greeting"}:
            continue
        text = str(said.get("text", "")).strip()
        if text and text != UNCLEAR and len(plain(text).split()) > 1:
            yield Asked(int(said.get("start_ms") or 0), text[:300], _how(turn, via, back, answers))
        said = None


def _how(turn: Mapping[str, Any], via: str, back: str, answers: frozenset[str]) -> str:
    text = plain(str(turn.get("text", "")))
    if back and text.startswith(back):
        return LOST
    return KNOWN if via == "cache" or text in answers else ANSWERED


def plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


def cluster(text: str) -> str:
    """The words which carry the meaning, without their endings, in one order: “When do you open on
    Sundays?” and “On Sunday, when are you opening” are alike."""
    words = [word for word in plain(text).split() if word not in _COMMON]
    stems = sorted({_stem(word) for word in words or plain(text).split()})
    return " ".join(stems[:8])[:200]


def _stem(word: str) -> str:
    for end in ("ings", "ing", "ers", "est", "ed", "es", "en", "er", "s", "e"):
        if word.endswith(end) and len(word) - len(end) >= 3:
            return word[: -len(end)]
    return word
