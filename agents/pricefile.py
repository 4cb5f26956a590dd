"""The dated file of prices, estimated times, voices and tiers (agents/data). Pure reading."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "data"
MILLION = Decimal(1_000_000)
# what a provider may be paid by, in USD; the last one is per minute, the others per million
UNITS = ("input_mtok", "cached_mtok", "output_mtok", "characters_m", "audio_min")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What one model costs from a day on. A unit which is None: not paid by that."""

    provider: str  # a slug of agents.providers
    model: str  # "" is the provider's only one; a last * stands for any ending
    valid_from: date
    input_mtok: Decimal | None = None
    cached_mtok: Decimal | None = None
    output_mtok: Decimal | None = None
    characters_m: Decimal | None = None
    audio_min: Decimal | None = None
    estimate_ms: int = 0  # to the first result; 0: nobody knows
    default: bool = False
    edited: bool = False  # by a person; such a price wins
    languages: tuple[str, ...] = ()
    retires: date | None = None  # the provider ends it on this day
    source: str = ""

    @property
    def known(self) -> bool:
        return any(getattr(self, unit) is not None for unit in UNITS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Voices:
    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # voice: language tags
    usual: str = ""  # speaks every language
    pattern: str = ""  # how a voice's name tells its language


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFile:
    dated: date
    prices: tuple[Price, ...]
    voices: Mapping[str, Voices]
    tiers: Mapping[str, Mapping[str, tuple[str, str]]]


def newest() -> Path:
    return max(FOLDER.glob("pricebook-*.json"))


@lru_cache(maxsize=4)
def read(path: Path) -> PriceFile:
    """Raises OSError, or ValueError naming what is wrong."""
    try:
        raw: dict[str, Any] = json.loads(path.read_text())
        dated = date.fromisoformat(raw["date"])
        return PriceFile(
            dated=dated,
            prices=tuple(_price(entry, dated) for entry in raw["entries"]),
            voices={slug: _voices(entry) for slug, entry in raw.get("voices", {}).items()},
            tiers={
                tier: {role: (member[0], member[1]) for role, member in members.items()}
                for tier, members in raw.get("tiers", {}).items()
            },
        )
    except (ArithmeticError, KeyError, TypeError, AttributeError, ValueError) as reason:
        raise ValueError(f"{path.name} is no price book: {reason!r}") from reason


def _price(raw: dict[str, Any], dated: date) -> Price:
    retires = raw.get("retires")
    units: dict[str, Any] = {unit: Decimal(raw[unit]) for unit in UNITS if unit in raw}
    return Price(
        provider=raw["provider"],
        model=raw["model"],
        valid_from=dated,
        **units,
        estimate_ms=int(raw.get("estimate_ms", 0)),
        default=bool(raw.get("default", False)),
        languages=tuple(raw.get("languages", ())),
        retires=date.fromisoformat(retires) if retires else None,
        source=raw["source"],
    )


def _voices(raw: dict[str, Any]) -> Voices:
    known = {voice: tuple(tags) for voice, tags in raw.get("known", {}).items()}
    return Voices(known=known, usual=raw.get("usual", ""), pattern=raw.get("pattern", ""))
