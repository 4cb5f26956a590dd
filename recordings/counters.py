"""Numbers which only grow, in the database: what /metrics shows is the same in every process.

A call notes what it added (CallCost.counted), so counting it again adds only what is new.
"""

from collections import Counter as Tally
from collections.abc import Mapping
from decimal import Decimal

from recordings.models import Counter

SEPARATOR = "|"  # between a metric's name and its labels
BUCKETS_MS = (50, 100, 150, 200, 300, 400, 500, 650, 800, 1000, 1500, 2000, 3000, 5000)
OVER = "+Inf"
Counts = Mapping[str, float | Decimal]


def key(name: str, *labels: str) -> str:
    """Labels may come from journals: kept short, and without what separates them."""
    clean = [label.replace(SEPARATOR, "/")[:48] for label in labels]
    return SEPARATOR.join([name, *clean])


def bucket(ms: int) -> str:
    return next((str(most) for most in BUCKETS_MS if ms <= most), OVER)


def observe(counts: Tally[str], stage: str, ms: int) -> None:
    """One value of a histogram."""
    counts[key("latency", stage, bucket(ms))] += 1
    counts[key("latency_sum", stage)] += ms


def add(before: Counts, after: Counts) -> None:
    """Add what `after` has more than `before`. Inside a transaction."""
    more = {
        name: Decimal(str(after.get(name, 0))) - Decimal(str(before.get(name, 0)))
        for name in {*before, *after}
    }
    more = {name: value for name, value in more.items() if value}
    if not more:
        return
    Counter.objects.bulk_create([Counter(key=name) for name in sorted(more)], ignore_conflicts=True)
    rows = list(Counter.objects.select_for_update().filter(key__in=more).order_by("key"))
    for row in rows:
        row.value += more[row.key]
    Counter.objects.bulk_update(rows, ["value"])


def all_values() -> list[tuple[list[str], Decimal]]:
    """Name and labels, value."""
    rows = Counter.objects.order_by("key").values_list("key", "value")
    return [(name.split(SEPARATOR), value) for name, value in rows]
