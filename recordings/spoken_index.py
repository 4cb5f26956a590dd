"""The databases' own full-text search: the only place where they differ."""

import json
from math import sqrt

from django.db import connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from recordings import queries
from recordings.queries import Query

FEW = 2_000  # turns, and a sort of them takes some ms
EVEN = 6  # measured: `make bench-search`
_POSTGRESQL = '"recordings_spokenturn"."terms" @@ to_tsquery(\'simple\', %s)'
_ROW_BY_ROW = 'ts_match_vq("recordings_spokenturn"."terms", to_tsquery(\'simple\', %s))'
_SQLITE = (
    '"recordings_spokenturn"."id" IN (SELECT rowid FROM recordings_spoken_fts'
    " WHERE recordings_spoken_fts MATCH %s)"
)
_ESTIMATE = (
    "EXPLAIN (FORMAT JSON) SELECT 1 FROM recordings_spokenturn"
    " WHERE terms @@ to_tsquery('simple', %s)"
)
_SIZE = "SELECT reltuples FROM pg_class WHERE oid = 'recordings_spokenturn'::regclass"


def matches(query: Query, *, row_by_row: bool = False) -> RawSQL:
    """A condition on SpokenTurn. The query must not be empty.

    `row_by_row`: of rows which are few already. The function behind the operator is no use to an
    index, so PostgreSQL does not fetch all turns with “the” to look among twelve.
    """
    sql, asked = _SQLITE, queries.for_sqlite
    if connection.vendor == "postgresql":
        sql, asked = _ROW_BY_ROW if row_by_row else _POSTGRESQL, queries.for_postgresql
    return RawSQL(sql, [asked(query)], output_field=BooleanField())  # noqa: S611  (no text in it)


def is_rare(query: Query) -> bool:
    """Whether the index is quicker than a look through the newest turns.

    It brings all E turns of N; of the newest ones, 50 N / E must be looked at to fill a page. Both
    take a few µs each, so they are even at some √N. SQLite keeps no statistics, and is small.
    """
    if connection.vendor != "postgresql":
        return True
    loosely = queries.for_postgresql_loosely(query)
    if not loosely:
        return False
    with connection.cursor() as cursor:
        cursor.execute(_ESTIMATE, [loosely])
        ((told,),) = cursor.fetchall()
        cursor.execute(_SIZE)
        ((size,),) = cursor.fetchall()
    plan = json.loads(told) if isinstance(told, str) else told
    return bool(plan[0]["Plan"]["Plan Rows"] <= max(FEW, EVEN * sqrt(max(0, size))))


def tidy() -> None:
    """Make the index forget deleted words for good. FTS5 keeps them until its parts are merged;
    PostgreSQL's autovacuum sees to its own."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO recordings_spoken_fts(recordings_spoken_fts) VALUES ('optimize')"
            )
