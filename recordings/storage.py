"""The object store: the only module that imports boto3. No ORM."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from recordings.errors import ObjectWrong, StoreRefused, StoreUnavailable
from recordings.storage_bulk import Bulk, BulkBucket

UPLOAD_LINK_S = 600
PLAY_LINK_S = 300
_PASSING = {"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "503", "500"}
_ABSENT = {"404", "NoSuchKey", "NotFound"}
_NO_LONGER = _ABSENT | {"NoSuchUpload", "InvalidPart"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    size: int  # bytes
    sha256: str  # hex; empty when the store does not know it


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadLink:
    url: str
    headers: dict[str, str]  # the upload is refused without exactly these


class Bucket(BulkBucket, Protocol):
    def ensure(self) -> None: ...
    def upload_link(self, key: str, *, size: int, sha256: str, content_type: str) -> UploadLink: ...
    def play_link(self, key: str, *, content_type: str) -> str: ...
    def head(self, key: str) -> StoredObject: ...
    def delete(self, key: str) -> None: ...


class S3Bucket(Bulk):
    """One bucket. Each call waits at most a few seconds; retries are the tasks' business."""

    def __init__(
        self,
        *,
        endpoint: str,
        public_endpoint: str,
        bucket: str,
        region: str,
        access_key: str,
        secret_key: str,
        timeout_s: float = 10,
    ) -> None:
        self._name = bucket
        self._region = region

        def client(url: str):  # type: ignore[no-untyped-def]  # boto3's client type is made at run time
            return boto3.client(
                "s3",
                endpoint_url=url,
                region_name=region,
                aws_access_key_id=access_key,
                aws_secret_access_key=secret_key,
                config=Config(
                    signature_version="s3v4",
                    s3={"addressing_style": "path"},
                    # what has rotted is to be told, not to look like a store in trouble
                    response_checksum_validation="when_required",
                    connect_timeout=3,
                    read_timeout=timeout_s,
                    retries={"total_max_attempts": 2, "mode": "standard"},
                ),
            )

        self._s3 = client(endpoint)
        self._public = self._s3 if public_endpoint == endpoint else client(public_endpoint)

    def ensure(self) -> None:
        """Create the bucket unless it exists."""
        with _our_errors(self._name):
            try:
                self._s3.head_bucket(Bucket=self._name)
            except ClientError as reason:
                if _code(reason) not in _ABSENT | {"NoSuchBucket"}:
                    raise
                self._create()

    def _create(self) -> None:
        if self._region == "us-east-1":  # S3 wants this one region unnamed
            self._s3.create_bucket(Bucket=self._name)
            return
        where = {"LocationConstraint": self._region}
        self._s3.create_bucket(Bucket=self._name, CreateBucketConfiguration=where)

    def upload_link(self, key: str, *, size: int, sha256: str, content_type: str) -> UploadLink:
        """A PUT address for one object of exactly this length, type and checksum (SHA-256, hex)."""
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        url = self._public.generate_presigned_url(
            "put_object",
            Params={
                "Bucket": self._name,
                "Key": key,
                "ContentType": content_type,
                "ContentLength": size,
                "ChecksumSHA256": checksum,
            },
            ExpiresIn=UPLOAD_LINK_S,
        )
        return UploadLink(
            url=url,
            headers={
                "Content-Type": content_type,
                "Content-Length": str(size),
                "x-amz-checksum-sha256": checksum,
            },
        )

    def play_link(self, key: str, *, content_type: str) -> str:
        return str(
            self._public.generate_presigned_url(
                "get_object",
                Params={
                    "Bucket": self._name,
                    "Key": key,
                    "ResponseContentType": content_type,
                    "ResponseContentDisposition": "inline",
                },
                ExpiresIn=PLAY_LINK_S,
            )
        )

    def head(self, key: str) -> StoredObject:
        """Size and checksum as the store knows them. Raises ObjectWrong when it has no such key."""
        with _our_errors(self._name):
            try:
                found = self._s3.head_object(Bucket=self._name, Key=key, ChecksumMode="ENABLED")
            except ClientError as reason:
                if _code(reason) in _ABSENT:
                    self._require_bucket()  # a HEAD says 404 for both
                    raise ObjectWrong(
                        f"{key} is not in the bucket. It has to be uploaded again."
                    ) from reason
                raise
        checksum = found.get("ChecksumSHA256", "")
        return StoredObject(
            size=found["ContentLength"],
            sha256=base64.b64decode(checksum).hex() if checksum else "",
        )

    def delete(self, key: str) -> None:
        with _our_errors(self._name):
            self._s3.delete_object(Bucket=self._name, Key=key)

    @contextmanager
    def _guard(self, key: str = "") -> Iterator[None]:
        with _our_errors(self._name):
            try:
                yield
            except ClientError as reason:
                if not key or _code(reason) not in _NO_LONGER:
                    raise
                raise ObjectWrong(f"{key} is not in the bucket.") from reason
            except (OSError, HTTPError) as reason:  # while a body is read
                raise StoreUnavailable("The object store broke off in the middle.") from reason

    def _require_bucket(self) -> None:
        try:
            self._s3.head_bucket(Bucket=self._name)
        except ClientError as reason:
            if _code(reason) not in _ABSENT:
                raise
            raise StoreRefused(
                f"There is no bucket {self._name}, or this S3_ACCESS_KEY may not see it. "
                f"Check S3_BUCKET and S3_ACCESS_KEY, or run `manage.py makebucket`."
            ) from reason


@contextmanager
def _our_errors(bucket: str) -> Iterator[None]:
    try:
        yield
    except ClientError as reason:
        code = _code(reason)
        if code in _PASSING:
            raise StoreUnavailable(f"The object store is in trouble ({code}).") from reason
        raise StoreRefused(
            f"The object store refused ({code}) in bucket {bucket}. "
            f"Check S3_BUCKET, S3_ACCESS_KEY and S3_SECRET_KEY."
        ) from reason
    except BotoCoreError as reason:
        raise StoreUnavailable("The object store does not answer. Check S3_ENDPOINT.") from reason


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
