"""Cartesia: speech over a WebSocket of many contexts, and as bytes."""

import base64
import json
from typing import Any

from aiohttp import WSMsgType, web

from tests.emulators import speech
from tests.emulators.calls import REASONS, Call, served
from tests.emulators.core import AT_THE_DOOR, Board
from tests.emulators.speaking import Answer, Piece, Voice

_VERSION = "Cartesia-Version"


def routes(board: Board) -> list[web.RouteDef]:
    def of(work: Any, **more: Any) -> Any:
        return served(board, "tts", "cartesia", work, key=_key, refusal=_refusal, **more)

    return [
        web.get("/cartesia/tts/websocket", of(_converse, kinds=AT_THE_DOOR)),
        web.post("/cartesia/tts/bytes", of(_bytes)),
    ]


def _key(request: web.Request) -> str:
    return request.headers.get("X-API-Key") or request.query.get("api_key", "")


def _refusal(status: int, said: str) -> dict[str, Any]:
    return {"title": said, "message": said, "status_code": status}


def _voice_of(asked: dict[str, Any]) -> Voice:
    """Raises ValueError, as the provider would answer 400."""
    for name in ("model_id", "voice", "output_format", "transcript"):
        if not asked.get(name):
            raise ValueError(f"{name} is required")
    wanted = asked["output_format"]
    if wanted["container"] == "mp3":
        return Voice(int(wanted["sample_rate"]), int(wanted.get("bit_rate", 128_000)) // 1000)
    if wanted.get("encoding") != "pcm_s16le":
        raise ValueError("The emulator speaks pcm_s16le and mp3.")
    return Voice(int(wanted["sample_rate"]))


async def _bytes(call: Call) -> web.StreamResponse:
    asked = await call.request.json()
    try:
        voice = _voice_of(asked)
        if _VERSION not in call.request.headers:
            raise ValueError(f"The header {_VERSION} is required.")
    except (ValueError, KeyError) as reason:
        return web.json_response(_refusal(400, str(reason)), status=400)
    call.note("request", text=asked["transcript"], model=asked["model_id"])
    pcm = await call.board.voice(asked["transcript"], voice.rate)
    in_wav = asked["output_format"]["container"] == "wav"
    data = speech.wav(pcm, voice.rate) if in_wav else await voice.encoded(pcm)
    body = call.body({"Content-Type": "audio/wav" if in_wav else "application/octet-stream"})
    await call.play(speech.chunks(data, len(pcm) / voice.rate), body.write, **call.as_voice())
    return await body.end()


async def _converse(call: Call) -> web.StreamResponse:
    if "cartesia_version" not in call.request.query:
        return web.json_response(_refusal(400, "cartesia_version is required"), status=400)
    return await _Contexts(call).run()


class _Contexts:
    def __init__(self, call: Call) -> None:
        self._call = call
        self._open: dict[str, Answer] = {}

    async def run(self) -> web.WebSocketResponse:
        self._websocket = await self._call.accept()
        async for message in self._websocket:
            if message.type is WSMsgType.TEXT:
                await self._obey(json.loads(message.data))
        return self._websocket

    async def _obey(self, said: dict[str, Any]) -> None:
        name = str(said.get("context_id", ""))
        if said.get("cancel"):
            if context := self._open.pop(name, None):
                context.cancel()
            return
        try:
            context = self._open.get(name) or self._new(name, said)
        except (ValueError, KeyError) as reason:
            await self._error(name, 400, str(reason))
            return
        context.say(said["transcript"])
        if not said.get("continue"):
            self._open.pop(name, None)
            context.end()

    def _new(self, name: str, said: dict[str, Any]) -> Answer:
        voice, timed = _voice_of(said), bool(said.get("add_timestamps"))

        async def send(piece: Piece) -> None:
            data = base64.b64encode(piece.data).decode()
            await self._send("chunk", name, 206, data=data, step_time=1.0)
            if piece.first and timed:
                await self._send("timestamps", name, 206, word_timestamps=_timestamps(piece))

        async def done() -> None:
            await self._send("done", name, 200, done=True)

        async def failed(status: int) -> None:
            await self._error(name, status, REASONS[status])

        self._open[name] = Answer(self._call, voice, send=send, done=done, failed=failed)
        return self._open[name]

    async def _error(self, name: str, status: int, said: str) -> None:
        self._open.pop(name, None)
        await self._send("error", name, status, done=True, title=said, error=said)

    async def _send(self, kind: str, name: str, status: int, **said: Any) -> None:
        message = {"type": kind, "context_id": name, "status_code": status, "done": False}
        await self._websocket.send_json(message | said)


def _timestamps(piece: Piece) -> dict[str, Any]:
    return {
        "words": [word.text for word in piece.words],
        "start": [word.start for word in piece.words],
        "end": [word.end for word in piece.words],
    }
