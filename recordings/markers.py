"""What deserves a look in a call, as moments on its waveform. Pure: no database, no HTML.

Times are ms on the journal's clock, as in recordings/page.py.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from recordings.page import Line, clock

KINDS = {
    "interruption": "Interruption",
    "fault": "Fault",
    "switch": "Provider switched",
    "tool": "Tool",
    "transfer": "Transfer",
    "handover": "Asked for a person",
    "pause": "Recording paused",
    "mask": "Masked",
    "consent": "Consent",
    "comment": "Comment",
}
JOURNAL_KINDS = ("pause", "consent")  # those which are no lines of the conversation
_BY_WHO = {"Switch": "switch", "Tool": "tool", "Transfer": "transfer", "Handover": "handover"}
_MASK = re.compile(
    r"\[(?:card|phone|email|e-mail|iban|name|address|masked|redacted)[^\]\[]{0,30}\]"
)
MOST_WORDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    kind: str
    at_ms: int
    clock: str
    words: str
    seek_ms: int
    until_ms: int | None = None  # of a span, as a pause
    anchor: str = ""  # the row of the page which says it, for browsers without JavaScript

    @property
    def title(self) -> str:
        return KINDS[self.kind]


def of_lines(lines: Iterable[Line], *, origin: int) -> list[Marker]:
    found = []
    for n, line in enumerate(lines):
        for kind in _kinds(line):
            found.append(_marker(kind, line.at_ms, line.text, origin=origin, anchor=f"line-{n}"))
    return found


def of_entries(
    entries: Iterable[tuple[int, str, Mapping[str, Any]]], *, origin: int, end_ms: int
) -> list[Marker]:
    """Of journal entries (`ms, kind, data`) in the order of time. A pause nobody ended lasts."""
    found: list[Marker] = []
    begun: tuple[int, str] | None = None
    for ms, kind, data in entries:
        if kind == "consent":
            outcome = str(data.get("outcome") or data.get("answer") or "asked")
            found.append(_marker("consent", ms, outcome.replace("_", " "), origin=origin))
        elif kind == "pause" and data.get("what") == "end":
            at, why = begun or (ms, str(data.get("why") or ""))
            found.append(_marker("pause", at, why, origin=origin, until_ms=ms))
            begun = None
        elif kind == "pause" and begun is None:
            begun = ms, str(data.get("why") or "")
    if begun:
        found.append(_marker("pause", *begun, origin=origin, until_ms=max(end_ms, begun[0])))
    return sorted(found, key=lambda marker: marker.at_ms)


def of_spans(spans: Iterable[Any], *, origin: int) -> list[Marker]:
    """Parts of the audio which were made silent (`Recording.mask`): ms in the audio."""
    return [
        _marker(
            "mask", span["start_ms"] + origin, "", origin=origin, until_ms=span["end_ms"] + origin
        )
        for span in spans
    ]


def of_remark(*, pk: int, at_ms: int, text: str, author: str, origin: int) -> Marker:
    words = f"{author}: {text}"
    return _marker("comment", at_ms, words, origin=origin, anchor=f"remark-{pk}")


def _kinds(line: Line) -> list[str]:
    kinds = []
    if line.tone == "error":
        kinds.append("switch" if line.who == "Switch" else "fault")
    elif line.who in _BY_WHO:
        kinds.append(_BY_WHO[line.who])
    if line.interrupted:
        kinds.append("interruption")
    if _MASK.search(line.text):
        kinds.append("mask")
    return kinds


def _marker(
    kind: str, at_ms: int, words: str, *, origin: int, until_ms: int | None = None, anchor: str = ""
) -> Marker:
    short = words if len(words) <= MOST_WORDS else f"{words[: MOST_WORDS - 1]}…"
    return Marker(
        kind=kind,
        at_ms=at_ms,
        clock=clock(at_ms - origin),
        words=short,
        seek_ms=max(0, at_ms - origin),
        until_ms=None if until_ms is None else max(0, until_ms - origin),
        anchor=anchor,
    )
