"""What the gateway makes of LiveKit's answers to a start: wait, give up, no key in the words."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.gateway import LiveKitGateway
from telephony.live import EgressWish, StoreAccess

pytestmark = pytest.mark.contract

STREAM_KEY = "live_a-stream-key"
RTMP = f"rtmp://live.example.org/app/{STREAM_KEY}"


@pytest.fixture
def answering() -> Iterator[Callable[..., LiveKitGateway]]:
    """A gateway to a server which answers everything with one Twirp error."""
    servers: list[tuple[HTTPServer, threading.Thread]] = []

    def make(status: int, code: str, words: str) -> LiveKitGateway:
        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                said = json.dumps({"code": code, "msg": words}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        server = HTTPServer(("127.0.0.1", 0), Door)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        servers.append((server, thread))
        return LiveKitGateway(
            url=f"http://127.0.0.1:{server.server_port}", key="k", secret="s" * 40, agent_name="a"
        )

    yield make
    for server, thread in servers:
        server.shutdown()
        thread.join(5)
        server.server_close()


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (503, "unavailable", "no response from servers"),
        (429, "resource_exhausted", "not enough CPU"),
        (408, "deadline_exceeded", "request timed out"),
        (500, "internal", 'exec: "egress": executable file not found'),
    ],
)
def test_who_has_no_place_at_the_moment_is_asked_again(answering, status, code, words):
    gateway = answering(status, code, words)
    with pytest.raises(GatewayUnavailable) as wait:
        gateway.start_egress(EgressWish(room="call_1", object_key="x.ogg"))
    assert words in str(wait.value)


@pytest.mark.parametrize(
    ("status", "code"), [(400, "invalid_argument"), (503, "unavailable"), (412, "failed")]
)
def test_no_key_of_a_stream_or_store_is_in_the_words_nor_in_the_cause(answering, status, code):
    gateway = answering(status, code, f"invalid url {RTMP}?x=1 with secret the-stores-secret")
    wish = EgressWish(
        room="call_1", object_key="x.m3u8", format="hls", rtmp_urls=(RTMP,),
        store=StoreAccess(bucket="far", access_key="AK", secret="the-stores-secret"),
    )  # fmt: skip
    with pytest.raises((GatewayRefused, GatewayUnavailable)) as told:
        gateway.start_egress(wish)
    assert STREAM_KEY not in str(told.value)
    assert "the-stores-secret" not in str(told.value)
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__


def test_a_stop_which_livekit_says_is_over_or_unknown_is_fine(answering):
    for status, code in ((412, "failed_precondition"), (404, "not_found")):
        answering(status, code, "egress cannot be stopped").stop_egress(egress_id="EG_1")


def test_a_stop_of_a_dead_service_is_unavailable(answering):
    with pytest.raises(GatewayUnavailable):
        answering(408, "deadline_exceeded", "timed out").stop_egress(egress_id="EG_1")
