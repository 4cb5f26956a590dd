"""The part of a text in which something was found, with what was found marked. Pure, no HTML."""

from dataclasses import dataclass

from recordings.queries import Query
from recordings.words import words

WIDTH, BEFORE = 240, 60  # letters shown; of them before the first match
_DOTS = "…"


@dataclass(frozen=True, slots=True)
class Segment:
    text: str
    is_match: bool


def snippet(text: str, query: Query) -> tuple[Segment, ...]:
    """Joined, the segments are the text, or a part of it with … where it was cut."""
    spans = _spans(text, query)
    begin, end = _window(text, spans[0][0] if spans else 0)
    segments: list[Segment] = []
    at = begin
    for first, last in spans:
        first, last = max(first, at), min(last, end)
        if first < last:
            segments += [Segment(text[at:first], False), Segment(text[first:last], True)]
            at = last
    segments.append(Segment(text[at:end] + (_DOTS if end < len(text) else ""), False))
    if begin:
        segments.insert(0, Segment(_DOTS, False))
    return tuple(segment for segment in segments if segment.text)


def _spans(text: str, query: Query) -> list[tuple[int, int]]:
    """Where terms stand, in order; those which touch are one."""
    found = words(text)
    spans = sorted(
        (found[last - len(term.forms) + 1].begin, found[last].end)
        for term in query.wanted
        for last in term.ends_in(found)
    )
    merged: list[tuple[int, int]] = []
    for first, last in spans:
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def _window(text: str, first: int) -> tuple[int, int]:
    """Cut between words where there are any."""
    if len(text) <= WIDTH:
        return 0, len(text)
    begin = max(0, min(first - BEFORE, len(text) - WIDTH))
    if begin:
        blank = text.find(" ", begin, first)
        begin = blank + 1 if blank >= 0 else begin
    end = min(len(text), begin + WIDTH)
    if end < len(text):
        blank = text.rfind(" ", max(begin, first), end)
        end = blank if blank > first else end
    return begin, end
