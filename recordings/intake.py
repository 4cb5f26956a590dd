"""What workers wrote, made fit to be stored and shown. Pure.

A journal comes over the network and is kept. One odd value must neither stop the rest of its call
nor break a page later, so the shape is settled here, once.
"""

from collections import Counter
from math import isfinite
from typing import Any

from agents.entries import Entry
from recordings import redaction, timing
from recordings.finders import Hit, Rules

_LARGEST = 2**31 - 1  # the database's integers; 24 days in ms
_FREE_TEXT = ("text", "detail", "outcome", "value")


class Blind:
    """Takes out what a project's rules name, and counts it by kind."""

    def __init__(self, rules: Rules = redaction.CARDS_ONLY) -> None:
        self.rules = rules
        self.counts: Counter[str] = Counter()

    def text(self, text: str) -> str:
        told = redaction.redacted(text, self.rules)
        self.counts.update(told.counts)
        return told.text


def fit(entry: Entry, blind: Blind | None = None) -> dict[str, Any]:
    """The data of an entry as we keep it. Raises ValueError for numbers nobody can mean."""
    blind = blind or Blind()
    if isinstance(entry.n, bool) or isinstance(entry.ms, bool):
        raise ValueError("n and ms are whole numbers.")
    if entry.n > _LARGEST or abs(entry.ms) > _LARGEST:
        raise ValueError(f"Entry {entry.n}: n or ms is too large.")
    data: dict[str, Any] = _plain(entry.data)
    if entry.kind == "turn":
        data.pop("masked", None)  # ours to say
        data |= _turn(data, entry.ms)
        hits = redaction.find(data["text"], blind.rules)
        blind.counts.update(hit.kind.value for hit in hits)
        return masked_turn(data, hits)
    if entry.kind == "tool":
        return {name: _blinded(value, blind) for name, value in data.items()}
    for name in _FREE_TEXT:
        if isinstance(data.get(name), str):
            data[name] = blind.text(data[name])
    return data


def masked_turn(data: dict[str, Any], hits: list[Hit]) -> dict[str, Any]:
    """A turn without these parts of its text, and with the times at which they were said.

    `masked` is what silences them in the recording; it tells kinds and times, never values.
    """
    text, start, end = data["text"], data["start_ms"], data["end_ms"]
    words = data["words"] if isinstance(data.get("words"), list) else []
    spans = list(data.get("masked") or [])
    for hit in hits:
        first, last = timing.span_of(
            text, hit.start, hit.end, start_ms=start, end_ms=end, words=words
        )
        spans.append({"kind": hit.kind.value, "start_ms": first, "end_ms": last})
    told = dict(data) | {"text": redaction.masked(text, hits)}
    if spans:
        told["masked"] = spans
    if "words" in told:
        told["words"] = timing.without(text, words, [(hit.start, hit.end) for hit in hits])
    return told


def _blinded(value: Any, blind: Blind) -> Any:
    """What tools told may lie at any depth."""
    if isinstance(value, str):
        return blind.text(value)
    if isinstance(value, dict):
        return {blind.text(key): _blinded(inner, blind) for key, inner in value.items()}
    if isinstance(value, list):
        return [_blinded(inner, blind) for inner in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**12:
        told = blind.text(str(value))
        return value if told == str(value) else told
    return value


def clean(text: str) -> str:
    """Without what a database cannot hold: NUL, and halves of surrogate pairs."""
    return text.replace("\0", "\ufffd").encode(errors="replace").decode()


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and not isfinite(value):
        return None
    return value


def _turn(data: dict[str, Any], ms: int) -> dict[str, Any]:
    start = _ms(data.get("start_ms"), ms)
    latency = data.get("latency")
    return {
        "who": "agent" if data.get("who") == "agent" else "caller",
        "text": str(data.get("text", "")),
        "via": str(data.get("via", "")),
        "start_ms": start,
        "end_ms": max(start, _ms(data.get("end_ms"), start)),
        "interrupted": data.get("interrupted") is True,
        "latency": _latency(latency) if isinstance(latency, dict) else {},
    }


def _latency(raw: dict[str, Any]) -> dict[str, int]:
    times = {name: _ms(value, -1) for name, value in raw.items()}
    return {name: ms for name, ms in times.items() if ms >= 0}


def _ms(value: object, default: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > _LARGEST:
        return default
    return round(value)


def share(value: object) -> float | None:
    """A confidence; 0 is what those say who do not know."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        return None
    return round(float(value), 3)
