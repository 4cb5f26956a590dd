"""ElevenLabs: the multi-context WebSocket, and the streamed HTTP answer."""

import base64
import json
import re
from typing import Any

from aiohttp import WSMsgType, web

from tests.emulators import speech
from tests.emulators.calls import REASONS, Call, header, served
from tests.emulators.core import AT_THE_DOOR, Board
from tests.emulators.queries import Asked, Refused, boolean, number, one_of, text
from tests.emulators.speaking import Answer, Piece, Voice

_FORMAT = re.compile(r"pcm_(\d+)|mp3_(\d+)_(\d+)")
_COMMON: dict[str, Asked] = {
    "output_format": text(_FORMAT.pattern), "enable_logging": boolean(),
    "optimize_streaming_latency": number(0, 4),
}  # fmt: skip
_SOCKET: dict[str, Asked] = _COMMON | {
    "model_id": text(r"eleven_\w+"), "language_code": text(r"[a-z]{2,3}"),
    "inactivity_timeout": number(1, 180), "apply_text_normalization": one_of("auto", "on", "off"),
    **dict.fromkeys(
        ("enable_ssml_parsing", "sync_alignment", "auto_mode",
         "apply_language_text_normalization"), boolean(),
    ),
}  # fmt: skip
_ENOUGH = 120  # characters which are spoken without a flush


def routes(board: Board) -> list[web.RouteDef]:
    def of(work: Any, **more: Any) -> Any:
        return served(
            board, "tts", "elevenlabs", work, key=header("xi-api-key"), refusal=_refusal, **more
        )

    root = "/elevenlabs/v1/text-to-speech/{voice}"
    return [
        web.get(f"{root}/multi-stream-input", of(_converse, kinds=AT_THE_DOOR)),
        web.post(f"{root}/stream", of(_stream)),
        web.post(root, of(_stream)),
        web.get("/elevenlabs/v1/voices", of(_voices)),
    ]


def _refusal(status: int, said: str) -> dict[str, Any]:
    names = {401: "invalid_api_key", 429: "too_many_concurrent_requests"}
    return {"detail": {"status": names.get(status, "error"), "message": said}}


def _voice_of(query: dict[str, str]) -> Voice:
    found = _FORMAT.fullmatch(query.get("output_format", "mp3_44100_128"))
    assert found is not None
    pcm, mp3, kbps = found.groups()
    return Voice(int(pcm)) if pcm else Voice(int(mp3), int(kbps))


async def _voices(_: Call) -> web.StreamResponse:
    voice = {"voice_id": "emulated", "name": "Emulated", "category": "premade"}
    return web.json_response({"voices": [voice]})


async def _stream(call: Call) -> web.StreamResponse:
    try:
        voice = _voice_of(Refused.unless(_COMMON, call.request.query))
        asked = await call.request.json()
        said = str(asked["text"])
    except (ValueError, KeyError) as reason:
        return web.json_response(_refusal(422, str(reason)), status=422)
    call.note("request", text=said, model=asked.get("model_id"))
    pcm = await call.board.voice(said, voice.rate)
    body = call.body({"Content-Type": "audio/mpeg" if voice.kbps else "audio/pcm"})
    parts = speech.chunks(await voice.encoded(pcm), len(pcm) / voice.rate)
    await call.play(parts, body.write, **call.as_voice())
    return await body.end()


async def _converse(call: Call) -> web.StreamResponse:
    try:
        voice = _voice_of(Refused.unless(_SOCKET, call.request.query))
    except Refused as reason:
        return web.json_response(_refusal(400, str(reason)), status=400)
    return await _Contexts(call, voice).run()


class _Context:
    def __init__(self, answer: Answer) -> None:
        self.answer, self.text = answer, ""

    def take(self, text: str, *, flush: bool) -> None:
        self.text += text
        if flush or len(self.text) >= _ENOUGH:
            self.answer.say(self.text)
            self.text = ""


class _Contexts:
    def __init__(self, call: Call, voice: Voice) -> None:
        self._call, self._voice = call, voice
        self._open: dict[str, _Context] = {}

    async def run(self) -> web.WebSocketResponse:
        self._websocket = await self._call.accept()
        async for message in self._websocket:
            if message.type is not WSMsgType.TEXT or not self._obey(json.loads(message.data)):
                break
        await self._websocket.close()
        return self._websocket

    def _obey(self, said: dict[str, Any]) -> bool:
        name = str(said.get("context_id") or "default")
        if said.get("close_context"):
            if context := self._open.pop(name, None):
                context.take("", flush=True)
                context.answer.end()
        elif not said.get("close_socket"):
            if name not in self._open:
                self._open[name] = _Context(self._new(name))
            self._open[name].take(said.get("text", ""), flush=bool(said.get("flush")))
        return not said.get("close_socket")

    def _new(self, name: str) -> Answer:
        async def send(piece: Piece) -> None:
            times = _alignment(piece) if piece.first else None
            audio = base64.b64encode(piece.data).decode()
            said = {"audio": audio, "alignment": times, "normalizedAlignment": times}
            await self._websocket.send_json(said | {"isFinal": None, "contextId": name})

        async def done() -> None:
            await self._websocket.send_json({"isFinal": True, "contextId": name})

        async def failed(status: int) -> None:
            self._open.pop(name, None)
            said = {"message": REASONS[status], "error": REASONS[status], "code": status}
            await self._websocket.send_json(said | {"contextId": name})

        return Answer(self._call, self._voice, send=send, done=done, failed=failed)


def _alignment(piece: Piece) -> dict[str, list[Any]]:
    """Each character in its turn."""
    each = (piece.end - piece.start) * 1000 / max(1, len(piece.text))
    starts = [round(piece.start * 1000 + each * n) for n in range(len(piece.text))]
    return {
        "chars": list(piece.text),
        "charStartTimesMs": starts,
        "charDurationsMs": [round(each)] * len(piece.text),
    }
