"""What reconciliation, exports and erasing need of the object store: lists, parts, big uploads.

A part of `recordings.storage.S3Bucket`, which holds the client.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

PART = 8 * 2**20  # bytes; S3 wants 5 MiB at least, but of the last part
CHUNK = 2**20
PAGE = 1000  # keys of one list, S3's most
DOWNLOAD_LINK_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    key: str
    size: int
    etag: str  # changes with each upload
    modified: datetime


class BulkBucket(Protocol):
    def folders(self) -> list[str]: ...
    def list_objects(self, prefix: str) -> Iterator[Listed]: ...
    def content_type(self, key: str) -> str: ...
    def read(self, key: str, start: int, length: int) -> bytes: ...
    def chunks(self, key: str) -> Iterator[bytes]: ...
    def put_large(self, key: str, file: Path, *, content_type: str) -> None: ...
    def begin_parts(self, key: str, *, content_type: str) -> str: ...
    def put_part(self, key: str, upload: str, number: int, body: bytes) -> str: ...
    def parts_there(self, key: str, upload: str) -> dict[int, str]: ...
    def finish_parts(self, key: str, upload: str, parts: dict[int, str]) -> None: ...
    def drop_parts(self, key: str, upload: str) -> None: ...
    def download_link(self, key: str, *, name: str, content_type: str) -> str: ...


class Bulk:
    """Reads and writes which are larger than one request. `_s3`, `_public`, `_name`: the door's."""

    _s3: Any
    _public: Any
    _name: str
    _sse: dict[str, Any]  # how objects are encrypted

    def _guard(self, key: str = "") -> AbstractContextManager[None]:
        """Turns the client's errors into ours; with a key: ObjectWrong if it is not there."""
        raise NotImplementedError

    def folders(self) -> list[str]:
        """The first parts of all keys: the slugs of projects, and what else is kept here."""
        found: list[str] = []
        for page in self._pages(Delimiter="/"):
            found += [one["Prefix"].rstrip("/") for one in page.get("CommonPrefixes", [])]
        return found

    def list_objects(self, prefix: str) -> Iterator[Listed]:
        for page in self._pages(Prefix=prefix):
            for found in page.get("Contents", []):
                if found["Key"].endswith("/"):  # a folder some stores keep as an empty object
                    continue
                yield Listed(
                    key=found["Key"],
                    size=found["Size"],
                    etag=found.get("ETag", "").strip('"'),
                    modified=found["LastModified"],
                )

    def _pages(self, **asked: str) -> Iterator[dict[str, Any]]:
        more: dict[str, Any] = {"MaxKeys": PAGE}
        while True:
            with self._guard():
                page = self._s3.list_objects_v2(Bucket=self._name, **asked, **more)
            yield page
            if not page.get("IsTruncated"):
                return
            more |= {"ContinuationToken": page["NextContinuationToken"]}

    def content_type(self, key: str) -> str:
        with self._guard(key):
            found = self._s3.head_object(Bucket=self._name, Key=key)
        return str(found.get("ContentType", ""))

    def read(self, key: str, start: int, length: int) -> bytes:
        """A part of an object; less of it where it ends."""
        if length <= 0:
            return b""
        span = f"bytes={start}-{start + length - 1}"
        with self._guard(key):
            body = self._s3.get_object(Bucket=self._name, Key=key, Range=span)["Body"]
            return bytes(body.read())

    def chunks(self, key: str) -> Iterator[bytes]:
        """All of an object, piece by piece."""
        with self._guard(key):
            body = self._s3.get_object(Bucket=self._name, Key=key)["Body"]
        while True:
            with self._guard(key):
                piece = bytes(body.read(CHUNK))
            if not piece:
                return
            yield piece

    def put_large(self, key: str, file: Path, *, content_type: str) -> None:
        """A file of any size; the client sends large ones in parts."""
        more = {"ContentType": content_type, **self._sse}
        with self._guard():
            self._s3.upload_file(str(file), self._name, key, ExtraArgs=more)

    # --- one object in parts, which may be sent over hours and by several processes -------------

    def begin_parts(self, key: str, *, content_type: str) -> str:
        with self._guard():
            begun = self._s3.create_multipart_upload(
                Bucket=self._name, Key=key, ContentType=content_type, **self._sse
            )
        return str(begun["UploadId"])

    def put_part(self, key: str, upload: str, number: int, body: bytes) -> str:
        """May be repeated: the last one counts. Returns what `finish_parts` wants to know."""
        with self._guard(key):
            put = self._s3.upload_part(
                Bucket=self._name, Key=key, UploadId=upload, PartNumber=number, Body=body
            )
        return str(put["ETag"])

    def parts_there(self, key: str, upload: str) -> dict[int, str]:
        """Raises ObjectWrong if the store knows no such upload (any more)."""
        found: dict[int, str] = {}
        marker = 0
        while True:
            with self._guard(key):
                page = self._s3.list_parts(
                    Bucket=self._name, Key=key, UploadId=upload, PartNumberMarker=marker
                )
            found |= {part["PartNumber"]: part["ETag"] for part in page.get("Parts", [])}
            if not page.get("IsTruncated"):
                return found
            marker = page["NextPartNumberMarker"]

    def finish_parts(self, key: str, upload: str, parts: dict[int, str]) -> None:
        told = [{"PartNumber": n, "ETag": etag} for n, etag in sorted(parts.items())]
        with self._guard(key):
            self._s3.complete_multipart_upload(
                Bucket=self._name, Key=key, UploadId=upload, MultipartUpload={"Parts": told}
            )

    def drop_parts(self, key: str, upload: str) -> None:
        with self._guard(key):
            self._s3.abort_multipart_upload(Bucket=self._name, Key=key, UploadId=upload)

    def download_link(self, key: str, *, name: str, content_type: str) -> str:
        return str(
            self._public.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self._name,
                    "Key": key,
                    "ResponseContentType": content_type,
                    "ResponseContentDisposition": f'attachment; filename="{name}"',
                },
                ExpiresIn=DOWNLOAD_LINK_S,
            )
        )
