"""The object store: the only module that imports boto3. No ORM."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import boto3
import botocore.session
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleCredentialFetcher,
    Credentials,
    DeferredRefreshableCredentials,
)
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
    def put_bytes(self, key: str, body: bytes, *, content_type: str) -> None: ...
    def protect(self, key: str, *, content_type: str) -> None: ...
    def get(self, key: str, target: Path) -> None: ...
    def put(self, key: str, source: Path, *, sha256: str, content_type: str) -> None: ...


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
        path_style: bool = True,
        role_arn: str = "",
        encryption: str = "",  # AES256 or aws:kms, asked for with each object
        kms_key: str = "",
        named: str = "S3_BUCKET, S3_ACCESS_KEY and S3_SECRET_KEY",  # where a person may mend it
        timeout_s: float = 10,
    ) -> None:
        """`endpoint` empty: S3 of AWS. `role_arn`: the key only serves to take that role."""
        self._name = bucket
        self._region = region
        self._named = named
        self._sse = _encryption(encryption, kms_key)
        config = Config(
            signature_version="s3v4",
            s3={"addressing_style": "path" if path_style else "virtual"},
            # what has rotted is to be told, not to look like a store in trouble
            response_checksum_validation="when_required",
            connect_timeout=3,
            read_timeout=timeout_s,
            retries={"total_max_attempts": 2, "mode": "standard"},
        )
        session = _session(endpoint, region, Credentials(access_key, secret_key), role_arn)  # type: ignore[no-untyped-call]

        def client(url: str):  # type: ignore[no-untyped-def]  # boto3's client type is made at run time
            return session.client("s3", endpoint_url=url or None, region_name=region, config=config)

        self._s3 = client(endpoint)
        self._public = self._s3 if public_endpoint == endpoint else client(public_endpoint)

    def ensure(self) -> None:
        """Create the bucket unless it exists."""
        with _our_errors(self._name, self._named):
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
                **self._sse,
            },
            ExpiresIn=UPLOAD_LINK_S,
        )
        return UploadLink(
            url=url,
            headers={
                "Content-Type": content_type,
                "Content-Length": str(size),
                "x-amz-checksum-sha256": checksum,
                **{_SSE_HEADERS[name]: value for name, value in self._sse.items()},
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
        with _our_errors(self._name, self._named):
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
        with _our_errors(self._name, self._named):
            self._s3.delete_object(Bucket=self._name, Key=key)

    def put_bytes(self, key: str, body: bytes, *, content_type: str) -> None:
        with _our_errors(self._name, self._named):
            self._s3.put_object(
                Bucket=self._name, Key=key, Body=body, ContentType=content_type, **self._sse
            )

    def protect(self, key: str, *, content_type: str) -> None:
        """Encrypt in its place what was written without asking for it: egress cannot ask."""
        if not self._sse:
            return
        with _our_errors(self._name, self._named):
            self._s3.copy_object(
                Bucket=self._name, Key=key, CopySource={"Bucket": self._name, "Key": key},
                MetadataDirective="REPLACE", ContentType=content_type, **self._sse,
            )  # fmt: skip

    def get(self, key: str, target: Path) -> None:
        """The object as a file, a piece at a time. Raises ObjectWrong when there is none."""
        with _our_errors(self._name, self._named):
            try:
                body = self._s3.get_object(Bucket=self._name, Key=key)["Body"]
            except ClientError as reason:
                if _code(reason) in _ABSENT:
                    raise ObjectWrong(f"{key} is not in the bucket.") from reason
                raise
            with body, target.open("wb") as file:
                for piece in body.iter_chunks(2**20):
                    file.write(piece)

    def put(self, key: str, source: Path, *, sha256: str, content_type: str) -> None:
        """One object from a file; the store refuses what arrives with another checksum."""
        checksum = base64.b64encode(bytes.fromhex(sha256)).decode()
        with _our_errors(self._name, self._named), source.open("rb") as file:
            self._s3.put_object(
                Bucket=self._name,
                Key=key,
                Body=file,
                ContentType=content_type,
                ChecksumSHA256=checksum,
                **self._sse,
            )

    @contextmanager
    def _guard(self, key: str = "") -> Iterator[None]:
        with _our_errors(self._name, self._named):
            try:
                yield
            except ClientError as reason:
                if not key or _code(reason) not in _NO_LONGER:
                    raise
                raise ObjectWrong(f"{key} is not in the bucket.") from reason
            except (OSError, HTTPError, Boto3Error) as reason:  # while a body is on its way
                raise StoreUnavailable("The object store broke off in the middle.") from reason

    def _require_bucket(self) -> None:
        try:
            self._s3.head_bucket(Bucket=self._name)
        except ClientError as reason:
            if _code(reason) not in _ABSENT:
                raise
            raise StoreRefused(
                f"There is no bucket {self._name}, or this access key may not see it. "
                f"Check {self._named}, or run `manage.py makebucket`."
            ) from reason


@contextmanager
def _our_errors(bucket: str, named: str) -> Iterator[None]:
    try:
        yield
    except ClientError as reason:
        code = _code(reason)
        if code in _PASSING:
            raise StoreUnavailable(f"The object store is in trouble ({code}).") from reason
        raise StoreRefused(
            f"The object store refused ({code}) in bucket {bucket}. Check {named}."
        ) from reason
    except BotoCoreError as reason:
        raise StoreUnavailable(
            f"The object store does not answer. Check {_endpoint_of(named)}."
        ) from reason


def _endpoint_of(named: str) -> str:
    return "S3_ENDPOINT" if named.startswith("S3_") else f"the endpoint of {named}"


_SSE_HEADERS = {
    "ServerSideEncryption": "x-amz-server-side-encryption",
    "SSEKMSKeyId": "x-amz-server-side-encryption-aws-kms-key-id",
}


def _encryption(how: str, kms_key: str) -> dict[str, str]:
    asked = {"ServerSideEncryption": how} if how else {}
    return asked | ({"SSEKMSKeyId": kms_key} if how and kms_key else {})


def _session(endpoint: str, region: str, own: Credentials, role_arn: str) -> boto3.Session:
    """With the key itself, or with that of a role, which is taken anew before it runs out."""
    if not role_arn:
        return boto3.Session(own.access_key, own.secret_key, region_name=region)
    session: Any = botocore.session.get_session()

    def client(service: str, **keys: Any) -> Any:
        return session.create_client(
            service, region_name=region, endpoint_url=_sts_of(endpoint), **keys,
            config=Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2}),
        )  # fmt: skip

    taken = AssumeRoleCredentialFetcher(  # type: ignore[no-untyped-call]
        client_creator=client, source_credentials=own, role_arn=role_arn,
        extra_args={"RoleSessionName": "contactcenter"},
    )  # fmt: skip
    session._credentials = DeferredRefreshableCredentials(  # type: ignore[no-untyped-call]
        refresh_using=taken.fetch_credentials, method="assume-role"
    )
    return boto3.Session(botocore_session=session)


def _sts_of(endpoint: str) -> str | None:
    """AWS has it elsewhere; the others, as MinIO, at the address of the store itself."""
    host = urlsplit(endpoint).hostname or ""
    return None if not host or host.endswith("amazonaws.com") else endpoint


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
