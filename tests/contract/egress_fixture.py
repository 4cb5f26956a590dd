"""The fake egress and the real one (EGRESS_BIN) behind one face, for the same cases."""

import asyncio
import json
import os
import signal
import string
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import numpy as np
from livekit import api, rtc

from recordings.errors import ObjectWrong
from recordings.storage import Bucket
from telephony.gateway import Gateway, LiveKitGateway
from telephony.live import LiveEgress, StoreAccess
from tests.contract.bucket_fixture import ACCESS_KEY, SECRET_KEY, RealStore, real_store
from tests.contract.servers import ROOT, MediaPlane, free_port, media_plane
from tests.fakes.bucket import FakeBucket
from tests.fakes.egress import EgressGateway

T = TypeVar("T")
ROOM = "call_egress_1"
CALLER_HZ, AGENT_HZ = 440, 1000
Hook = dict[str, Any]


class EgressPlane(Protocol):
    """A room with a caller and an agent who both make sound, and an egress service."""

    is_real: bool

    @property
    def gateway(self) -> Gateway: ...
    @property
    def bucket(self) -> Bucket: ...
    def hooks(self, egress_id: str) -> list[Hook]: ...
    def elsewhere(self) -> StoreAccess:
        """A store which has no bucket."""
        ...

    def kept(self, key: str) -> bool:
        """Whether backup storage has it."""
        ...

    def kill(self) -> None:
        """SIGKILL of the service and whatever it runs."""
        ...


def eventually(look: Callable[[], T], *, timeout_s: float = 30) -> T:
    end = time.monotonic() + timeout_s
    while not (found := look()) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def of(plane: EgressPlane, egress_id: str) -> LiveEgress:
    return next(e for e in plane.gateway.list_egress(room=ROOM) if e.egress_id == egress_id)


def size_of(plane: EgressPlane, key: str) -> int:
    """Bytes in the store, 0 if it is not there."""
    try:
        return plane.bucket.head(key).size
    except ObjectWrong:
        return 0


# --- the fake -----------------------------------------------------------------------------------


class FakePlane:
    is_real = False

    def __init__(self) -> None:
        self.bucket = FakeBucket()
        self._told: list[Hook] = []
        self.gateway = EgressGateway(
            self.bucket, post_hook=lambda body: self._told.append(json.loads(body)),
            now=datetime.now(UTC),
        )  # fmt: skip
        self.gateway.backup = {}
        self.gateway.buckets["nobody-made-it"] = FakeBucket(exists=False)
        self.gateway.ring(ROOM)
        self.gateway.answer(ROOM)

    def hooks(self, egress_id: str) -> list[Hook]:
        return [hook for hook in self._told if hook["egressInfo"]["egressId"] == egress_id]

    def elsewhere(self) -> StoreAccess:
        return StoreAccess(bucket="nobody-made-it", access_key="a", secret="s")

    def kept(self, key: str) -> bool:
        return key in (self.gateway.backup or {})

    def kill(self) -> None:
        self.gateway.kill()


# --- the real one -------------------------------------------------------------------------------


