"""Deepgram: listen v1 (stream and file) and speak (stream and file). Flux is in flux.py."""

import json
import re
import uuid
from typing import Any

from aiohttp import WSMsgType, web

from tests.emulators import flux, hearing, speech
from tests.emulators.calls import REASONS, Call, header, served
from tests.emulators.core import AT_THE_DOOR, Board, words
from tests.emulators.hearing import Heard, Word, timed
from tests.emulators.queries import Asked, Refused, boolean, number, one_of, text
from tests.emulators.speaking import Answer, Piece, Voice
from tests.emulators.streaming import FAULTS, Conversation, confidence

_COMMON: dict[str, Asked] = {
    "model": text(r"(nova-[123]|nova|enhanced|base|whisper)([-\w]*)"),
    "language": text(r"multi|[a-z]{2,3}(-[\w-]+)?"),
    "keywords": text(), "keyterm": text(), "replace": text(), "search": text(), "redact": text(),
    "tag": text(r".{1,128}"),
    **dict.fromkeys(
        ("punctuate", "smart_format", "profanity_filter", "numerals", "mip_opt_out", "diarize",
         "detect_language", "filler_words", "dictation"), boolean(),
    ),
}  # fmt: skip
_STREAM: dict[str, Asked] = _COMMON | {
    "encoding": one_of("linear16"), "sample_rate": number(8000, 48_000), "channels": one_of("1"),
    "endpointing": text(r"true|false|\d+"), "utterance_end_ms": number(1000, 60_000),
    **dict.fromkeys(("interim_results", "vad_events", "no_delay"), boolean()),
}  # fmt: skip
_SPEAK: dict[str, Asked] = {
    "model": text(r"aura-[-\w]+"), "encoding": one_of("linear16", "mp3"),
    "container": one_of("none", "wav"), "sample_rate": number(8000, 48_000),
    "bit_rate": number(8000, 320_000), "speed": number(0.7, 1.5), "mip_opt_out": boolean(),
}  # fmt: skip
_SENTENCE = re.compile(r".+?[.!?](?=\s)", re.DOTALL)


def routes(board: Board) -> list[web.RouteDef]:
    def of(role: str, work: Any, **more: Any) -> Any:
        return served(
            board, role, "deepgram", work, key=header("Authorization"), refusal=refusal, **more
        )

    return [
        web.get("/deepgram/v1/listen", of("stt", _listen, kinds=FAULTS)),
        web.post("/deepgram/v1/listen", of("stt", _read)),
        web.get("/deepgram/v2/listen", of("stt", flux.listen, kinds=FAULTS)),
        web.get("/deepgram/v1/speak", of("tts", _converse, kinds=AT_THE_DOOR)),
        web.post("/deepgram/v1/speak", of("tts", _speak)),
    ]


def refusal(status: int, said: str) -> dict[str, Any]:
    codes = {400: "Bad Request", 401: "INVALID_AUTH", 429: "TOO_MANY_REQUESTS"}
    code = codes.get(status, "INTERNAL_SERVER_ERROR")
    return {"err_code": code, "err_msg": said, "request_id": str(uuid.uuid4())}


def _bad(reason: Exception) -> web.Response:
    return web.json_response(refusal(400, str(reason)), status=400)


# --- listen


async def _listen(call: Call) -> web.StreamResponse:
    try:
        asked = Refused.unless(_STREAM, call.request.query)
        _words_of_its_model(asked)
    except Refused as reason:
        return _bad(reason)
    call.note("request", **asked)
    return await _Listening(call, asked).run()


def _words_of_its_model(asked: dict[str, str]) -> None:
    """Raises Refused: keywords and key terms are for different models."""
    newest = asked.get("model", "").startswith("nova-3")
    if ("keywords" in asked and newest) or ("keyterm" in asked and not newest):
        raise Refused("keywords are not for nova-3, and keyterm is for nova-3 only")


class _Listening(Conversation):
    idle_s = 10.0  # without audio or KeepAlive
    idle_reason = "NET-0001: no audio data or messages within the timeout window"

    def __init__(self, call: Call, asked: dict[str, str]) -> None:
        super().__init__(call, int(asked.get("sample_rate", 16_000)))
        self._asked = asked
        self._id = str(uuid.uuid4())

    def tell(self, heard: Heard) -> None:
        if heard.what == "start" and self._asked.get("vad_events") == "true":
            said = {"type": "SpeechStarted", "channel": [0, 1], "timestamp": heard.start}
            self.send("speech started", said)
        elif heard.what == "tick" and heard.text and self._asked.get("interim_results") == "true":
            self.send("interim", self._results(heard, final=False))
        elif heard.what == "end":
            self.send("final", self._results(heard, final=True), self.due(heard))

    async def control(self, said: dict[str, Any]) -> bool:
        kind = said.get("type")
        if kind in ("Finalize", "CloseStream"):
            self._finalize(said_so=kind == "Finalize")
        elif kind != "KeepAlive":
            raise ValueError(f"DATA-0000: unknown message {kind!r}")
        if kind == "CloseStream":
            self.send("metadata", {
                "type": "Metadata", "request_id": self._id, "channels": 1,
                "duration": self.listener.seconds,
            })  # fmt: skip
            await self.all_sent()
        return kind != "CloseStream"

    def _finalize(self, *, said_so: bool) -> None:
        now = self.listener.seconds
        heard = self.listener.finish() or Heard("end", "", now, now, 0.0)
        if heard.text or said_so:
            said = self._results(heard, final=True) | {"from_finalize": said_so}
            self.send("final", said, self.due(heard) if heard.text else None)

    def _results(self, heard: Heard, *, final: bool) -> dict[str, Any]:
        endpointing = self._asked.get("endpointing") != "false"
        return {
            "type": "Results", "channel_index": [0, 1], "start": heard.start,
            "duration": heard.end - heard.start, "is_final": final,
            "speech_final": final and endpointing, "from_finalize": False,
            "metadata": {"request_id": self._id},
            "channel": {"alternatives": [alternative(heard.words, self._asked)]},
        }  # fmt: skip


