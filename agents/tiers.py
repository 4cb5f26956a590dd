"""The speed tiers as choices: who serves, how soon, and at what price a minute."""

from dataclasses import dataclass
from decimal import Decimal

from agents import pricebook
from agents.chains import tier_member
from agents.effective import turn_ms
from agents.models import TIER_LABELS
from agents.providers import PROVIDERS, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    name: str
    label: str
    members: tuple[tuple[str, str], ...]  # slug and model, in the order of the roles
    estimated_ms: int | None
    per_minute: Decimal | None  # USD

    def __str__(self) -> str:
        who = ", ".join(_short(slug, model) for slug, model in self.members)
        return (
            f"{self.label}: {ms_words(self.estimated_ms)}, {price_words(self.per_minute)} ({who})"
        )


def tiers() -> list[Tier]:
    return [_tier(name, label) for name, label in TIER_LABELS]


def ms_words(ms: int | None) -> str:
    return "time unknown" if ms is None else f"about {ms} ms"


def price_words(price: Decimal | None) -> str:
    if price is None:
        return "price unknown"
    return f"about ${price:.3f} a minute" if price else "no price per minute"


def _tier(name: str, label: str) -> Tier:
    members = [tier_member(name, role) for role in Role]
    filled = [(slug, model or pricebook.default_model(slug)) for slug, model in members]
    return Tier(
        name=name,
        label=label,
        members=tuple(filled),
        estimated_ms=turn_ms(filled),
        per_minute=pricebook.per_minute(filled),
    )


def _short(slug: str, model: str) -> str:
    label = PROVIDERS[slug].label.partition(" (")[0].removesuffix(" or compatible")
    return f"{label} {model}" if model and model.casefold() not in label.casefold() else label
