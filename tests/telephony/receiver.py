"""A little web server which is told webhooks, and does to them what a test wants."""

import base64
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver:
    """Answers with `statuses` in turn, then 200. `got` holds path, headers and body of each."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.hang = threading.Event()  # set by tests which want no answer
        self.drip = False
        self.done = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return self.server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.got]

    def close(self) -> None:
        self.done.set()
        self.server.shutdown()
        self.server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                names = {name.lower(): value for name, value in self.headers.items()}
                receiver.got.append((self.path, names, body))
                if receiver.hang.is_set():
                    receiver.done.wait(20)
                    return
                if receiver.drip:
                    self._drip()
                    return
                self.send_response(receiver.statuses.pop(0) if receiver.statuses else 200)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def _drip(self) -> None:
                """A byte now and then, for ever: each read of the sender succeeds."""
                while not receiver.done.is_set():
                    try:
                        self.wfile.write(b"H")
                    except OSError:
                        return
                    time.sleep(0.05)

            def log_message(self, *args: object) -> None:
                pass

        return Handler


def verified(secret: str, headers: dict[str, str], body: bytes) -> list[bool]:
    """Standard Webhooks 1.0 as a receiver reads it, written from its text: which signatures fit."""
    assert secret[:6] == "whsec_"
    key = base64.standard_b64decode(secret[6:])
    text = headers["webhook-id"] + "." + headers["webhook-timestamp"] + "." + body.decode("utf-8")
    right = base64.standard_b64encode(hmac.digest(key, text.encode("utf-8"), "sha256")).decode()
    marks = [mark.split(",", 1) for mark in headers["webhook-signature"].split(" ")]
    assert all(version == "v1" for version, _ in marks)
    return [hmac.compare_digest(mark, right) for _, mark in marks]
