"""Forgetting on the real parts: S3 server, Redis, and a database file on disk."""

import base64
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from recordings import canary, objects
from recordings.errors import ObjectWrong, StoreUnavailable
from recordings.storage import Bucket
from tests.contract.bucket_fixture import RealStore, real_store
from tests.contract.servers import free_port, program, running
from tests.fakes.bucket import FakeBucket

pytestmark = [pytest.mark.contract, pytest.mark.django_db]

VALUE = "+12025550123"
KEY = f"shop/2026/11/21/call_{VALUE}_abc.ogg"
PIECE = f"shop/2026/11/21/call_{VALUE}_abc_00001.ts"
OTHER = "shop/2026/11/21/call_+12025550123_abcdef.ogg"  # begins alike, and is another call's


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Iterator[RealStore]:
    with real_store(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture(params=["fake", "real"])
def bucket(request) -> Iterator[Bucket]:
    if request.param == "fake":
        yield FakeBucket()
        return
    store: Bucket = request.getfixturevalue("real").bucket()
    yield store
    for listed in list(store.list_objects("")):
        store.delete(listed.key)


def put(bucket: Bucket, folder: Path, key: str, body: bytes) -> None:
    file = folder / "body"
    file.write_bytes(body)
    bucket.put_large(key, file, content_type="application/octet-stream")


def keys(bucket: Bucket, prefix: str = "") -> list[str]:
    return [listed.key for listed in bucket.list_objects(prefix)]


def test_what_is_put_is_listed_and_read_whole(bucket, tmp_path):
    body = bytes(range(256)) * 40_000  # ten megabytes: sent and read in parts
    put(bucket, tmp_path, KEY, body)
    (listed,) = bucket.list_objects("shop/2026/")
    assert (listed.key, listed.size) == (KEY, len(body))
    got = b"".join(bucket.chunks(KEY))
    assert hashlib.sha256(got).digest() == hashlib.sha256(body).digest()
    assert keys(bucket, "elsewhere/") == []
    with pytest.raises(ObjectWrong):
        next(bucket.chunks("not/there"))


def test_an_object_goes_with_its_pieces_and_no_other(bucket, tmp_path):
    for key in (KEY, PIECE, OTHER):
        put(bucket, tmp_path, key, b"12345")
    assert objects.delete([KEY], bucket=bucket) == (2, 10)
    assert keys(bucket) == [OTHER]
    assert objects.delete([KEY], bucket=bucket) == (0, 0)


def test_a_scan_finds_names_and_contents(bucket, tmp_path):
    put(bucket, tmp_path, KEY, b"nothing in it")
    put(bucket, tmp_path, "exports/1.bin", b"x" * (2**20 - 4) + VALUE.encode() + b"y" * 100)
    put(bucket, tmp_path, "exports/2.bin", b"x" * 100)
    hits = canary.scan([VALUE], bucket=bucket, folders=[])
    assert sorted((hit.place, hit.where) for hit in hits) == [
        ("store", "(its name)"), ("store", "exports/1.bin"),
    ]  # fmt: skip


def test_a_store_which_is_gone_is_no_empty_one(tmp_path):
    with real_store(tmp_path) as store:
        bucket = store.bucket()
        store.stop()
        with pytest.raises(StoreUnavailable):
            objects.delete([KEY], bucket=bucket)
        with pytest.raises(StoreUnavailable):
            list(bucket.list_objects(""))


def test_a_scan_finds_every_kind_of_value_in_redis(tmp_path):
    port = free_port()
    with running(
        program("redis-server"), "--port", str(port), "--save", "", log=tmp_path / "log", port=port
    ):
        client = redis.Redis(port=port)
        message = base64.b64encode(json.dumps({"args": [VALUE]}).encode())
        client.set("string", VALUE)
        client.rpush("celery", json.dumps({"body": message.decode()}))
        client.sadd("set", VALUE)
        client.zadd("zset", {VALUE: 1})
        client.hset("hash", "field", VALUE)
        client.xadd("stream", {"field": VALUE})
        client.set(f"room:{VALUE}", "x")
        client.set("innocent", "+12025550124")
        hits = canary.scan([VALUE], bucket=None, folders=[], redis_url=f"redis://127.0.0.1:{port}")
        client.close()
    assert {hit.where for hit in hits} == {
        "string", "celery", "set", "zset", "hash", "stream", "(its key)",
    }  # fmt: skip


def test_what_is_deleted_from_the_embedded_database_is_not_in_its_file(tmp_path, settings):
    """As the settings open it: rows are overwritten, not only forgotten."""
    from contactcenter import settings as product

    options = product._database(f"sqlite:///{tmp_path}/db.sqlite3")["OPTIONS"]
    file = tmp_path / "db.sqlite3"
    wire = sqlite3.connect(file, isolation_level=None)
    wire.executescript(str(options["init_command"]))  # type: ignore[index]
    wire.execute("CREATE TABLE calls (caller TEXT)")
    wire.executemany("INSERT INTO calls VALUES (?)", [(VALUE,)] * 500)
    wire.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert VALUE.encode() in file.read_bytes()
    wire.execute("DELETE FROM calls")
    wire.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert canary.scan([VALUE], bucket=None, folders=[tmp_path]) == []
    wire.close()
