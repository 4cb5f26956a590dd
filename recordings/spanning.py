"""What no single turn shows: a number told in groups over several turns, an answer whose question
says what it is, digits pressed one by one, and the bot reading groups back. Pure.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from recordings import finders_bank, finders_person, numerals, redaction
from recordings.finders import Hit, Kind, Rules
from recordings.numerals import Run, Token

_TOLD_IN_GROUPS = (Kind.CARD, Kind.IBAN, Kind.PHONE)
_ASKED_FOR = (Kind.CODE, Kind.BIRTH)
_ECHO_AFTER = 3  # lines after the number in which the bot may read a part of it back
_ECHO_DIGITS = 3
_KEY_GAP_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One turn, or one key pressed (`text` is its digit)."""

    who: str
    text: str
    key: bool = False
    at_ms: int = 0


@dataclass(slots=True)
class Found:
    hits: dict[int, list[Hit]] = field(default_factory=dict)  # by the line's index
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, parts: Iterable[tuple[int, Hit]], *, counted: bool = True) -> None:
        """The parts of one value. Of parts which overlap what is known, only the others."""
        fresh = False
        for index, hit in parts:
            known = self.hits.setdefault(index, [])
            if not any(hit.overlaps(other) for other in known):
                known.append(hit)
                fresh = True
                kind = hit.kind
        if fresh and counted:
            self.counts[kind.value] += 1


def spanning(lines: Sequence[Line], rules: Rules) -> Found:
    """Also finds what stands in one line alone, so nothing depends on who looked before."""
    found = Found()
    for index, line in enumerate(lines):
        if not line.key:
            for hit in redaction.find(line.text, rules):
                found.add([(index, hit)])
    for who in ("caller", "agent"):
        _groups(lines, who, rules, found)
    _answers(lines, rules, found)
    _keys(lines, found)
    return found


# --- told in groups -----------------------------------------------------------------------------


def _groups(lines: Sequence[Line], who: str, rules: Rules, found: Found) -> None:
    own = [n for n, line in enumerate(lines) if line.who == who and not line.key]
    starts, text = [], ""
    for n in own:
        starts.append(len(text))
        text += lines[n].text + "\n"
    for hit in redaction.find(text, rules):
        parts = [
            (n, Hit(hit.kind, max(hit.start, at) - at, min(hit.end, at + len(lines[n].text)) - at))
            for n, at in zip(own, starts, strict=True)
            if hit.start < at + len(lines[n].text) and at < hit.end
        ]
        if len(parts) > 1 and hit.kind in _TOLD_IN_GROUPS:
            found.add(parts)
            _echoes(lines, numerals.digits_of(text[hit.start : hit.end]), parts, found)


def _echoes(lines: Sequence[Line], number: str, parts: list[tuple[int, Hit]], found: Found) -> None:
    """Groups of a number which the other side says again while it is told, and just after."""
    kind = parts[0][1].kind
    told = {index for index, _ in parts}
    for index in range(min(told), min(len(lines), max(told) + 1 + _ECHO_AFTER)):
        line = lines[index]
        if line.key or index in told:
            continue
        for run in numerals.runs(line.text):
            if len(run.digits) >= _ECHO_DIGITS and run.digits in number:
                found.add([(index, Hit(kind, run.start, run.end))], counted=False)


# --- asked for ----------------------------------------------------------------------------------


def _answers(lines: Sequence[Line], rules: Rules, found: Found) -> None:
    """“What is the security code?” – “One two three.”"""
    question = ""
    for index, line in enumerate(lines):
        if line.who != "caller":
            question = line.text
        elif question and not line.key:
            for hit in _in_answer(question, line.text, rules):
                found.add([(index, hit)])
            question = ""


def _in_answer(question: str, answer: str, rules: Rules) -> Iterator[Hit]:
    at = len(question) + 1
    for hit in redaction.find(f"{question}\n{answer}", rules):
        if hit.kind in _ASKED_FOR and hit.start >= at:
            yield Hit(hit.kind, hit.start - at, hit.end - at)
    if Kind.NAME in rules.kinds and (span := finders_person.name_asked_for(question, answer)):
        yield Hit(Kind.NAME, *span)


# --- pressed ------------------------------------------------------------------------------------


def _keys(lines: Sequence[Line], found: Found) -> None:
    """Digits pressed in a row: one number, whatever the bot says meanwhile."""
    for row in _rows(lines):
        run = Run(tuple(Token(n, n + 1, lines[n].text, spoken=False) for n in row))
        for first, end in finders_bank.cards_in(run):
            pressed = [n for n in row if first <= n < end]
            found.add((n, Hit(Kind.CARD, 0, len(lines[n].text))) for n in pressed)


def _rows(lines: Sequence[Line]) -> list[list[int]]:
    rows: list[list[int]] = []
    before: Line | None = None
    for index, line in enumerate(lines):
        if not line.key:
            continue
        if not line.text.isdecimal():  # * and # end a number
            before = None
            continue
        if before is None or line.at_ms - before.at_ms > _KEY_GAP_S * 1000:
            rows.append([])
        rows[-1].append(index)
        before = line
    return rows
