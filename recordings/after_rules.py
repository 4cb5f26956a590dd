"""What a call was about, by rules: quick, local, the same each time. Pure: no Django.

Nothing here is made up. A summary quotes what was said; a value is somewhere in the transcript.
Hostile text is text: it is quoted, counted and compared, never followed.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from recordings.after_lexicon import INTENSE, NEGATIONS, TONES, words
from recordings.after_values import clean, parse, where
from recordings.after_wants import (
    MOST_FOLLOWUP,
    MOST_FOLLOWUPS,
    MOST_SUMMARY,
    Criterion,
    Disposition,
    Field,
    Found,
    Heard,
    Judged,
)

Turn = Mapping[str, Any]
QUOTED = 240  # characters of one turn in a summary
MOST_TURN = 2000  # … and of one turn a regular expression sees
SMALL_TALK = 3  # words; a turn with fewer asks nothing
ASKS = words(
    "what when where who how why which can could do does is are may will would want need like "
    "was wann wo wer wie warum welche kann können ist sind haben möchte brauche"
)
CLAUSES = frozenset((",", ".", ";", "!", "?", "but", "aber"))
NEAR = 4  # words before a tone in which a negation counts
# ends in which something of ours failed, or nobody spoke
BAD_ENDS = frozenset({"silence", "error", "providers", "limit", "shutdown", "no_media"})
# what calls are filed under in a project which has no list of its own
USUAL = (
    "Handed over", "Not understood", "No speech", "Message left", "Failed", "Answered", "Other",
)  # fmt: skip


def said_by(heard: Heard, who: str) -> Iterator[tuple[int, str]]:
    """Words, and which turn of the transcript they are. Keys pressed are no words."""
    for n, turn in enumerate(heard.turns):
        text = str(turn.get("text", "")).strip()
        if turn.get("who") == who and turn.get("via") != "dtmf" and text:
            yield n, text


def asked_back(heard: Heard, turn: Turn) -> bool:
    """Whether the bot said that it did not understand."""
    return bool(heard.ask_back) and turn.get("who") == "agent" and _same(heard.ask_back, turn)


def _same(text: str, turn: Turn) -> bool:
    return re.findall(r"\w+", text.casefold()) == re.findall(
        r"\w+", str(turn.get("text", "")).casefold()
    )


def misunderstood(heard: Heard) -> list[str]:
    """What the caller said before the bot asked back."""
    found, last = [], ""
    for turn in heard.turns:
        if turn.get("who") == "caller" and turn.get("via") != "dtmf":
            last = str(turn.get("text", "")).strip()
        elif asked_back(heard, turn):
            found.append(last)
            last = ""
    return found


# --- summary --------------------------------------------------------------------------------------


def summary(heard: Heard) -> str:
    """What was asked, what was answered, how it ended: in the words of the call."""
    parts = [*_asked(heard), *_answered(heard), *_trouble(heard)] or ["Nothing was said."]
    ended = f"It ended: {heard.end_words}" if heard.end_words else ""
    return clean(" ".join([*parts, ended]), MOST_SUMMARY)


def _asked(heard: Heard) -> list[str]:
    n = question(heard)
    if n is None:
        spoke = next(said_by(heard, "agent"), None)
        return ["The caller said nothing."] if spoke else []
    others = sum(1 for _ in said_by(heard, "caller")) - 1
    more = f" and spoke {others} more times" if others > 1 else " and spoke once more" * others
    return [_sentence(f"The caller said “{_quote(heard, n)}”{more}")]


def question(heard: Heard) -> int | None:
    """The turn in which the caller says what he wants: the first one which asks, or the longest."""
    turns = list(said_by(heard, "caller"))
    for n, text in turns:
        said = re.findall(r"\w+", text.casefold())
        asks = "?" in text or "؟" in text or not ASKS.isdisjoint(said)
        if len(said) >= SMALL_TALK and asks:
            return n
    return max(turns, key=lambda turn: len(turn[1]))[0] if turns else None


def _answered(heard: Heard) -> list[str]:
    n = answer(heard)
    return [] if n is None else [_sentence(f"The bot answered “{_quote(heard, n)}”")]


def answer(heard: Heard) -> int | None:
    """The first thing the bot said to that, if it understood."""
    asked = question(heard)
    if asked is None:
        return None
    for n in range(asked + 1, len(heard.turns)):
        turn = heard.turns[n]
        if turn.get("who") != "agent" or turn.get("via") in {"filler", "prompt", "greeting"}:
            continue
        return None if asked_back(heard, turn) else n
    return None


def _trouble(heard: Heard) -> list[str]:
    times = len(misunderstood(heard))
    parts = [f"The bot had to ask back {times} time{'s' * (times != 1)}."] if times else []
    if heard.handover:
        got = "and was put through" if heard.connected else "and was not put through"
        parts.append(f"The caller asked for a person {got}.")
    return parts


def _sentence(words: str) -> str:
    """Ended once, also where it ends with a sentence which is quoted."""
    return words if words[-2:] in {".”", "!”", "?”", "…”"} else f"{words}."


def _quote(heard: Heard, n: int) -> str:
    return clean(heard.turns[n].get("text", ""), QUOTED)


# --- disposition ----------------------------------------------------------------------------------


def disposition(heard: Heard, choices: tuple[Disposition, ...]) -> str:
    """The one whose words the caller says most; else the one whose end the call had."""
    if not choices:
        return usual_disposition(heard)
    spoken = " \n ".join(text for _, text in said_by(heard, "caller"))
    scores = [sum(where(word, spoken) >= 0 for word in one.words) for one in choices]
    if best := max(scores):
        return choices[scores.index(best)].name
    return next((o.name for o in choices if o.end_reason and o.end_reason == heard.end_reason), "")


def usual_disposition(heard: Heard) -> str:
    handed, lost, silent, message, failed, answered, other = USUAL
    if heard.handover or heard.end_reason == "transferred":
        return handed
    if heard.end_reason == "voicemail":
        return message
    if heard.end_reason in {"error", "providers", "no_media", "shutdown"}:
        return failed
    if next(said_by(heard, "caller"), None) is None:
        return silent
    if resolved(heard) == "no":
        return lost
    return answered if answer(heard) is not None else other


# --- resolved, follow-ups -------------------------------------------------------------------------


def resolved(heard: Heard) -> str:
    """yes, no or unknown, by how the call went and ended."""
    lost = len(misunderstood(heard))
    if heard.handover or heard.end_reason in BAD_ENDS or lost > 1 or _ended_asking(heard):
        return "no"
    if answer(heard) is None:
        return "unknown"
    return "yes" if heard.end_reason in {"caller", "bot"} else "unknown"


def _ended_asking(heard: Heard) -> bool:
    spoken = [turn for turn in heard.turns if turn.get("who") == "agent"]
    return bool(spoken) and asked_back(heard, spoken[-1])


def followups(heard: Heard) -> list[str]:
    found = []
    if heard.handover and not heard.connected:
        found.append("Call back: the caller asked for a person and was not put through.")
    if heard.end_reason == "voicemail":
        found.append("Listen to the message the caller left.")
    if heard.end_reason in {"error", "providers"}:
        found.append("Call back: something of ours failed during the call.")
    for text in misunderstood(heard):
        if len(re.findall(r"\w+", text)) >= SMALL_TALK:
            found.append(f"Not understood, perhaps an entry for the FAQ: “{text}”")
    return [clean(one, MOST_FOLLOWUP) for one in dict.fromkeys(found)][:MOST_FOLLOWUPS]


# --- sentiment ------------------------------------------------------------------------------------


def sentiment(heard: Heard) -> float | None:
    """From -1 to 1 by the caller's words; None if he said nothing in a language we know."""
    good = bad = 0.0
    spoke = False
    for _, text in said_by(heard, "caller"):
        spoke = True
        for tone in _tones(text):
            good, bad = good + max(tone, 0), bad + max(-tone, 0)
    if good + bad == 0:
        known = heard.language.partition("-")[0] in {"", "en", "de"}
        return 0.0 if spoke and known else None
    # the 1 keeps one kind word from being all there is
    return round((good - bad) / (good + bad + 1), 3)


