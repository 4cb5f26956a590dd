"""A proxy in front of the real store, on loopback, which misbehaves as stores do."""

import hashlib
import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from tests.contract.bucket_fixture import RealStore
from tests.contract.servers import free_port

FAULTS = ("truncate", "corrupt", "swallow", "break off")


class FaultyStore:
    """Passes everything on, but for what it was told to spoil.

    truncate   of the next PUTs: only the first half is kept, the answer is 200
    corrupt    … other bytes of the same length are kept
    swallow    … nothing is kept
    break off  … the connection is closed in the middle of the body
    """

    def __init__(self, real: RealStore) -> None:
        self.real = real
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.puts = 0  # which reached us
        self.heads = 0
        self.spoil: list[str] = []  # what becomes of the next PUTs, in order
        self.refuse: set[str] = set()  # methods which are answered with 503
        self.cut_reads = False
        self.slow_s = 0.0
        self.patience_s = 10.0  # how long the door waits for us
        self._server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        store = self

        class Handler(_Handler):
            faulty = store

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Connections are refused from now on."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def keep(self, path: str, body: bytes, content_type: str) -> None:
        """What a lying store has really written."""
        key = unquote(urlsplit(path).path).partition("/recordings/")[2]
        link = self.real.bucket().upload_link(
            key, size=len(body), sha256=hashlib.sha256(body).hexdigest(), content_type=content_type
        )
        assert self.real.request("PUT", link.url, body=body, headers=link.headers).status == 200


class _Handler(BaseHTTPRequestHandler):
    faulty: FaultyStore
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        with suppress(OSError):
            super().handle_one_request()

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._pass_on(b"")

    do_DELETE = do_GET

    def do_HEAD(self) -> None:
        self.faulty.heads += 1
        self._pass_on(b"")

    def do_POST(self) -> None:
        self._pass_on(self.rfile.read(int(self.headers.get("Content-Length") or 0)))

    def do_PUT(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        self.faulty.puts += 1
        fault = self.faulty.spoil.pop(0) if self.faulty.spoil else ""
        if fault == "break off":
            self.rfile.read(length // 2)
            self.close_connection = True
            self.connection.close()
            return
        body = self.rfile.read(length)
        if not fault:
            self._pass_on(body)
            return
        spoilt = {"truncate": body[: length // 2], "corrupt": b"x" * length, "swallow": b""}[fault]
        if spoilt:
            self.faulty.keep(self.path, spoilt, str(self.headers.get("Content-Type")))
        self._answer(200, {}, b"")

    def _pass_on(self, body: bytes) -> None:
        time.sleep(self.faulty.slow_s)
        if self.command in self.faulty.refuse:
            self._answer(503, {}, b"")
            return
        wire = http.client.HTTPConnection(urlsplit(self.faulty.real.endpoint).netloc, timeout=20)
        wire.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            wire.putheader(name, value)
        wire.endheaders(body or None)
        got = wire.getresponse()
        told = {k: v for k, v in got.getheaders() if k.lower() not in {"connection", "date"}}
        content = got.read()
        if self.command == "GET" and self.faulty.cut_reads and len(content) > 1:
            self._answer(got.status, told, content, sent=len(content) // 2)
            return
        self._answer(got.status, told, content)

    def _answer(
        self, status: int, headers: dict[str, str], body: bytes, *, sent: int | None = None
    ) -> None:
        self.send_response(status)
        lower = {name.lower() for name in headers}
        for name, value in headers.items():
            if name.lower() != "transfer-encoding":
                self.send_header(name, value)
        if "content-length" not in lower:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[:sent])
        if sent is not None:
            self.close_connection = True


@contextmanager
def faulty_store(real: RealStore) -> Iterator[FaultyStore]:
    store = FaultyStore(real)
    store.start()
    try:
        yield store
    finally:
        store.stop()
