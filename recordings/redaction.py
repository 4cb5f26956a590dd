"""Takes what must not be kept out of text, before it is stored. Pure and local: no model, no call.

Card numbers and security codes are always taken out; the other kinds where a project wants it.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from recordings import finders
from recordings.finders import Hit as Hit
from recordings.finders import Kind as Kind
from recordings.finders import Rules as Rules

MASK = "[card number]"
MASKS: dict[Kind, str] = {
    Kind.CARD: MASK,
    Kind.CODE: "[security code]",
    Kind.IBAN: "[IBAN]",
    Kind.ID: "[id number]",
    Kind.PHONE: "[phone number]",
    Kind.EMAIL: "[e-mail]",
    Kind.BIRTH: "[date of birth]",
    Kind.NAME: "[name]",
}
ALWAYS = frozenset({Kind.CARD, Kind.CODE})
CARDS_ONLY = Rules()
_MASKED = re.compile("|".join(re.escape(mask) for mask in MASKS.values()))
_HIDDEN = "\u2588"  # stands for a mask while we look: no word of it may be taken for context


@dataclass(frozen=True, slots=True)
class Redacted:
    text: str
    counts: Mapping[str, int]


def redact(text: str) -> str:
    """Without payment card numbers (13 to 19 digits, Luhn) and security codes."""
    return redacted(text, CARDS_ONLY).text


def redacted(text: str, rules: Rules) -> Redacted:
    hits = find(text, rules)
    return Redacted(masked(text, hits), dict(Counter(hit.kind.value for hit in hits)))


def find(text: str, rules: Rules) -> list[Hit]:
    """In the order of the text; none overlaps another."""
    blanked = _MASKED.sub(lambda mask: _HIDDEN * len(mask[0]), text)
    taken: list[Hit] = []
    for kind in MASKS:  # a card number is no telephone number
        if kind in ALWAYS or kind in rules.kinds:
            found = finders.FINDERS[kind](blanked, rules)
            for hit in sorted(found, key=lambda hit: hit.start - hit.end):  # the longest first
                if not any(hit.overlaps(other) for other in taken):
                    taken.append(hit)
    return sorted(taken, key=lambda hit: hit.start)


def masked(text: str, hits: Iterable[Hit]) -> str:
    for hit in sorted(hits, key=lambda hit: hit.start, reverse=True):
        text = text[: hit.start] + MASKS[hit.kind] + text[hit.end :]
    return text