def _tones(text: str) -> Iterator[float]:
    said = re.findall(r"\w+(?:'\w+)?|[^\w\s]", text.casefold().replace("’", "'"))
    for n, word in enumerate(said):
        tone = TONES.get(word, 0.0)
        if not tone:
            continue
        before = said[max(0, n - NEAR) : n]
        # a new clause begins anew: “no, that is great”
        before = before[max((i for i, w in enumerate(before, 1) if w in CLAUSES), default=0) :]
        if any(w in INTENSE for w in before[-2:]):
            tone *= 1.5
        yield -0.7 * tone if any(w in NEGATIONS for w in before) else tone


# --- fields ---------------------------------------------------------------------------------------

BY_PATTERN, BY_NEARNESS, BY_TYPE = 0.9, 0.7, 0.5
PLAIN = frozenset({"phone", "email", "money", "date", "choice"})  # known without a word beside them


def value_of(heard: Heard, field: Field) -> Found | None:
    """Where its expression fits; where its words are near; else the first of its type."""
    ways = [
        (_by_pattern, BY_PATTERN, bool(field.pattern)),
        (_by_nearness, BY_NEARNESS, bool(field.words)),
        (_by_type, BY_TYPE, field.type in PLAIN and not field.pattern and not field.words),
    ]
    for way, confidence, wanted in ways:
        for n, told in way(heard, field) if wanted else ():
            if found := parse(field, told, region=heard.region, day=heard.day):
                return replace(found, confidence=confidence, turn=n)
    return None


