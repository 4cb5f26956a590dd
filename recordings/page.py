"""What the call page shows: lines in the order of time, latencies, figures. No database, no HTML.

All times are ms on the journal's clock; `seek_ms` and `until_ms` are positions in the audio.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

BUDGET_MS = 800
EXCELLENT_MS = 500

WHO = {"caller": "Caller", "agent": "Bot"}
VIA = {"greeting": "greeting", "prompt": "prompt"}
AT_LEAST_MS = 300  # a line nobody measured the end of is marked for this long at least
EVENTS = ("tool", "handover", "error")  # kinds of journal entries which are lines, besides turns
PARTS = {
    "stt": "Speech to text",
    "end_of_turn": "Waiting for the end",
    "llm": "Finding the answer",
    "tts": "Making the voice",
    "other": "The rest",
}


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of one latency; `x` and `width` in per cent of the bar."""

    name: str
    label: str
    ms: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Latency:
    """From the caller's last sound to the bot's first, in ms."""

    total: int
    parts: tuple[Part, ...]

    @property
    def grade(self) -> str:
        return grade(self.total)

    @property
    def words(self) -> str:
        pieces = ", ".join(f"{part.label.lower()} {part.ms} ms" for part in self.parts)
        return f"{self.total} ms until the bot spoke" + (f": {pieces}" if pieces else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    tone: str  # caller, agent, event or error
    who: str
    text: str
    at_ms: int
    clock: str  # "0:07", counted from the beginning of the recording
    via: str = ""
    interrupted: bool = False
    seek_ms: int | None = None  # None: nothing to be heard
    until_ms: int | None = None
    latency: Latency | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    turns: int
    measured: int
    median_ms: int | None
    slowest_ms: int | None
    within_budget: int

    @property
    def median_grade(self) -> str:
        return "" if self.median_ms is None else grade(self.median_ms)

    @property
    def slowest_grade(self) -> str:
        return "" if self.slowest_ms is None else grade(self.slowest_ms)


def grade(ms: int) -> str:
    if ms < EXCELLENT_MS:
        return "excellent"
    return "good" if ms < BUDGET_MS else "slow"


def clock(ms: int) -> str:
    """`m:ss` or `h:mm:ss`; times before the beginning count as 0:00."""
    minutes, seconds = divmod(max(0, ms) // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def timeline(
    segments: Iterable[Mapping[str, Any]],
    events: Iterable[tuple[int, str, Mapping[str, Any]]],
    *,
    starts_ms: int | None,
    audible: bool,
) -> list[Line]:
    """Turns and events (`ms, kind, data`) as lines; digits are among the turns.

    `starts_ms`: the journal's time of the recording's first sample.
    """
    origin = starts_ms or 0
    turns = sorted(segments, key=lambda segment: _ms(segment.get("start_ms")))
    lines = _turns(turns, origin=origin, audible=audible)
    for ms, kind, data in events:
        lines += _event(ms, kind, data, origin=origin, audible=audible)
    return sorted(lines, key=lambda line: line.at_ms)


def summary(lines: Iterable[Line]) -> Summary:
    lines = list(lines)
    totals = [line.latency.total for line in lines if line.latency]
    return Summary(
        turns=sum(line.tone in {"caller", "agent"} for line in lines),
        measured=len(totals),
        median_ms=round(median(totals)) if totals else None,
        slowest_ms=max(totals, default=None),
        within_budget=sum(total < BUDGET_MS for total in totals),
    )


def latency(own: Mapping[str, Any], heard: Mapping[str, Any]) -> Latency | None:
    """Of one turn of the bot. `heard`: what was measured while the caller's turn ended.

    Speech to text runs while the end of the turn is awaited, so it is taken out of that.
    """
    total = _ms(own.get("total"))
    if total <= 0:
        return None
    known = {
        name: _ms(own.get(name, heard.get(name))) for name in ("stt", "end_of_turn", "llm", "tts")
    }
    known["stt"] = min(known["stt"], known["end_of_turn"] or known["stt"])
    known["end_of_turn"] = max(0, known["end_of_turn"] - known["stt"])
    if not any(known.values()):
        return Latency(total, ())
    known["other"] = max(0, total - sum(known.values()))
    return Latency(total, _stacked(known))


def _stacked(known: Mapping[str, int]) -> tuple[Part, ...]:
    whole = sum(known.values())
    parts, x = [], 0.0
    for name, ms in known.items():
        width = 100 * ms / whole
        if ms:
            parts.append(Part(name, PARTS[name], ms, round(x, 2), round(width, 2)))
        x += width
    return tuple(parts)


def _turns(turns: list[Mapping[str, Any]], *, origin: int, audible: bool) -> list[Line]:
    lines = []
    heard: Mapping[str, Any] = {}
    for turn in turns:
        measured = turn.get("latency") or {}
        if turn.get("via") == "dtmf":
            lines.append(_key(turn, origin=origin, audible=audible))
            continue
        is_caller = turn.get("who") == "caller"
        lines.append(
            _turn(
                turn,
                took=None if is_caller else latency(measured, heard),
                origin=origin,
                audible=audible,
            )
        )
        heard = measured if is_caller else {}
    return lines


def _turn(turn: Mapping[str, Any], *, took: Latency | None, origin: int, audible: bool) -> Line:
    who = str(turn.get("who", ""))
    start, end = _ms(turn.get("start_ms")), _ms(turn.get("end_ms"))
    return Line(
        tone="caller" if who == "caller" else "agent",
        who=WHO.get(who, who),
        text=str(turn.get("text", "")),
        at_ms=start,
        clock=clock(start - origin),
        via=VIA.get(str(turn.get("via", "")), ""),
        interrupted=bool(turn.get("interrupted")),
        seek_ms=max(0, start - origin) if audible else None,
        until_ms=max(0, max(end, start + AT_LEAST_MS) - origin) if audible else None,
        latency=took,
    )


def _key(turn: Mapping[str, Any], *, origin: int, audible: bool) -> Line:
    start = _ms(turn.get("start_ms"))
    return Line(
        tone="event",
        who="Key",
        text=f"The caller pressed {turn.get('digit') or turn.get('text', '?')}.",
        at_ms=start,
        clock=clock(start - origin),
        seek_ms=max(0, start - origin) if audible else None,
    )


def _event(
    ms: int, kind: str, data: Mapping[str, Any], *, origin: int, audible: bool
) -> list[Line]:
    words = _event_words(kind, data)
    if words is None:
        return []
    return [
        Line(
            tone="error" if kind == "error" else "event",
            who=words[0],
            text=words[1],
            at_ms=ms,
            clock=clock(ms - origin),
            seek_ms=max(0, ms - origin) if audible else None,
        )
    ]


def _event_words(kind: str, data: Mapping[str, Any]) -> tuple[str, str] | None:
    if kind == "handover":
        return "Handover", "The caller asked for a person."
    if kind == "tool":
        outcome = str(data.get("outcome", "")).strip()
        return "Tool", str(data.get("name", "?")) + (f": {outcome}" if outcome else "")
    if kind == "error":
        detail = str(data.get("detail", "")).strip()
        return "Error", str(data.get("what", "?")) + (f": {detail}" if detail else "")
    return None


def _ms(value: object) -> int:
    """Journals come from elsewhere: what is no number counts as 0."""
    return round(value) if isinstance(value, int | float) else 0
