"""What the call page shows: lines in the order of time, latencies, figures. No database, no HTML.

All times are ms on the journal's clock; `seek_ms` and `until_ms` are positions in the audio.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import median
from typing import Any

from agents.consent import OUTCOMES as CONSENT_OUTCOMES
from agents.entries import TRANSFER_OUTCOMES
from recordings import switches
from recordings.latency import GOOD_MS, Latency, grade, latency

WHO = {"caller": "Caller", "agent": "Bot"}
VIA = {
    "greeting": "greeting",
    "prompt": "prompt",
    "cache": "from the cache",
    "filler": "while it thought",
}
AT_LEAST_MS = 300  # a line nobody measured the end of is marked for this long at least
# kinds of journal entries which are lines, besides turns
EVENTS = ("tool", "handover", "transfer", "error", "switch", "consent", "pause")


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
    turn: int = 0  # the bot's turns are counted, from 1
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    turns: int
    measured: int
    median_ms: int | None
    slowest_ms: int | None
    within_budget: int
    good_ms: int = GOOD_MS

    @property
    def median_grade(self) -> str:
        return "" if self.median_ms is None else grade(self.median_ms, self.good_ms)

    @property
    def slowest_grade(self) -> str:
        return "" if self.slowest_ms is None else grade(self.slowest_ms, self.good_ms)


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
    costs: Mapping[int, Decimal] | None = None,
    good_ms: int = GOOD_MS,
) -> list[Line]:
    """Turns and events (`ms, kind, data`) as lines; digits are among the turns.

    `starts_ms`: the journal's time of the recording's first sample. `costs`: of the bot's turns,
    which are counted from 1 in the order of time.
    """
    origin = starts_ms or 0
    turns = sorted(segments, key=lambda segment: _ms(segment.get("start_ms")))
    lines = _turns(turns, origin=origin, audible=audible, costs=costs or {}, good_ms=good_ms)
    for ms, kind, data in events:
        lines += _event(ms, kind, data, origin=origin, audible=audible)
    return sorted(lines, key=lambda line: line.at_ms)


def summary(lines: Iterable[Line], *, good_ms: int = GOOD_MS) -> Summary:
    lines = list(lines)
    totals = [line.latency.total for line in lines if line.latency]
    return Summary(
        turns=sum(line.tone in {"caller", "agent"} for line in lines),
        measured=len(totals),
        median_ms=round(median(totals)) if totals else None,
        slowest_ms=max(totals, default=None),
        within_budget=sum(total < good_ms for total in totals),
        good_ms=good_ms,
    )


def _turns(
    turns: list[Mapping[str, Any]],
    *,
    origin: int,
    audible: bool,
    costs: Mapping[int, Decimal],
    good_ms: int,
) -> list[Line]:
    lines = []
    heard: Mapping[str, Any] = {}
    spoken = 0
    for turn in turns:
        if turn.get("via") == "dtmf":
            lines.append(_key(turn, origin=origin, audible=audible))
            continue
        line = _turn(turn, origin=origin, audible=audible)
        own = turn.get("latency") or {}
        if line.tone == "agent":
            spoken += 1
            took = latency(own, heard, good_ms=good_ms)
            line = replace(line, latency=took, turn=spoken, cost=costs.get(spoken))
        heard = {} if line.tone == "agent" else own
        lines.append(line)
    return lines


def _turn(turn: Mapping[str, Any], *, origin: int, audible: bool) -> Line:
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
    is_bad = kind == "error" or (kind == "switch" and not data.get("to"))
    return [
        Line(
            tone="error" if is_bad else "event",
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
    if kind == "transfer":
        return "Transfer", _transfer_words(data)
    if kind == "switch":
        return "Switch", switches.words(data)
    if kind == "consent":
        return "Consent", _consent_words(data)
    if kind == "pause":
        return "Recording", _pause_words(data)
    if kind == "tool":
        outcome = str(data.get("outcome", "")).strip()
        return "Tool", str(data.get("name", "?")) + (f": {outcome}" if outcome else "")
    if kind == "error":
        detail = str(data.get("detail", "")).strip()
        return "Error", str(data.get("what", "?")) + (f": {detail}" if detail else "")
    return None


_WHO_PAUSES = {
    "bot": "by the bot",
    "api": "by another system",
    "key": "by a key",
    "rule": "while digits were entered",
    "card": "while a card was entered; nothing was heard either",
}


def _consent_words(data: Mapping[str, Any]) -> str:
    words = CONSENT_OUTCOMES.get(str(data.get("outcome", "")), str(data.get("outcome", "?")))
    how = {"key": " By a key.", "speech": " In words."}.get(str(data.get("how", "")), "")
    return f"{words}{how} Wording {data.get('wording') or '?'}."


def _pause_words(data: Mapping[str, Any]) -> str:
    what = {"begin": "paused", "end": "went on"}.get(str(data.get("what", "")), "?")
    who = _WHO_PAUSES.get(str(data.get("why", "")), str(data.get("why", "")))
    by = f" ({data['by']})" if data.get("by") and data.get("why") == "api" else ""
    return f"The recording {what}, {who}{by}." if what == "paused" else f"The recording {what}."


def _transfer_words(data: Mapping[str, Any]) -> str:
    where = str(data.get("name") or data.get("destination") or "?")
    what = TRANSFER_OUTCOMES.get(str(data.get("outcome", "")), str(data.get("outcome", "")))
    how = {"refer": " (REFER)", "dial": " (dialled)"}.get(str(data.get("method", "")), "")
    status = _ms(data.get("sip_status"))
    why = f" SIP status {status}." if status else ""
    if not why and data.get("detail"):
        why = f" LiveKit said {data['detail']}."
    return f"{where}{how}: {what}{why}"


def _ms(value: object) -> int:
    """Journals come from elsewhere: what is no number counts as 0."""
    return round(value) if isinstance(value, int | float) else 0
