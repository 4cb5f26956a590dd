"""The databases' own full-text search: the only place where they differ."""

import json

from django.db import connection
from django.db.models import BooleanField
from django.db.models.expressions import RawSQL

from recordings import queries
from recordings.queries import Query

_POSTGRESQL = '"recordings_spokenturn"."terms" @@ to_tsquery(\'simple\', %s)'
_SQLITE = (
    '"recordings_spokenturn"."id" IN (SELECT rowid FROM recordings_spoken_fts'
    " WHERE recordings_spoken_fts MATCH %s)"
)
_ESTIMATE = (
    "EXPLAIN (FORMAT JSON) SELECT 1 FROM recordings_spokenturn"
    " WHERE terms @@ to_tsquery('simple', %s)"
)


def matches(query: Query) -> RawSQL:
    """A condition on SpokenTurn. The query must not be empty."""
    sql, asked = _SQLITE, queries.for_sqlite
    if connection.vendor == "postgresql":
        sql, asked = _POSTGRESQL, queries.for_postgresql
    return RawSQL(sql, [asked(query)], output_field=BooleanField())  # noqa: S611  (no text in it)


def estimated_turns(query: Query) -> int:
    """How many turns the index would have to bring, as PostgreSQL's statistics have it.

    SQLite keeps none: 0, so its index is always asked.
    """
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_ESTIMATE, [queries.for_postgresql_loosely(query)])
        ((told,),) = cursor.fetchall()
    plan = json.loads(told) if isinstance(told, str) else told
    return int(plan[0]["Plan"]["Plan Rows"])


def tidy() -> None:
    """Make the index forget deleted words for good. FTS5 keeps them until its parts are merged;
    PostgreSQL's autovacuum sees to its own."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO recordings_spoken_fts(recordings_spoken_fts) VALUES ('optimize')"
            )
