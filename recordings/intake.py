"""What workers wrote, made fit to be stored and shown. Pure.

A journal comes over the network and is kept. One odd value must neither stop the rest of its call
nor break a page later, so the shape is settled here, once.
"""

from math import isfinite
from typing import Any

from agents.entries import Entry
from recordings.redaction import redact

_LARGEST = 2**31 - 1  # the database's integers; 24 days in ms
_FREE_TEXT = ("text", "detail", "outcome")


def fit(entry: Entry) -> dict[str, Any]:
    """The data of an entry as we keep it. Raises ValueError for numbers nobody can mean."""
    if isinstance(entry.n, bool) or isinstance(entry.ms, bool):
        raise ValueError("n and ms are whole numbers.")
    if entry.n > _LARGEST or abs(entry.ms) > _LARGEST:
        raise ValueError(f"Entry {entry.n}: n or ms is too large.")
    data: dict[str, Any] = _plain(entry.data)
    data |= {name: redact(data[name]) for name in _FREE_TEXT if isinstance(data.get(name), str)}
    if entry.kind == "turn":
        data |= _turn(data, entry.ms)
    return data


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
