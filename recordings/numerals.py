"""Digits as people write and speak them, with the place where each stands. Pure.

“4111 1111”, “four one one one”, “double four”, “forty-one eleven”, “vier eins”, full-width and
Arabic digits: all become tokens, and tokens which belong together become runs.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_WORD = re.compile(r"\d+|[^\W\d_]+")
# what may stand between two groups of one number
_BETWEEN = re.compile(r"[\s.,\-\u2010-\u2015_()\u2026;*]*")
_LONGEST_GAP = 24


def words(line: str) -> frozenset[str]:
    return frozenset(line.split())


_LANGUAGES = (
    "zero one two three four five six seven eight nine",
    "oh . . . . . . . . .",
    "null eins zwei drei vier fünf sechs sieben acht neun",
    ". ein zwo . . fuenf . . . .",
    "zéro un deux trois quatre cinq six sept huit neuf",
    "cero uno dos tres cuatro cinco seis siete ocho nueve",
    "zero uno due tre quattro cinque sei sette otto nove",
    "zero . dois três quatro cinco seis sete oito nove",
    "nul een twee drie vier vijf zes zeven acht negen",
    "صفر واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة",
    "nought . اثنين . اربعة . . . . .",
)
DIGITS = {
    word: str(digit)
    for line in _LANGUAGES
    for digit, word in enumerate(line.split())
    if word != "."
}
_TEENS = {
    word: str(number)
    for line in (
        "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
        "zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn",
    )
    for number, word in enumerate(line.split(), start=10)
}
_TENS = {
    word: str(tens)
    for line in (
        "twenty thirty forty fifty sixty seventy eighty ninety",
        "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    )
    for tens, word in enumerate(line.split(), start=2)
}
_GERMAN_UNITS = ("ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
_COMPOUNDS = {
    f"{unit}und{tens}": _TENS[tens] + str(number)
    for number, unit in enumerate(_GERMAN_UNITS, start=1)
    for tens in ("zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig")
} | {f"{unit}undneunzig": f"9{number}" for number, unit in enumerate(_GERMAN_UNITS, start=1)}
_TIMES = {
    "double": 2, "doppel": 2, "doppelt": 2, "zweimal": 2, "doble": 2, "doppio": 2,
    "triple": 3, "treble": 3, "dreimal": 3, "tripel": 3,
}  # fmt: skip
FILLERS = words(
    "uh um er erm eh ah hm hmm mm mhm then and dash hyphen space dot point next okay ok so yes "
    "yeah right well wait comma äh ähm öh und dann strich bindestrich leerzeichen punkt ja gut "
    "euh et puis tiret espace oui y luego guion espacio punto sí e poi trattino spazio si virgola "
    "minus stop"
)


@dataclass(frozen=True, slots=True)
class Token:
    start: int
    end: int
    digits: str
    spoken: bool


@dataclass(frozen=True, slots=True)
class Run:
    """Tokens which may be one number."""

    tokens: tuple[Token, ...]

    @property
    def digits(self) -> str:
        return "".join(token.digits for token in self.tokens)

    @property
    def start(self) -> int:
        return self.tokens[0].start

    @property
    def end(self) -> int:
        return self.tokens[-1].end

    @property
    def spoken(self) -> bool:
        return all(token.spoken for token in self.tokens)


def runs(text: str) -> list[Run]:
    """Neighbouring digits, apart by no more than separators and a few words like “uh”."""
    found: list[list[Token]] = []
    last = None
    for token in tokens(text):
        if last is not None and _belongs(text[last.end : token.start]):
            found[-1].append(token)
        else:
            found.append([token])
        last = token
    return [Run(tuple(run)) for run in found]


def digits_of(text: str) -> str:
    return "".join(token.digits for token in tokens(text))


def tokens(text: str) -> Iterator[Token]:
    words = list(_WORD.finditer(text))
    at = 0
    while at < len(words):
        token, used = _token(text, words, at)
        if token:
            yield token
        at += used


def _token(text: str, words: list[re.Match[str]], at: int) -> tuple[Token | None, int]:
    """The number which begins with a word, and how many words it takes."""
    word = words[at]
    if word[0][0].isdecimal():
        return Token(word.start(), word.end(), _plain(word[0]), spoken=False), 1
    name = word[0].lower()
    following = words[at + 1] if at + 1 < len(words) else None
    near = following is not None and following.start() - word.end() <= 2
    if name in _TIMES and following and near:
        return _repeated(word, following, _TIMES[name])
    if name in _TENS:
        unit = DIGITS.get(following[0].lower(), "0") if following and near else "0"
        if following and unit != "0":
            return Token(word.start(), following.end(), _TENS[name] + unit, spoken=True), 2
        return Token(word.start(), word.end(), _TENS[name] + "0", spoken=True), 1
    digits = DIGITS.get(name) or _TEENS.get(name) or _COMPOUNDS.get(name)
    if digits is None:
        return None, 1
    if following and near and following[0].lower() == "hundred":
        return Token(word.start(), following.end(), digits + "00", spoken=True), 2
    return Token(word.start(), word.end(), digits, spoken=True), 1


def _repeated(
    word: re.Match[str], following: re.Match[str], times: int
) -> tuple[Token | None, int]:
    said = following[0]
    digit = _plain(said) if said.isdecimal() else DIGITS.get(said.lower(), "")
    if len(digit) != 1:
        return None, 1
    return Token(word.start(), following.end(), digit * times, spoken=True), 2


def _plain(digits: str) -> str:
    """ASCII for the digits of any script."""
    return "".join(str(unicodedata.decimal(digit)) for digit in digits)


def _belongs(gap: str) -> bool:
    if len(gap) > _LONGEST_GAP:
        return False
    words = _WORD.findall(gap)
    return (
        len(words) <= 3
        and all(word.lower() in FILLERS for word in words)
        and _BETWEEN.fullmatch(_WORD.sub("", gap)) is not None
    )
