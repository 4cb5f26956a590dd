"""The distribution of voice to voice as a picture: for each arm, the share answered by when."""

import math
from collections.abc import Mapping, Sequence
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 820, 420
LEFT, RIGHT, TOP, BOTTOM = 60, 170, 50, 60
COLOURS = ("#0b6e4f", "#c1440e", "#4361a8", "#8a6d00", "#7a3e9d", "#444444")
LEAST_MS, STEP_MS = 1500, 500


def picture(samples: Mapping[str, Sequence[float | None]], title: str, note: str) -> str:
    known = [v for values in samples.values() for v in values if v is not None]
    most = math.ceil(max([*known, LEAST_MS]) / STEP_MS) * STEP_MS
    parts = [*_frame(most, title, note)]
    for n, (arm, values) in enumerate(samples.items()):
        parts += _arm(n, arm, sorted(v for v in values if v is not None), len(values), most)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
    style = 'font-family="sans-serif" font-size="13"'
    return "\n".join([f'{head} {style} role="img">', *parts, "</svg>", ""])


def _x(ms: float, most: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * max(0.0, ms) / most, 1)


def _y(share: float) -> float:
    return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share, 1)


def _frame(most: int, title: str, note: str) -> list[str]:
    parts = [
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(LEFT, 24, title, 'font-size="16" font-weight="bold"'),
        _text(LEFT, HEIGHT - 12, note, 'fill="#555555"'),
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(_line(LEFT, _y(share), WIDTH - RIGHT, _y(share)))
        parts.append(_text(LEFT - 8, _y(share) + 4, f"{share:.0%}", 'text-anchor="end"'))
    for ms in range(0, most + 1, STEP_MS):
        parts.append(_line(_x(ms, most), TOP, _x(ms, most), HEIGHT - BOTTOM))
        label = f"{ms} ms" if ms == most else str(ms)
        parts.append(_text(_x(ms, most), HEIGHT - BOTTOM + 18, label, 'text-anchor="middle"'))
    return parts


def _arm(n: int, arm: str, values: Sequence[float], count: int, most: float) -> list[str]:
    """A staircase; turns which never came leave it below the top."""
    colour = COLOURS[n % len(COLOURS)]
    points, share = [(_x(0, most), _y(0))], 0.0
    for value in values:
        points.append((_x(value, most), _y(share)))
        share += 1 / count
        points.append((_x(value, most), _y(share)))
    points.append((_x(most, most), _y(share)))
    path = " ".join(f"{x},{y}" for x, y in points)
    middle = f", p50 {values[(len(values) - 1) // 2]:.0f} ms" if values else ""
    at = TOP + 20 + 22 * n
    return [
        f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>',
        _line(WIDTH - RIGHT + 12, at - 4, WIDTH - RIGHT + 30, at - 4, colour, 3),
        _text(WIDTH - RIGHT + 36, at, f"{arm}{middle}", ""),
    ]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str = "#dddddd", w: float = 1) -> str:
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="{w}"/>'


def _text(x: float, y: float, text: str, more: str) -> str:
    return f'<text x="{x}" y="{y}" {more}>{escape(text)}</text>'
