"""Payment cards, their security codes, and IBANs, as spans of the text. Pure."""

import re
from collections.abc import Iterator

from recordings import numerals
from recordings.numerals import Run, Token

Span = tuple[int, int]

_SHORTEST, _LONGEST = 13, 19
# prefixes of issuers, and the lengths of their numbers
_ISSUERS: tuple[tuple[re.Pattern[str], tuple[int, ...]], ...] = (
    (re.compile(r"4"), (13, 16, 19)),
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),
    (re.compile(r"3[47]"), (15,)),
    (re.compile(r"6011|64[4-9]|65"), (16, 17, 18, 19)),
    (re.compile(r"30[0-5]|3095|36|3[89]"), (14, 16)),
    (re.compile(r"35(?:2[89]|[3-8])"), (16, 17, 18, 19)),
    (re.compile(r"62|81"), (16, 17, 18, 19)),
    (re.compile(r"50|5[6-9]|6[0379]"), (13, 14, 15, 16, 17, 18, 19)),
    (re.compile(r"220[0-4]"), (16, 17, 18, 19)),
)
_CARD = re.compile(
    r"\b(?:cards?|visa|master ?card|amex|american express|maestro|kreditkarte\w*|karten?\w*|"
    r"tarjeta|carte|carta|kaart)\b",
    re.IGNORECASE,
)
_CODE = re.compile(
    r"\b(?:cvv2?|cvc2?|csc|c v v|c v c|security (?:code|number|digits)|"
    r"card verification (?:code|value|number)|sicherheits(?:code|nummer|zahl)|"
    r"(?:karten)?prüf(?:nummer|ziffer|zahl)|cryptogramme|code de sécurité|código de seguridad|"
    r"codice di sicurezza|(?:three|four|3|4) (?:digits|numbers) (?:on|from) the (?:back|front)|"
    r"code (?:on|from) the (?:back|front)|on the back(?: of (?:it|the card|my card))?)\b",
    re.IGNORECASE,
)
_BARE_CODE = re.compile(r"\b(?:code|kode|código|codice)\b", re.IGNORECASE)
_UP_TO_CODE = re.compile(r"[^\w\u2588]*(?:[^\W\d]+[^\w\u2588]+){0,7}")
_BEFORE_CODE = re.compile(
    r"\W*(?:(?:is|as|for|are|ist|es|est)\s+)?(?:(?:the|my|meine?|mi|mon|le|der|die|das)\s+)?",
    re.IGNORECASE,
)


def passes_luhn(digits: str) -> bool:
    doubled = [
        int(d) if i % 2 == 0 else int(d) * 2 - 9 * (int(d) > 4)
        for i, d in enumerate(reversed(digits))
    ]
    return sum(doubled) % 10 == 0


def is_issued(digits: str) -> bool:
    """Whether an issuer has numbers which begin so and are as long."""
    return any(prefix.match(digits) and len(digits) in lengths for prefix, lengths in _ISSUERS)


def cards(text: str) -> Iterator[Span]:
    has_word = _CARD.search(text) is not None
    for run in numerals.runs(text):
        yield from cards_in(run, misheard=has_word)


def cards_in(run: Run, *, misheard: bool = False) -> Iterator[Span]:
    """A run which is a card number as a whole, else the parts of it which an issuer would issue.

    `misheard`: the talk is of cards, so one which fails its checksum was one digit misheard.
    """
    whole = run.digits
    if _SHORTEST <= len(whole) <= _LONGEST and whole[0] != "0" and passes_luhn(whole):
        yield run.start, run.end
        return
    found = False
    for part in _parts(run.tokens):
        found = True
        yield part
    if misheard and not found and is_issued(whole):
        yield run.start, run.end


def _parts(tokens: tuple[Token, ...]) -> Iterator[Span]:
    first = 0
    while first < len(tokens):
        last = _card_from(tokens, first)
        if last is None:
            first += 1
            continue
        yield tokens[first].start, tokens[last].end
        first = last + 1


