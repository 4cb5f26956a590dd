"""Of the object store, what erasing, exporting and scanning need: lists, and whole objects.

A part of `recordings.storage.S3Bucket`, which holds the client.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

CHUNK = 2**20
DOWNLOAD_LINK_S = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    key: str
    size: int


class WholeBucket(Protocol):
    def list_objects(self, prefix: str) -> Iterator[Listed]: ...
    def chunks(self, key: str) -> Iterator[bytes]: ...
    def put_large(self, key: str, file: Path, *, content_type: str) -> None: ...
    def download_link(self, key: str, *, name: str, content_type: str) -> str: ...


class Whole:
    """`_s3`, `_public`, `_name`, `_sse` (how objects are encrypted): the door's."""

    _s3: Any
    _public: Any
    _name: str
    _sse: dict[str, Any]

    def _guard(self, key: str = "") -> AbstractContextManager[None]:
        """Turns the client's errors into ours; with a key: ObjectWrong if it is not there."""
        raise NotImplementedError

    def list_objects(self, prefix: str) -> Iterator[Listed]:
        """A thousand keys at a time."""
        more: dict[str, str] = {}
        while True:
            with self._guard():
                page = self._s3.list_objects_v2(Bucket=self._name, Prefix=prefix, **more)
            for found in page.get("Contents", []):
                if not found["Key"].endswith("/"):  # a folder some stores keep as an empty object
                    yield Listed(key=found["Key"], size=found["Size"])
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def chunks(self, key: str) -> Iterator[bytes]:
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
        with self._guard():
            self._s3.upload_file(
                str(file), self._name, key, ExtraArgs={"ContentType": content_type, **self._sse}
            )

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
