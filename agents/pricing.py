"""Loads a price file into the table. What a person entered stays."""

from collections import Counter

from django.db import transaction

from agents.models import PriceEntry
from agents.pricefile import UNITS, Price, PriceFile

_FACTS = (*UNITS, "estimate_ms", "source", "retires")


@transaction.atomic
def load(book: PriceFile) -> Counter[str]:
    """How many prices were added, corrected, are as they were, or were kept because of a person.

    May be repeated. A model whose present price a person entered keeps it: the file's would be
    younger and so replace what was agreed with the provider.
    """
    done: Counter[str] = Counter()
    for price in book.prices:
        done[_load(price)] += 1
    return done


def _load(price: Price) -> str:
    known = PriceEntry.objects.filter(provider=price.provider, model=price.model)
    latest = known.order_by("-valid_from").first()
    if latest is None:
        _row(price).save()
        return "added"
    if latest.edited:
        return "kept"
    if _facts(latest) == _facts(_row(price)) or latest.valid_from > price.valid_from:
        return "unchanged"
    row = _row(price)
    if latest.valid_from == price.valid_from:  # the file of that day was corrected
        row.pk = latest.pk
        row.save()
        return "corrected"
    row.save()
    return "added"


def _row(price: Price) -> PriceEntry:
    chosen = PriceEntry.objects.filter(provider=price.provider, is_default=True, edited=True)
    return PriceEntry(
        provider=price.provider,
        model=price.model,
        valid_from=price.valid_from,
        **{name: getattr(price, name) for name in _FACTS},
        languages=list(price.languages),
        is_default=price.default and not chosen.exists(),
        edited=False,
    )


def _facts(row: PriceEntry) -> list[object]:
    return [*(getattr(row, name) for name in _FACTS), row.languages, row.is_default]
