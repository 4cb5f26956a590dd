"""p50, p95 and p99 of columns, by group: in SQL where PostgreSQL is, else here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Aggregate, Count, QuerySet

SHARES = (0.5, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Percentiles:
    n: int
    p50: int
    p95: int
    p99: int


Columns = dict[str, Percentiles]  # those nobody measured are missing


def percentiles(
    rows: "QuerySet[Any]", columns: Sequence[str], *, by: str = ""
) -> dict[Any, Columns]:
    """Group to column to figures; the one group is None if `by` is empty."""
    if connection.vendor == "postgresql":
        return _in_sql(rows, columns, by)
    return _here(rows, columns, by)


def of(values: Iterable[int]) -> Percentiles | None:
    """As PostgreSQL's percentile_cont: between two values, in proportion."""
    ordered = sorted(values)
    if not ordered:
        return None
    return Percentiles(len(ordered), *(_at(ordered, share) for share in SHARES))


def _at(ordered: list[int], share: float) -> int:
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return round(ordered[below] + (ordered[above] - ordered[below]) * (place - below))


def _here(rows: "QuerySet[Any]", columns: Sequence[str], by: str) -> dict[Any, Columns]:
    names = (by, *columns) if by else tuple(columns)
    groups: dict[Any, list[list[int]]] = {}
    for row in rows.order_by().values_list(*names).iterator():
        group, values = (row[0], row[1:]) if by else (None, row)
        lists = groups.setdefault(group, [[] for _ in columns])
        for kept, value in zip(lists, values, strict=True):
            if value is not None:
                kept.append(value)
    return {
        group: {
            column: found
            for column, values in zip(columns, lists, strict=True)
            if (found := of(values))
        }
        for group, lists in groups.items()
    }


def _in_sql(rows: "QuerySet[Any]", columns: Sequence[str], by: str) -> dict[Any, Columns]:
    wanted: dict[str, Any] = {f"{column}_p": _percentile_cont(column) for column in columns}
    wanted |= {f"{column}_n": Count(column) for column in columns}
    if by:
        found = list(rows.order_by().values(by).annotate(**wanted))
    else:
        found = [rows.order_by().aggregate(**wanted)]
    return {
        (row[by] if by else None): {
            column: Percentiles(row[f"{column}_n"], *(round(ms) for ms in row[f"{column}_p"]))
            for column in columns
            if row[f"{column}_n"]
        }
        for row in found
        if by or any(row[f"{column}_n"] for column in columns)
    }


def _percentile_cont(column: str) -> Aggregate:
    from django.contrib.postgres.fields import ArrayField  # needs PostgreSQL's driver
    from django.db.models import FloatField

    class PercentileCont(Aggregate):
        function = "PERCENTILE_CONT"
        template = f"%(function)s(ARRAY{list(SHARES)}) WITHIN GROUP (ORDER BY %(expressions)s)"
        output_field = ArrayField(FloatField())

    return PercentileCont(column)