class RealPlane:
    is_real = True

    def __init__(self, media: MediaPlane, store: RealStore, told: list[Hook], home: Path) -> None:
        self.gateway = LiveKitGateway(
            url=media.url, key=media.key, secret=media.secret, agent_name="contactcenter"
        )
        self.bucket: Bucket = store.bucket()
        self._media, self._store, self._told = media, store, told
        self._home, self._backup = home, home / "backup"
        self._backup.mkdir()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """With the text of deploy/egress.yaml. Its binary must be called egress."""
        binary = Path(os.environ["EGRESS_BIN"])
        assert binary.name == "egress", "egress starts itself by that name"
        Path("/home/egress/tmp").mkdir(parents=True, exist_ok=True)
        values = {
            "LIVEKIT_API_KEY": self._media.key, "LIVEKIT_API_SECRET": self._media.secret,
            "LIVEKIT_URL": self._media.url,
            "REDIS_ADDRESS": urlsplit(self._media.redis_url).netloc, "REDIS_PASSWORD": "",
            "S3_ACCESS_KEY": ACCESS_KEY, "S3_SECRET_KEY": SECRET_KEY,
            "S3_REGION": self._store.region, "S3_ENDPOINT": self._store.endpoint,
            "S3_BUCKET": "recordings", "EGRESS_BACKUP_DIR": str(self._backup),
        }  # fmt: skip
        text = (ROOT / "deploy" / "egress.yaml").read_text()
        config = self._home / "egress.yaml"
        port = free_port()
        config.write_text(string.Template(text).substitute(values) + f"template_port: {port}\n")
        path = f"{binary.parent}{os.pathsep}{os.environ['PATH']}"
        with (self._home / "egress.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(binary), "--config", str(config)], env={**os.environ, "PATH": path},
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def hooks(self, egress_id: str) -> list[Hook]:
        mine = [hook for hook in self._told if hook.get("egressInfo", {})]
        return [hook for hook in mine if hook["egressInfo"].get("egressId") == egress_id]

    def elsewhere(self) -> StoreAccess:
        return StoreAccess(
            bucket="nobody-made-it", endpoint=self._store.endpoint, region=self._store.region,
            access_key=ACCESS_KEY, secret=SECRET_KEY,
        )  # fmt: skip

    def kept(self, key: str) -> bool:
        return any(p.name == Path(key).name for p in self._backup.rglob("*"))

    def kill(self) -> None:
        if self._process:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@contextmanager
def real_plane(home: Path) -> Iterator[RealPlane]:
    with ExitStack() as stack:
        told: list[Hook] = []
        url = stack.enter_context(hooks_into(told))
        media = stack.enter_context(media_plane(home, hook_url=url))
        (home / "s3").mkdir()
        store = stack.enter_context(real_store(home / "s3"))
        plane = RealPlane(media, store, told, home)
        stack.callback(plane.stop)
        plane.start()
        stack.enter_context(talkers(media))
        yield plane


@contextmanager
def hooks_into(told: list[Hook]) -> Iterator[str]:
    class Door(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    thread.join(5)
    server.server_close()


@contextmanager
def talkers(media: MediaPlane) -> Iterator[None]:
    """A caller and an agent, each with a tone of his own, until the block is left."""
    there, stop = threading.Event(), threading.Event()
    talk = threading.Thread(target=lambda: asyncio.run(_talk(media, there, stop)), daemon=True)
    talk.start()
    try:
        assert there.wait(30), "nobody came into the room"
        yield
    finally:
        stop.set()
        talk.join(20)


async def _talk(media: MediaPlane, there: threading.Event, stop: threading.Event) -> None:
    sources, rooms = [], []
    for identity, kind, pitch in (("caller", "sip", CALLER_HZ), ("agent", "agent", AGENT_HZ)):
        token = (
            api.AccessToken(media.key, media.secret)
            .with_identity(identity)
            .with_kind(kind)  # type: ignore[arg-type]
            .with_grants(api.VideoGrants(room_join=True, room=ROOM, agent=kind == "agent"))
        )
        room = rtc.Room()
        await room.connect(media.url, token.to_jwt())
        source = rtc.AudioSource(48000, 1)
        track = rtc.LocalAudioTrack.create_audio_track("tone", source)
        await room.local_participant.publish_track(track)
        at = np.arange(480) / 48000
        sources.append((source, (12000 * np.sin(2 * np.pi * pitch * at)).astype(np.int16)))
        rooms.append(room)
    there.set()
    while not stop.is_set():
        for source, piece in sources:
            await source.capture_frame(rtc.AudioFrame(piece.tobytes(), 48000, 1, 480))
    for room in rooms:
        await room.disconnect()
