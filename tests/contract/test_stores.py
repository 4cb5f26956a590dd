"""What a store's row may say, against the real S3 server: styles, encryption, roles, a trial."""

import hashlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from recordings import storage, stores, wiring
from recordings.errors import StoreRefused
from recordings.places import Place
from recordings.storage import S3Bucket
from tests.contract.bucket_fixture import ACCESS_KEY, SECRET_KEY, RealStore, real_store

pytestmark = pytest.mark.contract

NOW = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
KEY = "shop/2026/11/25/call_1.ogg"
BODY = b"OggS" + bytes(500)


@pytest.fixture(scope="module")
def real(tmp_path_factory) -> Iterator[RealStore]:
    with real_store(tmp_path_factory.mktemp("stores")) as store:
        yield store


def place(real: RealStore, **changes: object) -> Place:
    values: dict[str, object] = {
        "name": "Far", "endpoint": real.endpoint, "public_endpoint": "", "region": real.region,
        "bucket": "recordings", "path_style": True, "access_key": ACCESS_KEY,
        "secret_key": SECRET_KEY,
    }  # fmt: skip
    return Place(**(values | changes))  # type: ignore[arg-type]


def names(real: RealStore) -> set[str]:
    folder = real.folder / "recordings"
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}


# --- “Try this store” ---------------------------------------------------------------------------


def test_a_store_which_works_is_written_read_and_left_as_it_was(real):
    before = names(real)
    trial = stores.try_store(bucket=wiring.bucket_at(place(real)), now=NOW)
    assert trial.ok, trial.words
    assert [line.split()[0] for line in trial.words.splitlines()] == [
        "Wrote", "Found", "Read", "Deleted",
    ]  # fmt: skip
    assert names(real) == before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"secret_key": "wrong"}, "SignatureDoesNotMatch"),
        ({"access_key": "nobody"}, "No user exists"),
        ({"bucket": "nobody-made-it"}, "NoSuchBucket"),
        ({"endpoint": "http://127.0.0.1:1"}, "does not answer"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_store_which_does_not_work_says_why_in_its_own_words(real, changes, words):
    trial = stores.try_store(bucket=wiring.bucket_at(place(real, **changes)), now=NOW)
    assert not trial.ok
    assert words in trial.words
    assert "the store “Far”" in trial.words
    assert len(trial.words.splitlines()) == 1  # not also that what was not written is not deleted
    assert SECRET_KEY not in trial.words


def test_a_public_address_nobody_answers_at_is_told_and_the_probe_is_taken_away(real):
    away = place(real, public_endpoint="http://127.0.0.1:1")
    before = names(real)
    trial = stores.try_store(bucket=wiring.bucket_at(away), now=NOW)
    assert not trial.ok
    assert "refused" in trial.words
    assert trial.words.endswith("Deleted it.")
    assert names(real) == before


# --- styles, encryption, roles ------------------------------------------------------------------


def test_the_bucket_is_in_the_path_or_in_the_hosts_name():
    def link(path_style: bool) -> str:
        bucket = S3Bucket(
            endpoint="https://s3.example.org", public_endpoint="https://s3.example.org",
            bucket="far", region="eu-1", access_key="AK", secret_key="SK", path_style=path_style,
        )  # fmt: skip
        return bucket.play_link(KEY, content_type="audio/ogg")

    assert link(True).startswith(f"https://s3.example.org/far/{KEY}?")
    assert link(False).startswith(f"https://far.s3.example.org/{KEY}?")


def test_without_an_endpoint_it_is_s3_of_aws_in_its_region():
    bucket = S3Bucket(
        endpoint="", public_endpoint="", bucket="far", region="eu-central-1", access_key="AK",
        secret_key="SK", path_style=False,
    )  # fmt: skip
    host = urlsplit(bucket.play_link(KEY, content_type="audio/ogg")).hostname
    assert host == "far.s3.eu-central-1.amazonaws.com"


@pytest.mark.parametrize(
    ("asked", "headers"),
    [
        ({"encryption": "AES256"}, {"x-amz-server-side-encryption": "AES256"}),
        (
            {"encryption": "aws:kms", "kms_key": "key-1"},
            {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id": "key-1",
            },
        ),
    ],
    ids=["AES256", "KMS"],
)
def test_a_worker_has_to_ask_for_the_encryption_of_the_row(real, asked, headers):
    """Request only: this server takes the headers and does not encrypt (guide, egress.md §7)."""
    bucket = wiring.bucket_at(place(real, **asked))
    link = bucket.upload_link(
        KEY, size=len(BODY), sha256=hashlib.sha256(BODY).hexdigest(), content_type="audio/ogg"
    )
    assert headers.items() <= link.headers.items()
    plain = {name: value for name, value in link.headers.items() if name not in headers}
    assert real.request("PUT", link.url, body=BODY, headers=plain).status == 403
    assert real.request("PUT", link.url, body=BODY, headers=link.headers).status == 200
    bucket.delete(KEY)


def test_what_egress_wrote_is_encrypted_in_its_place_and_stays_what_it_was(real, monkeypatch):
    real.bucket().put_bytes(KEY, BODY, content_type="audio/ogg")
    bucket = wiring.bucket_at(place(real, encryption="AES256"))
    asked: list[dict[str, str]] = []
    bucket._s3.meta.events.register(  # type: ignore[attr-defined]
        "before-call.s3.CopyObject", lambda params, **_: asked.append(params["headers"])
    )
    bucket.protect(KEY, content_type="audio/ogg")
    assert asked[0]["x-amz-server-side-encryption"] == "AES256"
    assert bucket.read(KEY, 0, 1000) == BODY
    bucket.delete(KEY)


def test_without_encryption_nothing_is_copied(real):
    real.bucket().protect("not-there.ogg", content_type="audio/ogg")


@pytest.fixture
def sts(monkeypatch) -> Iterator[list[dict[str, list[str]]]]:
    """A token service which gives a key and a token to whoever takes the role."""
    asked: list[dict[str, list[str]]] = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            asked.append(parse_qs(body) | {"signed": [self.headers["Authorization"]]})
            until = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
            said = ANSWER.format(key=ACCESS_KEY, secret=SECRET_KEY, until=until).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Service)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(storage, "_sts_of", lambda endpoint: address)
    yield asked
    server.shutdown()
    thread.join(5)
    server.server_close()


