"""Starts the real S3 server on a free loopback port, for one test."""

import http.client
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from recordings.errors import RecordingError
from recordings.storage import S3Bucket
from tests.contract.servers import free_port, program
from tests.fakes.bucket import Answer

ACCESS_KEY, SECRET_KEY = "tests-access", "tests-only-s3-secret"


class RealStore:
    """versitygw in its own folder; `folder` is where a test can spoil its files."""

    def __init__(self, folder: Path, log: Path, *, region: str) -> None:
        self.folder = folder
        self.region = region
        self.endpoint = f"http://127.0.0.1:{free_port()}"
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        address = urlsplit(self.endpoint).netloc
        keys = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
        with self._log.open("ab") as out:
            self._process = subprocess.Popen(
                (program("versitygw"), "--port", address, "--region", self.region,
                 "posix", str(self.folder)),
                env={**os.environ, **keys}, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        self._wait()

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def bucket(self, **changes: object) -> S3Bucket:
        values: dict[str, object] = {
            "endpoint": self.endpoint,
            "public_endpoint": self.endpoint,
            "bucket": "recordings",
            "region": self.region,
            "access_key": ACCESS_KEY,
            "secret_key": SECRET_KEY,
        }
        return S3Bucket(**(values | changes))  # type: ignore[arg-type]

    def request(
        self, method: str, url: str, *, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Answer:
        """A plain HTTP request, as worker and browser send it."""
        parts = urlsplit(url)
        sent = dict(headers or {})
        if method == "PUT":
            sent["Content-Length"] = str(len(body))
        wire = http.client.HTTPConnection(parts.netloc, timeout=10)
        wire.request(method, f"{parts.path}?{parts.query}", body=body or None, headers=sent)
        got = wire.getresponse()
        told = {name.lower(): value for name, value in got.getheaders()}
        return Answer(status=got.status, body=got.read(), headers=told)

    def _wait(self) -> None:
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                self.bucket().ensure()
            except RecordingError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"versitygw does not serve:\n{self._log.read_text()[-2000:]}")


@contextmanager
def real_store(home: Path, *, region: str = "us-east-1") -> Iterator[RealStore]:
    """A store with the bucket made, until the block is left."""
    (home / "objects").mkdir()
    store = RealStore(home / "objects", home / "versitygw.log", region=region)
    store.start()
    try:
        yield store
    finally:
        store.stop()
