"""Cuts a stream of text where a voice can breathe. Pure."""

import re
from collections.abc import AsyncGenerator, AsyncIterable

FIRST_WORDS = 3  # a first clause shorter than this sounds cut off
# after these, text may be cut if a space follows: a number such as 1,000 or 9.30 is no end
_SENTENCE = re.compile(r"[.!?…。！？]+[\"'”’)\]]*\s+")
_CLAUSE = re.compile(r"(?:[.!?…;:。！？]+[\"'”’)\]]*|[,،、–—])\s+")
_ABBREVIATED = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|St|No|Nr|e\.g|i\.e|a\.m|p\.m)|\b[A-Z])\.\s+$")


async def pieces(text: AsyncIterable[str], *, first_clause: bool) -> AsyncGenerator[str, None]:
    """Sentences; with `first_clause` the first piece ends at the first place to breathe."""
    waiting, first = "", True
    async for more in text:
        waiting += more
        while end := _end(waiting, clause=first and first_clause):
            yield waiting[:end]
            waiting, first = waiting[end:], False
    if waiting.strip():
        yield waiting


def _end(text: str, *, clause: bool) -> int:
    """Where the first piece of a text ends; 0 while nobody can tell."""
    least = FIRST_WORDS if clause else 1
    for mark in (_CLAUSE if clause else _SENTENCE).finditer(text):
        piece = text[: mark.end()]
        if len(piece.split()) >= least and not _ABBREVIATED.search(piece):
            return mark.end()
    return 0


def settled(text: str) -> int:
    """How much of a text a later continuation cannot change: up to its last clause's end."""
    ends = [mark.end() for mark in _CLAUSE.finditer(text)]
    return ends[-1] if ends else 0


def is_finished(text: str) -> bool:
    """Whether a text ends like a whole sentence."""
    return bool(re.search(r"[.!?…。！？:][\"'”’)\]]*\s*$", text))


def words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.casefold())


def without_repeat(spoken: str, more: str) -> str:
    """`more` without its beginning as far as that repeats what was spoken.

    Models asked to go on often begin again: with the whole answer, or with its last sentence.
    """
    said, comes = words(spoken), list(re.finditer(r"[\w']+", more))
    heard = [mark.group().casefold() for mark in comes]
    sentence = words(re.split(r"(?<=[.!?])\s+", spoken.strip())[-1]) if spoken.strip() else []
    for known in (said, sentence):
        if known and heard[: len(known)] == known:
            cut = comes[len(known) - 1].end() if len(known) <= len(comes) else len(more)
            return re.sub(r"^[,;:.!?]?\s*", "", more[cut:])
    return more
