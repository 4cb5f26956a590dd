"""Looks for given values wherever this installation may keep something. Knows no model: it reads
what is really there. Sealed columns it cannot read; `recordings.personal` says which those are.
"""

import base64
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from django.contrib.sessions.models import Session
from django.db import connection

from recordings.storage import Bucket

CHUNK = 2**20
ROWS = 5000
LARGEST_ZIP = 512 * 2**20  # opened in memory


@dataclass(frozen=True, slots=True)
class Hit:
    place: str  # database, index, session, store, redis, file
    where: str  # table.column, key or path; never the value itself
    value: int  # which of the values


class Values:
    """The values, in the forms in which they may be written down."""

    def __init__(self, values: Iterable[str]) -> None:
        self.texts = [value for value in values if value]
        self._needles = [
            (n, needle) for n, text in enumerate(self.texts) for needle in _forms(text)
        ]
        self.longest = max((len(needle) for _, needle in self._needles), default=0)

    def in_bytes(self, body: bytes) -> set[int]:
        return {n for n, needle in self._needles if needle in body}

    def in_text(self, text: str) -> set[int]:
        return self.in_bytes(text.encode(errors="replace"))


def _forms(text: str) -> set[bytes]:
    plain = text.encode()
    found = {plain, json.dumps(text)[1:-1].encode(), quote(text, safe="").encode()}
    found.add(text.encode("utf-16-le"))
    return found | set(_in_base64(plain))


def _in_base64(plain: bytes) -> Iterator[bytes]:
    """As it stands within something encoded: at each of three places of a group, without the
    letters which depend on what is beside it."""
    for shift in range(3):
        encoded = base64.b64encode(b"\0" * shift + plain)
        inner = encoded[(shift * 8 + 5) // 6 :].rstrip(b"=")
        inner = inner[: len(inner) - 1]
        if len(inner) >= 6:
            yield inner


def scan(
    values: Iterable[str], *, bucket: Bucket | None, folders: Iterable[Path], redis_url: str = ""
) -> list[Hit]:
    """Where any of the values is. Nothing of it is changed."""
    looked_for = Values(values)
    found = [*_database(looked_for), *_sessions(looked_for)]
    if bucket:
        found += _store(looked_for, bucket)
    if redis_url:
        found += _redis(looked_for, redis_url)
    for folder in folders:
        found += _files(looked_for, folder)
    return found


# --- database -------------------------------------------------------------------------------------


def _database(values: Values) -> Iterator[Hit]:
    """Every column of every table, also of tables without a model, and the words of the indexes."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor, include_views=False)
    for table in sorted(tables):
        yield from _table(values, table)
    if connection.vendor == "sqlite":
        yield from _words_of_fts(values)


def _table(values: Values, table: str) -> Iterator[Hit]:
    name = connection.ops.quote_name(table)
    seen: set[tuple[str, int]] = set()
    with connection.cursor() as cursor:
        columns = [
            one.name for one in connection.introspection.get_table_description(cursor, table)
        ]
        # PostgreSQL turns anything into text, also what its index holds (tsvector)
        cast = "{0}::text" if connection.vendor == "postgresql" else "{0}"
        wanted = ", ".join(cast.format(connection.ops.quote_name(one)) for one in columns)
        cursor.execute(f"SELECT {wanted} FROM {name}")  # noqa: S608 – names from the database
        while rows := cursor.fetchmany(ROWS):
            for row in rows:
                for column, value in zip(columns, row, strict=True):
                    seen |= {(column, n) for n in _in_value(values, value)}
    for column, n in sorted(seen):
        yield Hit("database", f"{table}.{column}", n)


def _in_value(values: Values, value: Any) -> set[int]:
    if value is None or isinstance(value, int | float):
        return set()
    if isinstance(value, bytes | memoryview):
        return values.in_bytes(bytes(value))
    return values.in_text(str(value))


def _words_of_fts(values: Values) -> Iterator[Hit]:
    """FTS5 keeps its words with their common beginnings cut off, so its own tables show nothing."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE sql LIKE '%%USING fts5%%'")
        for (table,) in cursor.fetchall():
            cursor.execute("DROP TABLE IF EXISTS temp.canary_words")
            cursor.execute(
                "CREATE VIRTUAL TABLE temp.canary_words USING fts5vocab("
                f"'main', {_literal(table)}, 'row')"
            )
            cursor.execute("SELECT term FROM temp.canary_words")
            words = " ".join(term for (term,) in cursor.fetchall())
            cursor.execute("DROP TABLE temp.canary_words")
            for n, text in enumerate(values.texts):
                if any(word in words.split() for word in text.casefold().lstrip("+").split()):
                    yield Hit("index", str(table), n)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _sessions(values: Values) -> Iterator[Hit]:
    """They are packed, so their column shows nothing."""
    for row in Session.objects.iterator():
        for n in values.in_text(json.dumps(row.get_decoded(), default=str, ensure_ascii=False)):
            yield Hit("session", "django_session.session_data", n)