def _by_pattern(heard: Heard, field: Field) -> Iterator[tuple[int, str]]:
    pattern = re.compile(field.pattern, re.IGNORECASE)
    for n, text in said_by(heard, "caller"):
        if match := pattern.search(text[:MOST_TURN]):
            yield n, (match[1] if pattern.groups else match[0]) or ""


def _by_nearness(heard: Heard, field: Field) -> Iterator[tuple[int, str]]:
    """The caller's turns with one of the words, from there on; and his answers to the bot's."""
    for n, text in said_by(heard, "caller"):
        places = [at + len(word) for word in field.words if (at := where(word, text)) >= 0]
        if places:
            rest = text[min(places) :].strip(" :,.-") or text
            yield n, _told(rest)
        elif n and _names(heard.turns[n - 1], field.words):
            yield n, _told(text)


def _told(text: str) -> str:
    return re.sub(r"^(?:is|was|it'?s|ist|lautet)\s+", "", text, flags=re.IGNORECASE)


def _names(turn: Turn, words: tuple[str, ...]) -> bool:
    said = str(turn.get("text", ""))
    return turn.get("who") == "agent" and any(where(word, said) >= 0 for word in words)


def _by_type(heard: Heard, field: Field) -> Iterator[tuple[int, str]]:
    return said_by(heard, "caller")


# --- quality --------------------------------------------------------------------------------------


def judge(heard: Heard, criteria: tuple[Criterion, ...]) -> tuple[Judged, ...]:
    return tuple(_judge(heard, one) for one in criteria)


def _judge(heard: Heard, one: Criterion) -> Judged:
    verdict = Judged(text=one.text, weight=one.weight)
    if not one.rule:
        return replace(verdict, reason="No rule judges this.")
    well, reason = _VERDICTS[one.rule](heard, one.words)
    return replace(verdict, score=100 if well else 0, reason=reason)


def _bot_says(heard: Heard, words: tuple[str, ...]) -> tuple[bool, str]:
    for n, text in said_by(heard, "agent"):
        for word in words:
            if where(word, text) >= 0:
                return True, f"Said “{clean(word, 80)}” in turn {n + 1}."
    return False, "None of the words was said."


def _bot_never_says(heard: Heard, words: tuple[str, ...]) -> tuple[bool, str]:
    said, reason = _bot_says(heard, words)
    return not said, reason


def _understood(heard: Heard, words: tuple[str, ...]) -> tuple[bool, str]:
    times = len(misunderstood(heard))
    return not times, f"Asked back {times} times." if times else "Never asked back."


def _uninterrupted(heard: Heard, words: tuple[str, ...]) -> tuple[bool, str]:
    times = sum(t.get("who") == "agent" and t.get("interrupted") is True for t in heard.turns)
    return not times, f"Interrupted {times} times." if times else "Never interrupted."


def _no_handover(heard: Heard, words: tuple[str, ...]) -> tuple[bool, str]:
    reason = "The caller asked for a person." if heard.handover else "No person was asked for."
    return not heard.handover, reason


_VERDICTS = {
    "bot_says": _bot_says, "bot_never_says": _bot_never_says, "understood": _understood,
    "uninterrupted": _uninterrupted, "no_handover": _no_handover,
}  # fmt: skip
