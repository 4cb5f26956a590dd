"""When in a turn a part of its text was said. Pure.

Nobody measures every word, so a part lies where its share of the text lies in the turn's time,
widened; where the words' own times are known, they are taken. To cut a little too much is the
smaller fault.
"""

from collections.abc import Mapping, Sequence
from typing import Any

WIDEN_MS = 400
WIDEN_SHARE = 0.15  # of the part's own length, to each side
LEAST_MS_A_CHARACTER = 40  # a turn whose end nobody measured lasts so long at least
HIDDEN_WORD = "•"


def span_of(
    text: str, start: int, end: int, *, start_ms: int, end_ms: int, words: Sequence[Any] = ()
) -> tuple[int, int]:
    """Begin and end of text[start:end] in ms of the turn's clock."""
    known = [word for word, (a, b) in zip(words, _places(text, words), strict=True)
             if a < end and start < b and _is_timed(word)]  # fmt: skip
    if known:
        first, last = known[0]["start_ms"], known[-1]["end_ms"]
        return max(0, first - WIDEN_MS // 2), last + WIDEN_MS // 2
    least = len(text) * LEAST_MS_A_CHARACTER
    if end_ms - start_ms < least:  # an end nobody measured, or a start: both sides may be meant
        start_ms, end_ms = min(start_ms, end_ms - least), max(end_ms, start_ms + least)
        return max(0, start_ms - WIDEN_MS), end_ms + WIDEN_MS
    length = end_ms - start_ms
    first, last = (start_ms + length * at // max(1, len(text)) for at in (start, end))
    margin = round((last - first) * WIDEN_SHARE) + WIDEN_MS
    return max(0, first - margin), last + margin


def without(text: str, words: Sequence[Any], parts: Sequence[tuple[int, int]]) -> list[Any]:
    """The words of a turn with those hidden which lie in a part. What is malformed is left out."""
    kept: list[Any] = []
    for word, (a, b) in zip(words, _places(text, words), strict=True):
        if not _is_timed(word):
            continue
        is_hidden = a == b or any(a < end and start < b for start, end in parts)
        told: Mapping[str, Any] = word
        kept.append(dict(told) | ({"word": HIDDEN_WORD} if is_hidden else {}))
    return kept


def _is_timed(word: Any) -> bool:
    return (
        isinstance(word, dict)
        and isinstance(word.get("word"), str)
        and all(type(word.get(name)) is int for name in ("start_ms", "end_ms"))
    )


def _places(text: str, words: Sequence[Any]) -> list[tuple[int, int]]:
    """Where each word stands in the text; nowhere (0, 0) if it is not there."""
    places, at = [], 0
    for word in words:
        said = word.get("word") if isinstance(word, dict) else None
        found = text.find(said, at) if isinstance(said, str) and said else -1
        if found < 0 or not isinstance(said, str):
            places.append((0, 0))
            continue
        at = found + len(said)
        places.append((found, at))
    return places