def _card_from(tokens: tuple[Token, ...], first: int) -> int | None:
    """Where the longest card number which begins here ends."""
    digits, best = "", None
    for last in range(first, len(tokens)):
        digits += tokens[last].digits
        if len(digits) > _LONGEST:
            break
        if is_issued(digits) and passes_luhn(digits):
            best = last
    return best


def codes(text: str) -> Iterator[Span]:
    """Three or four digits beside the words for them."""
    words = list(_CODE.finditer(text))
    if _CARD.search(text):
        words += _BARE_CODE.finditer(text)
    if not words:
        return
    found = numerals.runs(text)
    seen: set[Span] = set()
    for word in words:
        for span in (_code_after(text, word.end(), found), _code_before(text, word, found)):
            if span and span not in seen:
                seen.add(span)
                yield span


def _code_after(text: str, end: int, found: list[Run]) -> Span | None:
    run = next((run for run in found if run.start >= end), None)
    if run is None or not _UP_TO_CODE.fullmatch(text[end : run.start]):
        return None
    return _short(run)


def _short(run: Run) -> Span | None:
    """The first three or four digits, if they stand for themselves."""
    if len(run.digits) in (3, 4):
        return run.start, run.end
    first = run.tokens[0]
    if len(first.digits) in (3, 4) and len(run.digits) < _SHORTEST:
        return first.start, first.end
    return None


def _code_before(text: str, word: re.Match[str], found: list[Run]) -> Span | None:
    run = next((run for run in reversed(found) if run.end <= word.start()), None)
    if run is None or not _BEFORE_CODE.fullmatch(text[run.end : word.start()]):
        return None
    return (run.start, run.end) if len(run.digits) in (3, 4) else None


# --- IBAN ---------------------------------------------------------------------------------------

# length by country (SWIFT's registry)
_IBAN_LENGTHS = {
    code: length
    for length, codes in {
        15: "NO", 16: "BE", 18: "DK FO FI GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU XK MN",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM TL SO",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR",
        27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for code in codes.split()
}  # fmt: skip
_LETTERS = {
    word: word[0].upper()
    for word in numerals.words(
        "alpha alfa bravo charlie delta echo foxtrot golf hotel india juliett juliet kilo lima "
        "mike november oscar papa quebec romeo sierra tango uniform victor whiskey xray yankee zulu"
    )
}
_PIECE = re.compile(r"[^\W_]+")
_APART = re.compile(r"[\s.,\-]*")

Piece = tuple[str, int, int]  # characters, start, end


def ibans(text: str) -> Iterator[Span]:
    pieces = list(_pieces(text))
    at = 0
    while at < len(pieces):
        last = _iban_from(text, pieces, at)
        if last is None:
            at += 1
            continue
        yield pieces[at][1], pieces[last][2]
        at = last + 1


def _pieces(text: str) -> Iterator[Piece]:
    """Words as characters of an account number: digits spoken, letters of the alphabet."""
    numbers = {token.start: token for token in numerals.tokens(text) if token.spoken}
    end = 0
    for word in _PIECE.finditer(text):
        if word.start() < end:
            continue
        token = numbers.get(word.start())
        if token and token.end >= word.end():
            end = token.end
            yield token.digits, token.start, token.end
            continue
        said = word[0]
        plain = "".join(numerals.digits_of(c) if c.isdecimal() else c.upper() for c in said)
        yield _LETTERS.get(said.lower(), plain), word.start(), word.end()


def _iban_from(text: str, pieces: list[Piece], first: int) -> int | None:
    told, length = "", 0
    for last in range(first, len(pieces)):
        piece, start, _ = pieces[last]
        if last > first and not _APART.fullmatch(text[pieces[last - 1][2] : start]):
            return None
        told += piece
        if len(told) >= 2 and not length:
            length = _IBAN_LENGTHS.get(told[:2], 0)
        if (len(told) >= 2 and not length) or (len(told) >= 4 and not told[2:4].isdigit()):
            return None
        if length and len(told) >= length:
            return last if len(told) == length and _mod97(told) else None
    return None


def _mod97(iban: str) -> bool:
    if not (iban.isascii() and iban.isalnum()):
        return False
    return int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1
