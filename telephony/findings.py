"""What the doctor finds, as values. Pure."""

from dataclasses import asdict, dataclass
from enum import StrEnum


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