ANSWER = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleResult><AssumedRoleUser><Arn>arn:aws:sts::1:assumed-role/egress/contactcenter</Arn>
<AssumedRoleId>A:contactcenter</AssumedRoleId></AssumedRoleUser>
<Credentials><AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>
<SessionToken>token-of-the-role</SessionToken><Expiration>{until}</Expiration></Credentials>
</AssumeRoleResult></AssumeRoleResponse>"""


def test_a_role_is_taken_once_and_the_store_is_opened_with_its_key_and_token(real, sts):
    role = place(
        real, access_key="only-for-the-role", secret_key="x" * 20,
        role_arn="arn:aws:iam::1:role/egress",
    )  # fmt: skip
    bucket = wiring.bucket_at(role)
    assert sts == []  # nobody was asked yet
    for _ in range(2):  # the real one knows no tokens, and names what it did not like
        with pytest.raises(StoreRefused, match="InvalidToken"):
            bucket.put_bytes(KEY, BODY, content_type="audio/ogg")
    [asked] = sts
    assert asked["Action"] == ["AssumeRole"]
    assert asked["RoleArn"] == ["arn:aws:iam::1:role/egress"]
    assert "only-for-the-role" in asked["signed"][0]
    link = bucket.play_link(KEY, content_type="audio/ogg")
    assert "X-Amz-Security-Token=token-of-the-role" in link


def test_the_token_service_is_aws_own_or_the_stores():
    assert storage._sts_of("") is None
    assert storage._sts_of("https://s3.eu-central-1.amazonaws.com") is None
    assert storage._sts_of("http://minio:9000") == "http://minio:9000"


def test_a_role_which_is_not_given_is_refused_not_away(real, monkeypatch):
    """The store itself is asked for the token, and this one gives none."""
    bucket = wiring.bucket_at(place(real, role_arn="arn:aws:iam::1:role/nobody"))
    with pytest.raises(StoreRefused, match="Far"):
        bucket.head(KEY)
