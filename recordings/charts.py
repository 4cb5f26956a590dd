"""Geometry of small bars, in per cent. Pure: templates draw them."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

Number = int | float | Decimal


@dataclass(frozen=True, slots=True)
class Column:
    """One bar of a column chart, 100 high; `y` is its top. `front` is a smaller one before it."""

    label: str
    x: float
    width: float
    y: float
    height: float
    front_y: float = 100
    front_height: float = 0


def share(value: Number, most: Number) -> float:
    """Per cent; something is at least visible."""
    if value <= 0 or most <= 0:
        return 0.0
    return round(max(0.5, min(100.0, 100 * float(value) / float(most))), 2)


def columns(bars: Sequence[tuple[str, Number, Number]]) -> list[Column]:
    """From (label, value, value in front); all on one scale, side by side."""
    if not bars:
        return []
    most = max(value for _, value, _ in bars)
    slot = 100 / len(bars)
    return [
        Column(
            label=label,
            x=round(n * slot + slot * 0.1, 3),
            width=round(slot * 0.8, 3),
            y=round(100 - share(value, most), 2),
            height=share(value, most),
            front_y=round(100 - share(front, most), 2),
            front_height=share(front, most),
        )
        for n, (label, value, front) in enumerate(bars)
    ]
