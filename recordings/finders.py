"""How each kind of personal data is found in text. Pure; recordings/redaction.py is the face."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import phonenumbers

from recordings import finders_bank, finders_person, numerals


class Kind(StrEnum):
    CARD = "card"
    CODE = "code"
    IBAN = "iban"
    ID = "id"
    PHONE = "phone"
    EMAIL = "email"
    BIRTH = "birth"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Hit:
    kind: Kind
    start: int
    end: int

    def overlaps(self, other: "Hit") -> bool:
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a project wants taken out besides cards."""

    kinds: frozenset[Kind] = frozenset()
    region: str = "US"  # whose telephone numbers are written without a country
    own_numbers: frozenset[str] = frozenset()  # E.164; may be said
    own_emails: frozenset[str] = frozenset()  # in small letters; may be said
    names: tuple[str, ...] = ()
    id_patterns: tuple[str, ...] = ()


Span = tuple[int, int]
Finder = Callable[[str, Rules], list[Hit]]

# a number told after these words is no telephone number
_OTHER_NUMBER = re.compile(
    r"(?:order|ticket|reference|ref|invoice|customer|booking|case|tracking|serial|article|item|"
    r"account|policy|contract|bestell\w*|auftrags\w*|kunden\w*|rechnungs\w*|vorgangs\w*|pedido|"
    r"commande|ordine)\W+(?:\w+\W+){0,4}$",
    re.IGNORECASE,
)
_TRIES = 1000  # of what looks like a number in one text and is none
_PLUS = re.compile(r"(?:\bplus\s+|\+\s*)$", re.IGNORECASE)


def _of(kind: Kind, find: Callable[[str], Iterator[Span]]) -> Finder:
    return lambda text, rules: [Hit(kind, start, end) for start, end in find(text)]


def _ids(text: str, rules: Rules) -> list[Hit]:
    return [
        Hit(Kind.ID, found.start(), found.end())
        for pattern in rules.id_patterns
        for found in re.finditer(pattern, text)
        if found[0]
    ]


def _names(text: str, rules: Rules) -> list[Hit]:
    return [Hit(Kind.NAME, *span) for span in finders_person.names(text, rules.names)]


def _emails(text: str, rules: Rules) -> list[Hit]:
    return [
        Hit(Kind.EMAIL, start, end)
        for start, end in finders_person.emails(text)
        if finders_person.written_email(text[start:end]) not in rules.own_emails
    ]


def _phones(text: str, rules: Rules) -> list[Hit]:
    written = phonenumbers.PhoneNumberMatcher(text, rules.region, max_tries=_TRIES)
    spans = [(match.start, match.end) for match in written if _is_foreign(match.number, rules)]
    spans += _said_phones(text, rules)
    hits: list[Hit] = []
    for start, end in spans:
        hit = Hit(Kind.PHONE, start, end)
        is_other = text[start] != "+" and _OTHER_NUMBER.search(text[max(0, start - 60) : start])
        if not is_other and not any(hit.overlaps(other) for other in hits):
            hits.append(hit)
    return hits


def _said_phones(text: str, rules: Rules) -> Iterator[Span]:
    """Spoken digits, and written ones with words between, which the library does not look for."""
    for run in numerals.runs(text):
        if not 7 <= len(run.digits) <= 15 or len(run.tokens) < 2:
            continue
        plus = _PLUS.search(text[: run.start])
        number = _parsed(("+" if plus else "") + run.digits, rules)
        if number is None or not _is_foreign(number, rules):
            continue
        words = any(token.spoken for token in run.tokens)
        if phonenumbers.is_valid_number(number) if not run.spoken else words:
            yield plus.start() if plus else run.start, run.end


def _parsed(digits: str, rules: Rules) -> phonenumbers.PhoneNumber | None:
    try:
        number = phonenumbers.parse(digits, rules.region)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_possible_number(number) else None


def _is_foreign(number: phonenumbers.PhoneNumber, rules: Rules) -> bool:
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return e164 not in rules.own_numbers


FINDERS: dict[Kind, Finder] = {
    Kind.CARD: _of(Kind.CARD, finders_bank.cards),
    Kind.CODE: _of(Kind.CODE, finders_bank.codes),
    Kind.IBAN: _of(Kind.IBAN, finders_bank.ibans),
    Kind.ID: _ids,
    Kind.PHONE: _phones,
    Kind.EMAIL: _emails,
    Kind.BIRTH: _of(Kind.BIRTH, finders_person.births),
    Kind.NAME: _names,
}
