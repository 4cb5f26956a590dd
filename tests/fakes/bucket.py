"""An object store in memory, with its rules kept; tests/contract holds it to the real one."""

import base64
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from recordings import storage, storage_bulk
from recordings.errors import ObjectWrong, StoreRefused, StoreUnavailable
from recordings.storage import StoredObject, UploadLink
from recordings.storage_bulk import DOWNLOAD_LINK_S, Listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the store says to a plain HTTP request."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    method: str
    key: str
    expires: float  # of the monotonic clock, s
    headers: dict[str, str]


class FakeBucket:
    """One bucket. `away` makes it silent; `exists` says whether the bucket was made."""

    def __init__(self, *, exists: bool = True) -> None:
        self.objects: dict[str, bytes] = {}
        self.types: dict[str, str] = {}  # where it is not audio/ogg
        self.modified = datetime(2026, 11, 21, 10, tzinfo=UTC)  # of all objects
        self.knows_checksums = True
        self.uploads: dict[str, dict[int, bytes]] = {}  # in parts, not finished
        self.heads: list[str] = []
        self.protected: list[str] = []
        self.away = False
        self.exists = exists
        self._links: dict[str, _Link] = {}
        self._ids = count(1)

    # --- the bucket -----------------------------------------------------------------------------

    def ensure(self) -> None:
        self._reach()
        self.exists = True

    def upload_link(self, key: str, *, size: int, sha256: str, content_type: str) -> UploadLink:
        headers = {
            "Content-Type": content_type,
            "Content-Length": str(size),
            "x-amz-checksum-sha256": base64.b64encode(bytes.fromhex(sha256)).decode(),
        }
        url = self._link("PUT", key, storage.UPLOAD_LINK_S, headers)
        return UploadLink(url=url, headers=headers)

    def play_link(self, key: str, *, content_type: str) -> str:
        headers = {"content-type": content_type, "content-disposition": "inline"}
        return self._link("GET", key, storage.PLAY_LINK_S, headers)

    def head(self, key: str) -> StoredObject:
        self._reach()
        self.heads.append(key)
        if not self.exists:
            raise StoreRefused("The bucket does not exist. Run `manage.py makebucket`.")
        if key not in self.objects:
            raise ObjectWrong(f"{key} is not in the bucket. It has to be uploaded again.")
        body = self.objects[key]
        sha256 = hashlib.sha256(body).hexdigest() if self.knows_checksums else ""
        return StoredObject(size=len(body), sha256=sha256)

    def delete(self, key: str) -> None:
        self._reach()
        self.objects.pop(key, None)

    def put_bytes(self, key: str, body: bytes, *, content_type: str) -> None:
        self._reach()
        if not self.exists:
            raise StoreRefused("The object store refused (NoSuchBucket).")
        self.objects[key] = body

    def protect(self, key: str, *, content_type: str) -> None:
        self._reach()
        self.protected.append(key)

    def get(self, key: str, target: Path) -> None:
        self._reach()
        if key not in self.objects:
            raise ObjectWrong(f"{key} is not in the bucket.")
        target.write_bytes(self.objects[key])

    def put(self, key: str, source: Path, *, sha256: str, content_type: str) -> None:
        self._reach()
        body = source.read_bytes()
        if hashlib.sha256(body).hexdigest() != sha256:
            raise StoreRefused("The object store refused (BadDigest) in bucket recordings.")
        self.objects[key] = body

    def put_large(self, key: str, file: Path, *, content_type: str) -> None:
        self._reach()
        self.objects[key] = file.read_bytes()

    # --- bulk -------------------------------------------------------------------------------------

    def folders(self) -> list[str]:
        self._reach()
        return sorted({key.partition("/")[0] for key in self.objects if "/" in key})

    def list_objects(self, prefix: str) -> Iterator[Listed]:
        self._reach()
        for key in sorted(self.objects):
            if key.startswith(prefix):
                body = self.objects[key]
                etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
                yield Listed(key=key, size=len(body), etag=etag, modified=self.modified)

    def content_type(self, key: str) -> str:
        self._there(key)
        return self.types.get(key, "audio/ogg")

    def read(self, key: str, start: int, length: int) -> bytes:
        return self._there(key)[start : start + length]

    def chunks(self, key: str) -> Iterator[bytes]:
        body = self._there(key)
        for begin in range(0, len(body), storage_bulk.CHUNK):
            self._reach()
            yield body[begin : begin + storage_bulk.CHUNK]

    def begin_parts(self, key: str, *, content_type: str) -> str:
        self._reach()
        upload = f"upload-{next(self._ids)}"
        self.uploads[upload] = {}
        self.types[key] = content_type
        return upload

    def put_part(self, key: str, upload: str, number: int, body: bytes) -> str:
        self._upload(key, upload)[number] = body
        return hashlib.md5(body, usedforsecurity=False).hexdigest()

    def parts_there(self, key: str, upload: str) -> dict[int, str]:
        parts = self._upload(key, upload)
        return {n: hashlib.md5(b, usedforsecurity=False).hexdigest() for n, b in parts.items()}

    def finish_parts(self, key: str, upload: str, parts: dict[int, str]) -> None:
        if self.parts_there(key, upload) != parts:
            raise ObjectWrong(f"{key} is not in the bucket.")
        held = self.uploads.pop(upload)
        self.objects[key] = b"".join(held[n] for n in sorted(held))

    def drop_parts(self, key: str, upload: str) -> None:
        self._upload(key, upload)
        del self.uploads[upload]

    def download_link(self, key: str, *, name: str, content_type: str) -> str:
        headers = {
            "content-type": content_type, "content-disposition": f'attachment; filename="{name}"',
        }  # fmt: skip
        return self._link("GET", key, DOWNLOAD_LINK_S, headers)

    def _upload(self, key: str, upload: str) -> dict[int, bytes]:
        self._reach()
        if upload not in self.uploads:
            raise ObjectWrong(f"{key} is not in the bucket.")
        return self.uploads[upload]

    def _there(self, key: str) -> bytes:
        self._reach()
        if key not in self.objects:
            raise ObjectWrong(f"{key} is not in the bucket.")
        return self.objects[key]

    # --- plain HTTP, as worker and browser use it -------------------------------------------------

    def request(
        self, method: str, url: str, *, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        self._reach()
        sent = headers or {}
        link = self._links.get(url)
        if link is None or link.method != method or time.monotonic() > link.expires:
            return Answer(status=403)
        if not self.exists:
            return Answer(status=404)
        return self._put(link, body, sent) if method == "PUT" else self._get(link, sent)

    def _put(self, link: _Link, body: bytes, sent: dict[str, str]) -> Answer:
        told = {name.lower(): value for name, value in sent.items()}
        told["content-length"] = str(len(body))
        if any(told.get(name.lower()) != value for name, value in link.headers.items()):
            return Answer(status=403)
        digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
        if digest != link.headers["x-amz-checksum-sha256"]:
            return Answer(status=400)
        self.objects[link.key] = body
        return Answer(status=200)

    def _get(self, link: _Link, sent: dict[str, str]) -> Answer:
        if link.key not in self.objects:
            return Answer(status=404)
        whole = self.objects[link.key]
        if "Range" not in sent:
            return Answer(status=200, body=whole, headers=link.headers)
        first, last = map(int, sent["Range"].removeprefix("bytes=").split("-"))
        return Answer(status=206, body=whole[first : last + 1], headers=link.headers)

    def _link(self, method: str, key: str, seconds: int, headers: dict[str, str]) -> str:
        url = (
            f"http://store.invalid/bucket/{key}"
            f"?X-Amz-Expires={seconds}&X-Amz-Signature={next(self._ids)}"
        )
        self._links[url] = _Link(
            method=method, key=key, expires=time.monotonic() + seconds, headers=headers
        )
        return url

    def _reach(self) -> None:
        if self.away:
            raise StoreUnavailable("The object store does not answer. Check S3_ENDPOINT.")


def lifetime_s(url: str) -> int:
    """For how long a signed address is good."""
    return int(parse_qs(urlsplit(url).query)["X-Amz-Expires"][0])
