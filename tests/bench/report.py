"""Percentiles, the table, and the file which keeps every raw row."""

import json
import math
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from deploy.embedded.home import ROOT

FILE = ROOT / "bench-call.json"


@dataclass(frozen=True, slots=True)
class Target:
    """What one metric should reach; `of` is p50, p95 or max; values in ms."""

    of: str
    at_most: float


@dataclass(frozen=True, slots=True)
class Line:
    """One metric over its samples; times in ms. `missing` are samples that never came."""

    metric: str
    n: int
    missing: int
    p50: float | None
    p95: float | None
    max: float | None
    target: str
    met: bool | None


def percentile(values: Sequence[float], share: float) -> float | None:
    """Nearest rank: a value which was really measured; None for no values."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def line(metric: str, samples: Sequence[float | None], target: Target | None = None) -> Line:
    """What is missing counts as endless: leaving it out would make the figures better."""
    values = [math.inf if value is None else value for value in samples]
    figures = {
        "p50": percentile(values, 0.5),
        "p95": percentile(values, 0.95),
        "max": max(values, default=None),
    }
    met, text = None, ""
    if target:
        reached = figures[target.of]
        met = reached is not None and reached <= target.at_most
        text = f"{target.of} ≤ {target.at_most:.0f}"
    missing = sum(value is None for value in samples)
    return Line(metric, len(samples), missing, target=text, met=met, **figures)


def counted(metric: str, good: int, of: int) -> Line:
    """A share which has to be all."""
    return Line(metric, of, of - good, None, None, None, "all", good == of > 0)


def table(lines: Sequence[Line]) -> str:
    head = ("metric", "n", "missing", "p50", "p95", "max", "target", "met?")
    rows = [head, *(_cells(entry) for entry in lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i in {0, 6, 7} else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _cells(entry: Line) -> tuple[str, ...]:
    figures = (_ms(value) for value in (entry.p50, entry.p95, entry.max))
    met = {True: "yes", False: "NO", None: ""}[entry.met]
    return (entry.metric, str(entry.n), str(entry.missing), *figures, entry.target, met)


def _ms(value: float | None) -> str:
    if value is None:
        return "–"
    return "never" if math.isinf(value) else f"{value:.0f}"


def save(lines: Sequence[Line], raw: dict[str, Any], path: Path = FILE) -> None:
    found = {"host": host(), "metrics": [asdict(entry) for entry in lines], **raw}
    path.write_text(json.dumps(plain(found), indent=1) + "\n")


def plain(value: Any) -> Any:
    """JSON knows no infinity."""
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [plain(entry) for entry in value]
    return None if isinstance(value, float) and math.isinf(value) else value


def host() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": output("git", "rev-parse", "HEAD"),
        "changed_files": len(output("git", "status", "--porcelain").splitlines()),
        "python": platform.python_version(),
        "livekit-agents": metadata.version("livekit-agents"),
        "livekit-server": output(str(ROOT / "bin" / "livekit-server"), "--version"),
        "livekit-sip": _module("github.com/livekit/sip"),
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "load_average": list(os.getloadavg()),
    }


def output(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _module(name: str) -> str:
    """livekit-sip built as a tool does not know its own version; go.mod does."""
    words = (ROOT / "deploy" / "media" / "go.mod").read_text().split()
    return words[words.index(name) + 1] if name in words else "unknown"
