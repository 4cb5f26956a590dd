"""One process judges the ends of turns for all calls of a worker.

Each judge works in 18 MiB of its own, and every call's process had one for a question every few
seconds. A call which cannot reach the common one makes its own.
"""

import asyncio
import contextlib
import logging
import multiprocessing
import os
import shutil
import signal
import socket
import socketserver
import struct
import tempfile
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from livekit.agents.inference.eot import transports
from livekit.local_inference import EOT, EOT_MAX_SAMPLES
from numpy.typing import NDArray

log = logging.getLogger(__name__)

ADDRESS = "CONTACTCENTER_EOT"  # in the environment of all processes of a worker
WAIT_S = 0.5  # an answer takes 0.03 s; the next call waits for the one before
AGAIN_S = 1.0
_LENGTH, _ANSWER = struct.Struct("<I"), struct.Struct("<d")

Samples = NDArray[np.int16]


class SharedEot:
    """In the place of the framework's own judge."""

    def __init__(self) -> None:
        self._own: EOT | None = None

    def predict(self, pcm: Samples) -> float:
        """The probability that the turn has ended. Blocking; `pcm`: up to 1.2 s at 16 kHz."""
        if self._own is None:
            try:
                return _asked(os.environ[ADDRESS], np.ascontiguousarray(pcm, np.int16).tobytes())
            except (OSError, KeyError, struct.error):
                log.warning("The common judge of turns is away; this call has its own")
                self._own = EOT()
        return float(self._own.predict(pcm))


def share() -> None:
    """From now on each stream of this process asks the common one, if the worker has one."""
    if os.environ.get(ADDRESS):
        module: Any = transports
        module._EOT = SharedEot


def _asked(address: str, pcm: bytes) -> float:
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(WAIT_S)
        line.connect(address)
        line.sendall(_LENGTH.pack(len(pcm)) + pcm)
        (found,) = _ANSWER.unpack(line.recv(_ANSWER.size))
    return float(found)


# --- the common one ------------------------------------------------------------------------------


class _Judge(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 32

    def __init__(self, address: str, eot: EOT) -> None:
        super().__init__(address, _Question)
        self.eot, self.lock = eot, threading.Lock()


class _Question(socketserver.StreamRequestHandler):
    timeout = WAIT_S
    server: _Judge

    def handle(self) -> None:
        with contextlib.suppress(OSError, struct.error, ValueError):
            (length,) = _LENGTH.unpack(self.rfile.read(_LENGTH.size))
            if length > EOT_MAX_SAMPLES * 2:
                return
            pcm = np.frombuffer(self.rfile.read(length), dtype=np.int16)
            with self.server.lock:
                found = float(self.server.eot.predict(pcm))
            self.wfile.write(_ANSWER.pack(found))


def _judge(address: str, parent: Connection) -> None:
    """Until the worker is gone, however it went."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the worker, which ends us
    eot = EOT()
    eot.predict(np.zeros(EOT_MAX_SAMPLES, dtype=np.int16))  # the first one takes longer
    with _Judge(address, eot) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with contextlib.suppress(EOFError, OSError):
            parent.recv()
    shutil.rmtree(Path(address).parent, ignore_errors=True)  # a killed worker could not
    os._exit(0)


class Bench:
    """Where the common judge sits. Made before the fork server, which hands its address on."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(  # ours alone
            prefix="contactcenter-", ignore_cleanup_errors=True
        )
        self._address = Path(self._folder.name) / "eot"
        os.environ[ADDRESS] = str(self._address)

    async def run(self) -> None:
        """Until cancelled; a judge who dies is replaced. The fork server must be running."""
        try:
            while True:
                await self._one()
                await asyncio.sleep(AGAIN_S)
        finally:
            self._folder.cleanup()

    async def _one(self) -> None:
        self._address.unlink(missing_ok=True)
        context = multiprocessing.get_context("forkserver")
        ours, theirs = context.Pipe()
        process = context.Process(target=_judge, args=(str(self._address), theirs), daemon=True)
        try:
            await asyncio.to_thread(process.start)  # waits for the fork server's imports
            theirs.close()
            await asyncio.to_thread(process.join)  # cancelled by closing our end
        finally:
            ours.close()
