"""The same cases against the fake store and the real S3 server, so that the fake cannot drift."""

import hashlib
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from recordings import storage, storage_bulk
from recordings.errors import ObjectWrong, StoreRefused, StoreUnavailable
from recordings.storage import Bucket, UploadLink
from tests.contract.bucket_fixture import SECRET_KEY, RealStore, real_store
from tests.fakes.bucket import Answer, FakeBucket, lifetime_s

pytestmark = pytest.mark.contract

KEY = "shop/2026/11/21/call_1_abc.ogg"
BODY = bytes(range(256)) * 20
SHA256 = hashlib.sha256(BODY).hexdigest()
TYPE = "audio/ogg"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """What both kinds can do."""

    bucket: Bucket
    request: Callable[..., Answer]

    def link(self, key: str = KEY) -> UploadLink:
        return self.bucket.upload_link(key, size=len(BODY), sha256=SHA256, content_type=TYPE)

    def put(self, link: UploadLink, body: bytes = BODY, **changes: str) -> int:
        headers = link.headers | {name.replace("_", "-"): v for name, v in changes.items()}
        return self.request("PUT", link.url, body=body, headers=headers).status


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Iterator[RealStore]:
    with real_store(tmp_path_factory.mktemp("s3")) as store:
        yield store


@pytest.fixture(params=["fake", "real"])
def store(request) -> Iterator[Store]:
    if request.param == "fake":
        fake = FakeBucket()
        yield Store(bucket=fake, request=fake.request)
        return
    real: RealStore = request.getfixturevalue("real")
    bucket = real.bucket()
    yield Store(bucket=bucket, request=real.request)
    bucket.delete(KEY)


def test_what_was_never_put_is_not_there(store):
    with pytest.raises(ObjectWrong, match="not in the bucket"):
        store.bucket.head(KEY)


def test_what_was_put_is_there_with_its_size_and_checksum(store):
    assert store.put(store.link()) == 200
    found = store.bucket.head(KEY)
    assert (found.size, found.sha256) == (len(BODY), SHA256)


def test_a_file_is_put_and_comes_back_as_it_was(store, tmp_path):
    sent, came = tmp_path / "sent", tmp_path / "came"
    sent.write_bytes(BODY)
    for _ in range(2):  # may be repeated
        store.bucket.put(KEY, sent, sha256=SHA256, content_type=TYPE)
    assert store.bucket.head(KEY).sha256 == SHA256
    store.bucket.get(KEY, came)
    assert came.read_bytes() == BODY


def test_a_file_with_another_checksum_is_refused_and_leaves_nothing(store, tmp_path):
    sent = tmp_path / "sent"
    sent.write_bytes(b"x" * len(BODY))
    with pytest.raises(StoreRefused):
        store.bucket.put(KEY, sent, sha256=SHA256, content_type=TYPE)
    with pytest.raises(ObjectWrong):
        store.bucket.get(KEY, tmp_path / "came")


def test_an_object_is_read_piece_by_piece(store, monkeypatch):
    monkeypatch.setattr(storage_bulk, "CHUNK", 2000)
    store.put(store.link())
    pieces = list(store.bucket.chunks(KEY))
    assert b"".join(pieces) == BODY
    assert len(pieces) > 1
    with pytest.raises(ObjectWrong, match="not in the bucket"):
        list(store.bucket.chunks("shop/never.ogg"))


def test_an_upload_may_be_repeated(store):
    link = store.link()
    assert [store.put(link), store.put(link), store.put(store.link())] == [200, 200, 200]
    assert store.bucket.head(KEY).sha256 == SHA256


def test_another_body_of_the_same_length_is_refused_and_leaves_nothing(store):
    assert store.put(store.link(), b"x" * len(BODY)) == 400
    with pytest.raises(ObjectWrong):
        store.bucket.head(KEY)


@pytest.mark.parametrize("body", [BODY[:-1], BODY + b"x", b""], ids=["cut", "longer", "empty"])
def test_a_body_of_another_length_is_refused_and_leaves_nothing(store, body):
    assert store.put(store.link(), body) == 403
    with pytest.raises(ObjectWrong):
        store.bucket.head(KEY)


def test_an_upload_with_another_checksum_or_type_than_announced_is_refused(store):
    other = store.bucket.upload_link(KEY, size=1, sha256="0" * 64, content_type="text/html")
    checksum = other.headers["x-amz-checksum-sha256"]
    assert store.put(store.link(), **{"x-amz-checksum-sha256": checksum}) == 403
    assert store.put(store.link(), **{"Content-Type": "text/html"}) == 403


