"""What people type to find words: all of them, "phrases", beginnings* and -not these. Pure.

Nothing anybody types is an error: what makes no sense is left out. What a database is given is
made anew from letters and digits, never from the text itself.
"""

import re
from dataclasses import dataclass

from recordings.words import Word, forms

MOST_LETTERS, MOST_TERMS, MOST_WORDS = 500, 12, 24
SHORTEST_BEGINNING = 2  # with fewer letters, a good part of all words begin so
TELLING = 4  # letters; statistics say little of words with a shorter beginning
_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»＂", '"') | {"−": "-", "–": "-", "＊": "*"})
_TERM = re.compile(r'(?P<no>-?)(?:"(?P<phrase>[^"]*)"?(?P<star>\*?)|(?P<word>\S+))')


@dataclass(frozen=True, slots=True)
class Term:
    """Words which stand one after another."""

    forms: tuple[str, ...]
    is_beginning: bool = False  # of the last one

    def ends_in(self, words: list[Word]) -> list[int]:
        """At which words it is complete, as index."""
        last = len(self.forms)
        return [at - 1 for at in range(last, len(words) + 1) if self._stands(words[at - last : at])]

    def _stands(self, words: list[Word]) -> bool:
        *before, end = (word.form for word in words)
        if tuple(before) != self.forms[:-1]:
            return False
        return end.startswith(self.forms[-1]) if self.is_beginning else end == self.forms[-1]


@dataclass(frozen=True, slots=True)
class Query:
    wanted: tuple[Term, ...] = ()  # all of them
    unwanted: tuple[Term, ...] = ()  # none of them

    @property
    def is_empty(self) -> bool:
        """Nobody can look for what is merely not there."""
        return not self.wanted


def parse(text: str) -> Query:
    wanted: dict[Term, None] = {}
    unwanted: dict[Term, None] = {}
    for found in _TERM.finditer(text[:MOST_LETTERS].translate(_QUOTES)):
        if term := _term(found):
            (unwanted if found["no"] else wanted)[term] = None
    return Query(tuple(wanted)[:MOST_TERMS], tuple(unwanted)[:MOST_TERMS])


def _term(found: "re.Match[str]") -> Term | None:
    text = found["word"] if found["phrase"] is None else found["phrase"]
    parts = forms(text)[:MOST_WORDS]
    if not parts:
        return None
    starred = bool(found["star"]) or text.rstrip().endswith("*")
    return Term(tuple(parts), starred and len(parts[-1]) >= SHORTEST_BEGINNING)


def for_postgresql(query: Query) -> str:
    """As `to_tsquery` reads it."""
    wanted = [_tsquery(term) for term in query.wanted]
    unwanted = [f"!{_tsquery(term)}" for term in query.unwanted]
    return " & ".join(wanted + unwanted)


def for_postgresql_loosely(query: Query) -> str:
    """What the index has to fetch for it: it knows the words, not where they stand.

    Empty if there are short beginnings only: nobody knows how many words begin so.
    """
    parts: dict[str, None] = {}
    for term in query.wanted:
        *before, last = term.forms
        parts |= dict.fromkeys(map(_lexeme, before))
        if not term.is_beginning or len(last) >= TELLING:
            parts[_lexeme(last, beginning=term.is_beginning)] = None
    return " & ".join(parts)


def for_sqlite(query: Query) -> str:
    """As FTS5's MATCH reads it."""
    found = "(" + " AND ".join(_fts5(term) for term in query.wanted) + ")"
    return found + "".join(f" NOT {_fts5(term)}" for term in query.unwanted)


def _tsquery(term: Term) -> str:
    *before, last = term.forms
    parts = [_lexeme(form) for form in before] + [_lexeme(last, beginning=term.is_beginning)]
    return "(" + " <-> ".join(parts) + ")"


def _lexeme(form: str, *, beginning: bool = False) -> str:
    return f"'{form}'" + (":*" if beginning else "")


def _fts5(term: Term) -> str:
    return '"' + " ".join(term.forms) + '"' + (" *" if term.is_beginning else "")
