"""What is printed, and the file with every raw turn."""

import json
import math
import os
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from deploy.embedded.home import ROOT
from tests.bench import report
from tests.bench.yardstick.figures import Count, Figure
from tests.bench.yardstick.judge import Row
from tests.bench.yardstick.stats import Ratio
from tests.bench.yardstick.wire import Wire

FOLDER = ROOT / "var" / "bench"
LATE_MS = 5.0
FLAGGED_SHARE = 0.02


def table(figures: Sequence[Figure], arm: str, others: Sequence[str]) -> str:
    ratios = [f"{arm}/{other}" for other in others]
    rows = [("", "", arm, *others, *ratios), *(_cells(figure, arm, others) for figure in figures)]
    if any(figure.target for figure in figures):
        judged = [("target", *(f"vs {other}" for other in others))]
        judged += [_verdict(figure, arm, others) for figure in figures]
        rows = [(*row, *more) for row, more in zip(rows, judged, strict=True)]
    return columns(rows, left={0, 1})


def _cells(figure: Figure, arm: str, others: Sequence[str]) -> tuple[str, ...]:
    values = (_number(figure.values.get(name), figure.unit) for name in (arm, *others))
    ratios = (_ratio(figure.ratios.get(name)) for name in others)
    unit = f" ({figure.unit})" if figure.unit not in ("ms", "") else ""
    return (figure.name + unit, figure.of, *values, *ratios)


def _verdict(figure: Figure, arm: str, others: Sequence[str]) -> tuple[str, ...]:
    words = {True: "met", False: "NOT met", None: ""}
    return (str(figure.target or ""), *(words[figure.met(arm, name)] for name in others))


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    if math.isinf(value):
        return "never"
    return f"{value:.0f}" if unit == "ms" or abs(value) >= 100 else f"{value:.2f}"


def _ratio(found: Ratio | None) -> str:
    if found is None:
        return "–"
    if found.low == found.high == found.value:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} [{found.low:.2f}–{found.high:.2f}]"


def tally(counts: Sequence[Count], arms: Sequence[str]) -> str:
    """Of what was tried at all."""
    tried = [count for count in counts if any(total for _, total in count.by_arm.values())]
    rows = [("", *arms)]
    for count in tried:
        rows.append((count.name, *("{} of {}".format(*count.by_arm[arm]) for arm in arms)))
    return columns(rows, left={0})


def columns(rows: Sequence[Sequence[str]], *, left: set[int]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i in left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def doubts(rows: Sequence[Row], wire: Wire) -> list[str]:
    """What makes the figures unsound. Empty: nothing known."""
    found = []
    late = lateness(rows, wire)
    if late["emulators_p99_ms"] > LATE_MS:
        found.append(f"the emulators sent late (p99 {late['emulators_p99_ms']:.1f} ms)")
    if late["callers_p99_ms"] > LATE_MS:
        found.append(f"the callers sent late (p99 {late['callers_p99_ms']:.1f} ms)")
    turns = [turn for row in rows for turn in row.turns]
    flagged = sum(turn.flagged for turn in turns)
    if flagged > FLAGGED_SHARE * len(turns):
        found.append(f"marker and energy disagree in {flagged} of {len(turns)} turns")
    return found


def lateness(rows: Sequence[Row], wire: Wire) -> dict[str, Any]:
    return {
        "emulators_p99_ms": _p99(wire.late_ms),
        "emulators": {what: _p99(sends) for what, sends in wire.late.items()},
        "callers_p99_ms": _p99([late for row in rows for late in row.send_late_ms]),
    }


def _p99(values: Sequence[float]) -> float:
    return float(np.percentile(values, 99)) if len(values) else 0.0


def host() -> dict[str, Any]:
    plugins = ("deepgram", "openai", "cartesia")
    return report.host() | {
        "cpu": _cpu(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "redis": _redis(),
        "plugins": {name: metadata.version(f"livekit-plugins-{name}") for name in plugins},
        "load_average_after": list(os.getloadavg()),
    }


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if "model name" in line), "")


def _redis() -> str:
    return report.output("redis-server", "--version")


def save(found: dict[str, Any], name: str) -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / name
    path.write_text(json.dumps(report.plain(found), indent=1) + "\n")
    return path