def test_an_upload_address_is_good_for_one_key_and_one_method(store):
    link = store.link()
    elsewhere = link.url.replace("call_1_abc", "call_2_abc")
    assert store.request("PUT", elsewhere, body=BODY, headers=link.headers).status == 403
    assert store.request("GET", link.url).status == 403


def test_a_recording_plays_from_anywhere_in_the_browser(store):
    store.put(store.link())
    url = store.bucket.play_link(KEY, content_type="audio/ogg; codecs=opus")
    whole = store.request("GET", url)
    assert (whole.status, whole.body) == (200, BODY)
    assert whole.headers["content-type"] == "audio/ogg; codecs=opus"
    assert whole.headers["content-disposition"] == "inline"
    part = store.request("GET", url, headers={"Range": "bytes=256-511"})
    assert (part.status, part.body) == (206, BODY[256:512])


def test_a_play_address_is_short_lived_and_cannot_write(store):
    url = store.bucket.play_link(KEY, content_type=TYPE)
    assert lifetime_s(url) <= 300
    assert store.request("PUT", url, body=BODY).status == 403


def test_without_a_signature_nothing_is_played(store):
    store.put(store.link())
    bare = store.bucket.play_link(KEY, content_type=TYPE).partition("?")[0]
    assert store.request("GET", bare).status == 403


def test_an_expired_address_is_refused(store, monkeypatch):
    store.put(store.link())
    monkeypatch.setattr(storage, "PLAY_LINK_S", 1)
    url = store.bucket.play_link(KEY, content_type=TYPE)
    assert store.request("GET", url).status == 200
    time.sleep(2.1)
    assert store.request("GET", url).status == 403


def test_deleting_may_be_repeated(store):
    store.put(store.link())
    store.bucket.delete(KEY)
    store.bucket.delete(KEY)
    with pytest.raises(ObjectWrong):
        store.bucket.head(KEY)


def test_making_the_bucket_may_be_repeated(store):
    store.put(store.link())
    store.bucket.ensure()
    store.bucket.ensure()
    assert store.bucket.head(KEY).size == len(BODY)


@pytest.mark.parametrize("kind", ["fake", "real"])
def test_a_missing_bucket_is_no_missing_object(kind, request):
    """Else workers would upload again for ever, and nobody would be told why."""
    bucket: Bucket = FakeBucket(exists=False)
    if kind == "real":
        bucket = request.getfixturevalue("real").bucket(bucket="nobody-made-it")
    with pytest.raises(StoreRefused, match="makebucket"):
        bucket.head(KEY)


def test_a_wrong_key_names_the_settings_and_no_secret(real):
    bucket = real.bucket(secret_key="wrong-secret")
    with pytest.raises(StoreRefused, match="S3_SECRET_KEY") as refused:
        bucket.head(KEY)
    assert "wrong-secret" not in str(refused.value)
    assert SECRET_KEY not in str(refused.value)


def test_links_carry_no_secret_and_lead_to_the_public_address(real):
    bucket = real.bucket(public_endpoint="https://files.example.org")
    link = bucket.upload_link(KEY, size=1, sha256=SHA256, content_type=TYPE)
    for url in (link.url, bucket.play_link(KEY, content_type=TYPE)):
        assert url.startswith("https://files.example.org/recordings/shop/")
        assert SECRET_KEY not in url


def test_a_store_that_is_gone_or_silent_is_unavailable_within_seconds(real, free_tcp):
    with pytest.raises(StoreUnavailable, match="S3_ENDPOINT"):
        real.bucket(endpoint=free_tcp(listening=False)).head(KEY)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="S3_ENDPOINT"):
        real.bucket(endpoint=free_tcp(listening=True), timeout_s=0.3).head(KEY)
    assert time.monotonic() - began < 5


@pytest.fixture
def free_tcp() -> Iterator[Callable[..., str]]:
    """Addresses at which nobody answers: nothing listens, or it listens and says nothing."""
    sockets: list[socket.socket] = []

    def address(*, listening: bool) -> str:
        sock = socket.socket()
        sockets.append(sock)
        sock.bind(("127.0.0.1", 0))
        if listening:
            sock.listen()
        return f"http://127.0.0.1:{sock.getsockname()[1]}"

    yield address
    for sock in sockets:
        sock.close()


def test_the_bucket_is_made_in_another_region_too(tmp_path):
    with real_store(tmp_path, region="eu-central-1") as store:
        link = store.bucket().upload_link(KEY, size=len(BODY), sha256=SHA256, content_type=TYPE)
        assert store.request("PUT", link.url, body=BODY, headers=link.headers).status == 200


