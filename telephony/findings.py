"""What the doctor says: a level, about what, in words, and what to do. Pure."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum

MOST = 20  # findings of one kind; the rest is counted


class Level(StrEnum):
    FINE = "fine"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    level: Level
    about: str
    text: str
    advice: str = ""

    def plain(self) -> dict[str, str]:
        return asdict(self)


def fine(about: str, text: str) -> Finding:
    return Finding(level=Level.FINE, about=about, text=text)


def warning(about: str, text: str, advice: str = "") -> Finding:
    return Finding(level=Level.WARNING, about=about, text=text, advice=advice)


def problem(about: str, text: str, advice: str = "") -> Finding:
    return Finding(level=Level.PROBLEM, about=about, text=text, advice=advice)


def some(findings: list[Finding]) -> Iterator[Finding]:
    yield from findings[:MOST]
    if len(findings) > MOST:
        first = findings[0]
        more = f"… and {len(findings) - MOST} more of this kind."
        yield Finding(level=first.level, about=first.about.split()[0], text=more)
