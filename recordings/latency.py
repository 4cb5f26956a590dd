"""What one answer's time was spent on, against the budget. Pure.

Names of the journal: total (caller's last sound to the bot's first), end_of_turn (until it was
sure that he is done; speech to text works meanwhile), stt, llm, tts, vad, pipeline. Any may be
missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STAGES = ("total", "end_of_turn", "vad", "stt", "llm", "tts", "pipeline")
GOOD_MS = 800  # unless TARGET_LATENCY_MS says otherwise
EXCELLENT_MS = 500
# each stage's share; the network's 100 ms cannot be seen from here
BUDGET_MS = {"vad": 150, "stt": 150, "llm": 300, "tts": 100, "pipeline": 30}
LABELS = {
    "vad": "Noticing silence",
    "stt": "Speech to text",
    "end_of_turn": "Waiting for the end",
    "llm": "Finding the answer",
    "tts": "Making the voice",
    "pipeline": "Our own work",
    "other": "The rest",
}
# the pieces of a bar, in the order they come
LEGEND = {name: LABELS[name] for name in ("stt", "end_of_turn", "llm", "tts", "pipeline", "other")}


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of one latency; `x` and `width` in per cent of the bar."""

    name: str
    label: str
    ms: int
    x: float
    width: float
    budget_ms: int | None = None

    @property
    def is_over(self) -> bool:
        return self.budget_ms is not None and self.ms >= self.budget_ms

    @property
    def verdict(self) -> str:
        if self.budget_ms is None:
            return ""
        return _over_by(self.ms - self.budget_ms) if self.is_over else "within"


@dataclass(frozen=True, slots=True)
class Latency:
    """From the caller's last sound to the bot's first, in ms."""

    total: int
    parts: tuple[Part, ...] = ()  # one behind the other
    steps: tuple[Part, ...] = ()  # where each lay in time: some at once
    good_ms: int = GOOD_MS

    @property
    def grade(self) -> str:
        return grade(self.total, self.good_ms)

    @property
    def words(self) -> str:
        pieces = ", ".join(f"{part.label.lower()} {part.ms} ms" for part in self.parts)
        return f"{self.total} ms until the bot spoke" + (f": {pieces}" if pieces else "")

    @property
    def verdict(self) -> str:
        if self.grade == "slow":
            return _over_by(self.total - self.good_ms)
        return self.grade

    @property
    def over(self) -> str:
        """The stages which took more than their share."""
        return ", ".join(step.label.lower() for step in self.steps if step.is_over)


def _over_by(ms: int) -> str:
    return f"over by {ms} ms" if ms else "at the limit"


def grade(ms: int, good_ms: int = GOOD_MS) -> str:
    if ms >= good_ms:
        return "slow"
    return "excellent" if ms < EXCELLENT_MS else "good"


def milliseconds(value: object) -> int | None:
    """Journals come from elsewhere: what is no number was not measured."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        return None
    return round(value)


def measured(own: Mapping[str, Any], heard: Mapping[str, Any]) -> dict[str, int]:
    """What is known of one turn of the bot. `heard`: measured while the caller's turn ended."""
    found = {}
    for name in STAGES:
        for source in (own, heard):
            ms = milliseconds(source.get(name))
            if ms is not None:
                found[name] = ms
                break
    if not own.get("total"):
        found.pop("total", None)
    return found


def latency(
    own: Mapping[str, Any], heard: Mapping[str, Any], *, good_ms: int = GOOD_MS
) -> Latency | None:
    """Of one turn of the bot; None if nobody measured it."""
    known = measured(own, heard)
    total = known.pop("total", 0)
    if total <= 0:
        return None
    if not any(known.values()):
        return Latency(total, good_ms=good_ms)
    pieces = _pieces(known, total)
    return Latency(total, _stacked(pieces), _in_time(pieces, known, total), good_ms)


def _pieces(known: Mapping[str, int], total: int) -> dict[str, int]:
    """Without overlap: speech to text runs while the end of the turn is awaited."""
    wait = known.get("end_of_turn", 0)
    stt = min(known.get("stt", 0), wait or known.get("stt", 0))
    pieces = {
        "stt": stt,
        "end_of_turn": max(0, wait - stt) if wait else known.get("vad", 0),
        "llm": known.get("llm", 0),
        "tts": known.get("tts", 0),
        "pipeline": known.get("pipeline", 0),
    }
    return pieces | {"other": max(0, total - sum(pieces.values()))}


def _stacked(pieces: Mapping[str, int]) -> tuple[Part, ...]:
    whole = sum(pieces.values())
    parts, x = [], 0.0
    for name, ms in pieces.items():
        width = 100 * ms / whole
        if ms:
            parts.append(Part(name, LABELS[name], ms, round(x, 2), round(width, 2)))
        x += width
    return tuple(parts)


def _in_time(pieces: Mapping[str, int], known: Mapping[str, int], total: int) -> tuple[Part, ...]:
    """The wait begins with the caller's silence, the voice ends it; what began early overlaps."""
    heard_at = pieces["stt"] + pieces["end_of_turn"]
    voice_at = total - pieces["tts"]
    begins = {
        "stt": 0,
        "end_of_turn": pieces["stt"],
        "pipeline": heard_at,
        "other": heard_at + pieces["pipeline"],
        "llm": voice_at - pieces["llm"],
        "tts": voice_at,
    }
    shown = [(name, begins[name], pieces[name]) for name in begins if pieces[name]]
    if known.get("vad") and known.get("end_of_turn"):
        shown.insert(0, ("vad", 0, known["vad"]))
    whole = max([total, *(begin + ms for _, begin, ms in shown)])
    return tuple(
        Part(
            name,
            LABELS[name],
            ms,
            round(100 * max(0, begin) / whole, 2),
            round(100 * ms / whole, 2),
            _share(name, known),
        )
        for name, begin, ms in shown
    )


def _share(name: str, known: Mapping[str, int]) -> int | None:
    """The budget has one share for noticing that the caller is done, whatever measured it."""
    if name == "end_of_turn":
        both = "vad" in known and "end_of_turn" in known
        return None if both else BUDGET_MS["vad"]
    if name == "other":
        return None if "pipeline" in known else BUDGET_MS["pipeline"]
    return BUDGET_MS[name]