# --- store, Redis, files --------------------------------------------------------------------------


def _store(values: Values, bucket: Bucket) -> Iterator[Hit]:
    for listed in bucket.list_objects(""):
        found = values.in_text(listed.key)
        found |= _in_stream(values, bucket.chunks(listed.key))
        if listed.key.endswith(".zip") and listed.size <= LARGEST_ZIP:
            found |= _in_zip(values, b"".join(bucket.chunks(listed.key)))
        for n in sorted(found):
            yield Hit("store", listed.key if not values.in_text(listed.key) else "(its name)", n)


def _in_stream(values: Values, pieces: Iterable[bytes]) -> set[int]:
    """With an overlap: a value may lie across two pieces."""
    found: set[int] = set()
    tail = b""
    for piece in pieces:
        found |= values.in_bytes(tail + piece)
        tail = (tail + piece)[-values.longest :]
    return found


def _in_zip(values: Values, body: bytes) -> set[int]:
    found: set[int] = set()
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as whole:
            for name in whole.namelist():
                found |= values.in_text(name) | values.in_bytes(whole.read(name))
    except zipfile.BadZipFile:
        pass
    return found


def _redis(values: Values, url: str) -> Iterator[Hit]:
    """Keys and values of every kind: broker, cache, and LiveKit's own."""
    import redis

    client = redis.Redis.from_url(url)
    try:
        for key in client.scan_iter(count=1000):
            for n in sorted(values.in_bytes(key) | values.in_bytes(_dumped(client, key))):
                yield Hit(
                    "redis", "(its key)" if values.in_bytes(key) else key.decode("latin-1"), n
                )
    finally:
        client.close()


def _dumped(client: Any, key: bytes) -> bytes:
    """All it holds, read by its kind: Redis' own dump packs what it can."""
    read = {
        b"string": lambda: client.get(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"hash": lambda: client.hgetall(key),
        b"stream": lambda: client.xrange(key),
    }
    kind = client.type(key)
    return b"\n".join(_flat(read[kind]())) if kind in read else bytes(client.dump(key) or b"")


def _flat(value: Any) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, dict):
        for item in value.items():
            yield from _flat(item)
    elif isinstance(value, list | tuple | set):
        for one in value:
            yield from _flat(one)


def _files(values: Values, folder: Path) -> Iterator[Hit]:
    """Names and contents, the database's own file included: what was deleted is overwritten."""
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        found = values.in_text(name)
        if path.is_file():
            try:
                found |= _in_stream(values, _pieces_of(path))
            except OSError:  # gone meanwhile, or not ours to read
                continue
        for n in sorted(found):
            yield Hit("file", "(its name)" if values.in_text(name) else name, n)


def _pieces_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(CHUNK):
            yield piece
