"""What PocketSphinx listens for, made from the plan: phrases, a JSGF grammar, a small dictionary.

Pure: no recogniser, no files. The grammar holds whole phrases, so a hypothesis is either exactly
one of them or it was not understood.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from agents.plan import CallPlan

HANDOVER = (
    "I would like to speak to a person", "I want to speak to a person", "Can I speak to a person",
    "Can I talk to somebody", "I want to talk to somebody", "Can I talk to a human",
    "I would like to talk to a human", "Let me talk to an agent", "Operator", "Operator please",
    "A human please", "Connect me to a person", "I need a person",
)  # fmt: skip
GOODBYE = (
    "Goodbye", "Bye", "Bye bye", "Goodbye then", "Thank you", "Thanks", "Thank you goodbye",
    "Thanks bye", "Thank you bye", "That is all", "That is all thank you", "That's all",
    "No thank you", "No thank you goodbye", "No thanks", "Nothing else",
)  # fmt: skip
SHORT = ("Yes", "Yes please", "No", "Hello", "Good morning", "Good afternoon")
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = (
    "ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen",
    "eighteen", "nineteen",
)  # fmt: skip
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

# says how a word sounds, or nothing if the dictionary does not know it
Lexicon = Callable[[str], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grammar:
    phrases: Mapping[str, str]  # as heard → as written in the plan
    pronunciations: Mapping[str, list[str]]
    skipped: tuple[str, ...]  # words nobody can pronounce; their phrases are not listened for

    def jsgf(self) -> str:
        rules = " | ".join(f"({heard})" for heard in sorted(self.phrases))
        return f"#JSGF V1.0;\ngrammar plan;\npublic <phrase> = {rules};\n"

    def dictionary(self) -> str:
        lines = []
        for word, ways in sorted(self.pronunciations.items()):
            for n, way in enumerate(ways, start=1):
                lines.append(f"{word if n == 1 else f'{word}({n})'} {way}\n")
        return "".join(lines)


def grammar_of(plan: CallPlan, *, lexicon: Lexicon) -> Grammar:
    phrases: dict[str, str] = {}
    sounds: dict[str, list[str]] = {}
    skipped: set[str] = set()
    for written in _written(plan):
        words = normalise(written)
        for word in words:
            sounds.setdefault(word, pronounce(word, lexicon))
        missing = {word for word in words if not sounds[word]}
        skipped |= missing
        if words and not missing:
            phrases.setdefault(" ".join(words), written)
    used = {word for heard in phrases for word in heard.split()}
    return Grammar(
        phrases=phrases,
        pronunciations={word: sounds[word] for word in used},
        skipped=tuple(sorted(skipped)),
    )


def normalise(text: str) -> list[str]:
    """The words of a text as they are spoken, in lower case: "2 bikes" → two bikes."""
    plain = text.lower().replace("’", "'").replace("&", " and ").replace("%", " percent ")
    words: list[str] = []
    for token in re.findall(r"[a-z]+(?:'[a-z]+)*|\d+", plain):
        words += _number(token) if token.isdigit() else [token]
    return words


def pronounce(word: str, lexicon: Lexicon) -> list[str]:
    """From the dictionary; else as two known words joined, else as a known word with an s."""
    if known := lexicon(word):
        return known
    for cut in range(len(word) - 3, 2, -1):
        if (first := lexicon(word[:cut])) and (second := lexicon(word[cut:])):
            return [f"{first[0]} {second[0]}"]
    stem = word.removesuffix("'s").removesuffix("s")
    if stem != word and (known := lexicon(stem)):
        return [f"{known[0]} {_s_after(known[0])}"]
    return []


def _written(plan: CallPlan) -> Iterable[str]:
    for entry in plan.faq:
        yield entry.question
        yield from entry.variants
    if plan.menu and plan.menu.speech:
        for page in plan.menu.pages:
            yield from (name for option in page.options for name in option.names)
    yield from (*HANDOVER, *GOODBYE, *SHORT)
    yield from (digit.capitalize() for digit in DIGITS)


def _number(digits: str) -> list[str]:
    value = int(digits)
    if value < 10 or len(digits) > 2:
        return [DIGITS[int(digit)] for digit in digits]
    if value < 20:
        return [_TEENS[value - 10]]
    tens = _TENS[value // 10 - 2]
    return [tens] if value % 10 == 0 else [tens, DIGITS[value % 10]]


def _s_after(sounds: str) -> str:
    last = sounds.split()[-1]
    if last in {"S", "Z", "SH", "ZH", "CH", "JH"}:
        return "IH Z"
    return "S" if last in {"P", "T", "K", "F", "TH"} else "Z"
