"""What providers cost, how soon they answer, and which voices speak a language.

Prices come from the table a supervisor can edit (PriceEntry), from the dated file while the table
is empty. Voices and tiers come from the file.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Any

from django.core.cache import cache
from django.utils import timezone

from agents import pricefile
from agents.pricefile import MILLION, Price, Voices
from agents.providers import PROVIDERS

# A typical minute: the line is open for all of it, the bot has four turns of a sentence each.
# 400 characters are about 100 tokens; a prompt holds instructions and what was said before.
MINUTE_TURNS = 4
MINUTE_INPUT_TOKENS = 300 * MINUTE_TURNS
MINUTE_OUTPUT_TOKENS = 60 * MINUTE_TURNS  # also what is thrown away when the caller goes on
MINUTE_CHARACTERS = 400
MINUTE_AUDIO_MS = 60_000

KEY = "pricebook"
CACHED_S = 30
_FREE: dict[str, Any] = dict.fromkeys(pricefile.UNITS, Decimal(0))
# gpt-4o-mini-2024-07-18 costs what gpt-4o-mini costs
_EDITION = re.compile(r"[-@:](latest|v?\d{4}[\d.-]*|\d{4,8})$")


def default_model(slug: str) -> str:
    """The model a provider is asked for when nobody named one; "" if it has but one."""
    usual = _usual(slug, timezone.localdate())
    return usual.model if usual else ""


def estimate_ms(slug: str, model: str = "") -> int:
    """Ms to the first result; 0 if nobody knows."""
    price = price_of(slug, model) or _usual(slug, timezone.localdate())
    return price.estimate_ms if price else 0


def retires(slug: str, model: str = "") -> date | None:
    """The day on which the provider ends this model, if it said so."""
    price = price_of(slug, model)
    return price.retires if price else None


def price_of(slug: str, model: str = "", *, on: date | None = None) -> Price | None:
    """The price of a model on a day. None: nobody knows; what is local is free."""
    day = on or timezone.localdate()
    prices = [price for price in _prices() if price.provider == slug]
    if not model:
        found = _usual(slug, day)
    else:
        found = _valid([p for p in prices if p.model == _best(model, prices)], day)
    if found is not None and found.known:
        return found
    provider = PROVIDERS.get(slug)
    if provider is None or not provider.local:
        return None
    usual = _usual(slug, day)
    ms = usual.estimate_ms if usual else 0
    return Price(provider=slug, model=model, valid_from=day, estimate_ms=ms, **_FREE)


def per_minute(members: Iterable[tuple[str, str]]) -> Decimal | None:
    """USD for a typical minute with these (slug, model); None if one of them has no price."""
    total = Decimal(0)
    for slug, model in members:
        price = price_of(slug, model)
        if price is None:
            return None
        total += minute_of(price)
    return total


def minute_of(price: Price) -> Decimal:
    zero = Decimal(0)
    return (
        MINUTE_INPUT_TOKENS * (price.input_mtok or zero) / MILLION
        + MINUTE_OUTPUT_TOKENS * (price.output_mtok or zero) / MILLION
        + MINUTE_CHARACTERS * (price.characters_m or zero) / MILLION
        + Decimal(MINUTE_AUDIO_MS) / 60_000 * (price.audio_min or zero)
    )


def default_voice(slug: str, language: str) -> str:
    """A voice which speaks a language, best in its regional kind; "" if none is known."""
    voices = _voices(slug)
    for wanted in (language, language.partition("-")[0]):
        for voice, tags in voices.known.items():
            if wanted in tags:
                return voice
    return voices.usual


def languages(slug: str, voice: str = "", model: str = "") -> tuple[str, ...]:
    """The languages (without region) a provider speaks with a voice; empty: no limit known."""
    price = price_of(slug, model)
    if price and price.languages:
        return price.languages
    voices = _voices(slug)
    found = re.search(voices.pattern, voice) if voices.pattern and voice else None
    if found:
        return (found[1],)
    tags = voices.known.get(voice, ())
    if not voice and not voices.usual:
        tags = tuple(tag for known in voices.known.values() for tag in known)
    provider = PROVIDERS.get(slug)
    limit = provider.languages if provider else ()
    return tuple(dict.fromkeys(tag.partition("-")[0] for tag in tags)) or limit


def known_voices(slug: str) -> Mapping[str, tuple[str, ...]]:
    """Voice to language tags, for a form; not a complete list."""
    return _voices(slug).known


def models(slug: str) -> list[str]:
    """Names for a form, the usual one first; not a complete list."""
    names = dict.fromkeys(p.model for p in _prices() if p.provider == slug)
    usual = default_model(slug)
    return sorted((n for n in names if n and not n.endswith("*")), key=lambda n: (n != usual, n))


def tiers() -> Mapping[str, Mapping[str, tuple[str, str]]]:
    """ultra, fast, balanced and local: role to (slug, model)."""
    return pricefile.read(pricefile.newest()).tiers


def forget() -> None:
    """The table has changed."""
    with suppress(Exception):  # no cache to ask: it cannot hold anything old either
        cache.delete(KEY)


def _prices() -> tuple[Price, ...]:
    with suppress(Exception):  # without Redis the table is read each time
        held: tuple[Price, ...] | None = cache.get(KEY)
        if held is not None:
            return held
    prices = _table() or pricefile.read(pricefile.newest()).prices
    with suppress(Exception):
        cache.set(KEY, prices, CACHED_S)
    return prices


def _table() -> tuple[Price, ...]:
    from agents.models_prices import PriceEntry

    return tuple(entry.price() for entry in PriceEntry.objects.order_by("pk"))


def _voices(slug: str) -> Voices:
    return pricefile.read(pricefile.newest()).voices.get(slug, Voices())


def _usual(slug: str, day: date) -> Price | None:
    """The default model's; what a person chose goes before what the file says."""
    prices = [price for price in _prices() if price.provider == slug]
    chosen = [price for price in prices if price.default]
    usual = _valid([p for p in chosen if p.edited], day) or _valid(chosen, day)
    return _valid([p for p in prices if p.model == usual.model], day) if usual else None


def _valid(prices: list[Price], day: date) -> Price | None:
    """The price of that day; before the first one, the first one."""
    begun = [price for price in prices if price.valid_from <= day]
    if begun:
        return max(begun, key=lambda p: (p.valid_from, p.edited))
    return min(prices, key=lambda p: p.valid_from, default=None)


def _best(model: str, prices: list[Price]) -> str | None:
    """The name under which a model is priced: itself, without its edition, or by its family."""
    names = {price.model for price in prices}
    for name in (model, _EDITION.sub("", model)):
        if name in names:
            return name
    families = [n for n in names if n.endswith("*") and model.startswith(n[:-1])]
    return max(families, key=len, default=None)