def test_a_store_which_comes_back_still_has_everything(tmp_path):
    with real_store(tmp_path) as store:
        bucket = store.bucket()
        link = bucket.upload_link(KEY, size=len(BODY), sha256=SHA256, content_type=TYPE)
        store.request("PUT", link.url, body=BODY, headers=link.headers)
        store.stop()
        with pytest.raises(StoreUnavailable):
            bucket.head(KEY)
        store.start()
        assert bucket.head(KEY).sha256 == SHA256


def test_an_object_spoiled_in_the_store_is_noticed_by_its_length(real):
    bucket = real.bucket()
    link = bucket.upload_link(KEY, size=len(BODY), sha256=SHA256, content_type=TYPE)
    assert real.request("PUT", link.url, body=BODY, headers=link.headers).status == 200
    with (real.folder / "recordings" / KEY).open("r+b") as file:
        file.truncate(100)
    assert bucket.head(KEY).size == 100
    bucket.delete(KEY)


# --- bulk: lists, parts of objects, objects in parts ----------------------------------------------


def test_a_day_is_listed_with_sizes_and_marks_which_change(store):
    store.put(store.link())
    (found,) = store.bucket.list_objects("shop/2026/11/21/")
    assert (found.key, found.size) == (KEY, len(BODY))
    assert found.etag
    assert list(store.bucket.list_objects("shop/2026/11/22/")) == []
    assert store.bucket.folders() == ["shop"]
    other = b"another body"
    link = store.bucket.upload_link(
        KEY, size=len(other), sha256=hashlib.sha256(other).hexdigest(), content_type=TYPE
    )
    store.put(link, other)
    (now,) = store.bucket.list_objects("shop/2026/11/21/")
    assert now.etag != found.etag


def test_more_than_a_page_of_objects_is_listed(store, monkeypatch):
    monkeypatch.setattr(storage_bulk, "PAGE", 2)
    keys = {f"many/{n}" for n in range(5)}
    for key in keys:
        store.put(store.link(key))
    assert {one.key for one in store.bucket.list_objects("many/")} == keys
    for key in keys:
        store.bucket.delete(key)


def test_a_part_of_an_object_is_read_and_all_of_it_in_pieces(store):
    store.put(store.link())
    assert store.bucket.read(KEY, 256, 10) == BODY[256:266]
    assert store.bucket.read(KEY, len(BODY) - 4, 100) == BODY[-4:]
    assert b"".join(store.bucket.chunks(KEY)) == BODY
    assert store.bucket.content_type(KEY) == TYPE


READS: dict[str, Callable[[Bucket], object]] = {
    "a part": lambda bucket: bucket.read(KEY, 0, 10),
    "all": lambda bucket: list(bucket.chunks(KEY)),
    "its type": lambda bucket: bucket.content_type(KEY),
}


@pytest.mark.parametrize("what", READS)
def test_what_is_not_there_cannot_be_read(store, what):
    with pytest.raises(ObjectWrong, match="not in the bucket"):
        READS[what](store.bucket)


def test_an_object_in_parts_is_there_when_it_is_finished_and_not_before(store):
    first, last = bytes(5 * 2**20), b"the end"
    upload = store.bucket.begin_parts(KEY, content_type="text/csv")
    parts = {1: store.bucket.put_part(KEY, upload, 1, b"x" * 5 * 2**20)}
    parts[1] = store.bucket.put_part(KEY, upload, 1, first)  # once more: the last one counts
    parts[2] = store.bucket.put_part(KEY, upload, 2, last)
    with pytest.raises(ObjectWrong):
        store.bucket.head(KEY)
    assert store.bucket.parts_there(KEY, upload) == parts
    store.bucket.finish_parts(KEY, upload, parts)
    assert store.bucket.head(KEY).size == len(first) + len(last)
    assert store.bucket.read(KEY, len(first), 10) == last
    assert store.bucket.content_type(KEY) == "text/csv"


def test_parts_which_were_dropped_leave_nothing(store):
    upload = store.bucket.begin_parts(KEY, content_type="text/csv")
    store.bucket.put_part(KEY, upload, 1, b"x")
    store.bucket.drop_parts(KEY, upload)
    with pytest.raises(ObjectWrong):
        store.bucket.put_part(KEY, upload, 2, b"y")
    with pytest.raises(ObjectWrong):
        store.bucket.head(KEY)


def test_a_download_address_names_the_file_and_is_short_lived(store):
    store.put(store.link())
    url = store.bucket.download_link(KEY, name="calls.csv", content_type="text/csv")
    got = store.request("GET", url)
    assert (got.status, got.body) == (200, BODY)
    assert got.headers["content-disposition"] == 'attachment; filename="calls.csv"'
    assert lifetime_s(url) <= 300