def alternative(spoken: list[Word], asked: dict[str, str]) -> dict[str, Any]:
    """As Deepgram spells it: bare words, unless punctuation was asked for."""
    formatted = "true" in (asked.get("punctuate"), asked.get("smart_format"))
    transcript = " ".join(word.text for word in spoken)
    listed = [
        {"word": words(word.text), "start": word.start, "end": word.end, "confidence": 0.98}
        | ({"punctuated_word": word.text} if formatted else {})
        for word in spoken
    ]
    said = transcript if formatted else words(transcript)
    return {"transcript": said, "confidence": confidence(spoken), "words": listed}


async def _read(call: Call) -> web.StreamResponse:
    """A whole file."""
    try:
        asked = Refused.unless(_COMMON, call.request.query)
        pcm, rate = speech.from_wav(await call.request.read())
    except ValueError as reason:
        return _bad(reason)
    call.heard(len(pcm) / rate)
    said = hearing.text_of(call.board.script.book, pcm, rate) or ""
    channel: dict[str, Any] = {
        "alternatives": [alternative(timed(said.split(), 0, len(pcm) / rate), asked)]
    }
    if asked.get("detect_language") == "true":
        channel["detected_language"] = "en"
    answer = {"metadata": {"request_id": str(uuid.uuid4())}, "results": {"channels": [channel]}}
    body = call.body({"Content-Type": "application/json"})
    await call.at(call.begun + call.delay(), "final", body.write, json.dumps(answer).encode())
    return await body.end()


# --- speak


async def _speak(call: Call) -> web.StreamResponse:
    try:
        asked = Refused.unless(_SPEAK, call.request.query)
        said = str((await call.request.json())["text"])
    except (ValueError, KeyError) as reason:
        return _bad(reason)
    call.note("request", text=said, **asked)
    rate = int(asked.get("sample_rate", 24_000))
    pcm = await call.board.voice(said, rate)
    kind, data = "audio/l16", pcm.tobytes()
    if asked.get("encoding") == "mp3":
        kind, data = "audio/mpeg", speech.mp3(pcm, rate)
    elif asked.get("container", "wav") == "wav":
        kind, data = "audio/wav", speech.wav(pcm, rate)
    body = call.body({"Content-Type": kind, "dg-request-id": str(uuid.uuid4())})
    await call.play(speech.chunks(data, len(pcm) / rate), body.write, **call.as_voice())
    return await body.end()


async def _converse(call: Call) -> web.StreamResponse:
    try:
        asked = Refused.unless(_SPEAK | {"encoding": one_of("linear16")}, call.request.query)
    except Refused as reason:
        return _bad(reason)
    return await _Speaking(call, asked).run()


class _Speaking:
    """Whole sentences are spoken as they come, the rest at Flush."""

    def __init__(self, call: Call, asked: dict[str, str]) -> None:
        self._call = call
        self._voice = Voice(int(asked.get("sample_rate", 24_000)))
        self._model = asked.get("model", "")
        self._text, self._flushes = "", 0
        self._answer: Answer | None = None

    async def run(self) -> web.WebSocketResponse:
        self._websocket = await self._call.accept()
        facts = {"request_id": str(uuid.uuid4()), "model_name": self._model}
        await self._websocket.send_json({"type": "Metadata", **facts})
        async for message in self._websocket:
            if message.type is not WSMsgType.TEXT or not await self._obey(json.loads(message.data)):
                break
        await self._websocket.close()
        return self._websocket

    async def _obey(self, said: dict[str, Any]) -> bool:
        kind = said.get("type")
        if kind == "Speak":
            self._speak(said.get("text", ""))
        elif kind == "Flush":
            self._flush()
        elif kind == "Clear":
            await self._clear()
        elif kind != "Close":
            await self._websocket.send_json(refusal(400, "Unknown message.") | {"type": "Error"})
        return kind != "Close"

    def _speak(self, text: str) -> None:
        self._text += text
        while sentence := _SENTENCE.match(self._text):
            self._now().say(sentence[0])
            self._text = self._text[sentence.end() :]

    def _flush(self) -> None:
        answer = self._now()
        answer.say(self._text)
        answer.end()
        self._text, self._answer = "", None

    async def _clear(self) -> None:
        if self._answer:
            self._answer.cancel()
        self._text, self._answer = "", None
        await self._websocket.send_json({"type": "Cleared", "sequence_id": self._flushes})

    def _now(self) -> Answer:
        """The answer being spoken, or a new one."""
        if self._answer is None:
            self._answer = Answer(
                self._call, self._voice, send=self._send, done=self._done, failed=self._failed
            )
        return self._answer

    async def _send(self, piece: Piece) -> None:
        await self._websocket.send_bytes(piece.data)

    async def _done(self) -> None:
        await self._websocket.send_json({"type": "Flushed", "sequence_id": self._flushes})
        self._flushes += 1

    async def _failed(self, status: int) -> None:
        await self._websocket.send_json(refusal(status, REASONS[status]) | {"type": "Error"})
