"""Words in the one form the index knows, whichever way they are written. Pure.

Both databases index this form, and queries are brought into it, so that what is found and what is
marked depends neither on a database's idea of a word nor on its locale. No stemming: transcripts
of many languages share one index, and stemmers drop the small words phrases are made of.
"""

import re
import unicodedata
from typing import NamedTuple

LONGEST = 64  # letters of a word which count
MOST_LETTERS = 20_000  # of a text; whoever says more in one breath is no person
# written without blanks (Thai, kana, Han): each letter is a word, and a word becomes a phrase
_ALONE = "\u0e00-\u0e7f\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_ASCII = re.compile(r"[A-Za-z0-9]+")
_PLAIN = re.compile(r"[^\W_]+")


def _ranges(categories: set[str]) -> str:
    """What stands in a character class for all characters of these categories."""
    found: list[list[int]] = []
    for code in range(0x300, 0x10000):
        if unicodedata.category(chr(code)) in categories:
            if found and found[-1][1] == code - 1:
                found[-1][1] = code
            else:
                found.append([code, code])
    return "".join(f"\\u{first:04x}-\\u{last:04x}" for first, last in found)


_MARKS = _ranges({"Mn", "Mc", "Me"})  # accents, vowel signs: no letters, but inside words
_SPAN = re.compile(rf"[{_ALONE}][{_MARKS}]*|(?:(?![{_ALONE}])[^\W_]|[{_MARKS}])+")


class Word(NamedTuple):  # quicker to make than a dataclass; a page makes thousands
    form: str
    begin: int  # where it stands in the text
    end: int


def words(text: str) -> list[Word]:
    text = text[:MOST_LETTERS]
    if text.isascii():
        return [Word(found[0].lower()[:LONGEST], *found.span()) for found in _ASCII.finditer(text)]
    return [
        Word(form, *found.span()) for found in _SPAN.finditer(text) for form in _forms(found[0])
    ]


def forms(text: str) -> list[str]:
    return [word.form for word in words(text)]


def _forms(span: str) -> list[str]:
    """Without case, accents and width. Rarely more than one: ½ is 1 and 2."""
    bare = "".join(
        letter
        for letter in unicodedata.normalize("NFKD", span.casefold())
        if unicodedata.category(letter) != "Mn"
    )
    return [form[:LONGEST] for form in _PLAIN.findall(unicodedata.normalize("NFC", bare))]
