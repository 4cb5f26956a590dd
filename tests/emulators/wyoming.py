"""Piper's own protocol (Wyoming) over TCP: a JSON line, then data, then payload."""

import asyncio
import json
from typing import Any

from tests.emulators import speech
from tests.emulators.calls import Call, Cut
from tests.emulators.core import Board

VERSION = "1.5.2"
RATE = 22_050
FORMAT = {"rate": RATE, "width": 2, "channels": 1}
_BY = {"name": "Contact centre", "url": "http://localhost"}
_SAME = {"attribution": _BY, "installed": True, "version": VERSION}
INFO = {
    "asr": [], "handle": [], "intent": [], "wake": [], "mic": [], "snd": [],
    "tts": [{
        "name": "piper", "description": "An emulated Piper", "supports_synthesize_streaming": False,
        "voices": [{
            "name": "en_US-emulated-medium", "description": "flite", "languages": ["en_US"],
            "speakers": None, **_SAME,
        }], **_SAME,
    }],
}  # fmt: skip


class Server:
    def __init__(self, board: Board) -> None:
        self._board = board
        self._open: set[asyncio.Task[None]] = set()

    async def start(self, port: int) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._talk(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while event := await read(reader):
                await self._answer(event, writer)
        except Cut as cut:
            await _obey(cut, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has hung up
        finally:
            writer.close()

    async def _answer(self, event: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        if event["type"] == "describe":
            writer.write(packed("info", INFO))
        elif event["type"] == "ping":
            writer.write(packed("pong", event["data"]))
        elif event["type"] == "synthesize":
            await self._speak(event["data"].get("text", ""), writer)

    async def _speak(self, text: str, writer: asyncio.StreamWriter) -> None:
        call = Call(self._board, "tts", "wyoming")
        call.check(0)
        pcm = await self._board.voice(text, RATE)

        async def send(event: bytes) -> None:
            writer.write(event)
            await writer.drain()

        await send(packed("audio-start", {**FORMAT, "timestamp": 0}))
        parts = speech.chunks(pcm.tobytes(), len(pcm) / RATE)
        events = [packed("audio-chunk", {**FORMAT, "timestamp": 0}, part) for part in parts]
        await call.play(events, send, **call.as_voice())
        await send(packed("audio-stop", {"timestamp": 0}))


async def _obey(cut: Cut, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if cut.kind in ("stall", "stall_after"):
        while await reader.read(65536):
            pass
    elif cut.status:
        said = {"text": "The emulator was told to fail.", "code": str(cut.status)}
        writer.write(packed("error", said))
        await writer.drain()
    elif cut.kind == "drop":
        writer.write(packed("audio-chunk", FORMAT, bytes(100))[:-50])  # amid an event
        writer.transport.abort()


async def read(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next event, or None at the end. Its payload, if any, is under "payload"."""
    line = await reader.readline()
    if not line.strip():
        return None
    event: dict[str, Any] = json.loads(line)
    data = event.get("data") or {}
    if length := event.get("data_length"):
        data |= json.loads(await reader.readexactly(length))
    payload = await reader.readexactly(event.get("payload_length") or 0)
    return {"type": event["type"], "data": data, "payload": payload}


def packed(kind: str, data: dict[str, Any], payload: bytes = b"") -> bytes:
    said = json.dumps(data).encode()
    head = {"type": kind, "version": VERSION, "data_length": len(said)}
    if payload:
        head["payload_length"] = len(payload)
    return json.dumps(head).encode() + b"\n" + said + payload


async def serve(board: Board, port: int) -> Server:
    server = Server(board)
    await server.start(port)
    return server
