"""AssemblyAI streaming v3."""

import time
import uuid
from typing import Any

from aiohttp import web

from tests.emulators.calls import Call, served
from tests.emulators.core import Board, words
from tests.emulators.hearing import Heard, Word
from tests.emulators.queries import Asked, Refused, boolean, number, one_of, text
from tests.emulators.streaming import FAULTS, Conversation

_QUERY: dict[str, Asked] = {
    "sample_rate": number(8000, 48_000), "encoding": one_of("pcm_s16le"),
    "speech_model": text(
        "universal-streaming-(english|multilingual)|u3-rt-pro(-beta-1)?|universal-3-[56]-pro"
    ),
    "end_of_turn_confidence_threshold": number(0, 1), "vad_threshold": number(0, 1),
    "min_turn_silence": number(0, 60_000), "max_turn_silence": number(0, 60_000),
    "interruption_delay": number(0, 1000), "previous_context_n_turns": number(0, 100),
    "max_speakers": number(1, 10), "voice_focus_threshold": number(0, 1),
    "keyterms_prompt": text(), "prompt": text(), "language_codes": text(), "domain": text(),
    "agent_context": text(r"(?s).{1,1750}"), "voice_focus": one_of("near-field", "far-field"),
    "mode": one_of("min_latency", "balanced", "max_accuracy"), "token": text(),
    **dict.fromkeys(
        ("format_turns", "continuous_partials", "language_detection", "speaker_labels"), boolean()
    ),
}  # fmt: skip
_CHANGES = ("UpdateConfiguration", "KeepAlive")


def routes(board: Board) -> list[web.RouteDef]:
    # a wrong key is told on a socket which opened: see _listen
    listen = served(board, "stt", "assemblyai", _listen, key=_anyhow, kinds=FAULTS)
    return [web.get("/assemblyai/v3/ws", listen)]


def _anyhow(_: web.Request) -> str:
    return "looked at later"


async def _listen(call: Call) -> web.StreamResponse:
    query = call.request.query
    key = call.request.headers.get("Authorization") or query.get("token", "")
    if not key or key.startswith("bad"):
        return await _closed(call, 1008, "Unauthorized Connection: Missing Authorization header")
    try:
        asked = Refused.unless(_QUERY, query)
        if "sample_rate" not in asked or "speech_model" not in asked:
            raise Refused("sample_rate and speech_model are required")
    except Refused as reason:
        return await _closed(call, 3006, f"Invalid Message: {reason}")
    call.note("request", **asked)
    return await _Session(call, asked).run()


async def _closed(call: Call, code: int, reason: str) -> web.WebSocketResponse:
    websocket = await call.accept()
    await websocket.send_json({"type": "Error", "error_code": code, "error": reason})
    await websocket.close(code=code, message=reason.encode()[:120])
    return websocket


class _Session(Conversation):
    def __init__(self, call: Call, asked: dict[str, str]) -> None:
        super().__init__(call, int(asked["sample_rate"]))
        self._newest = asked["speech_model"].startswith(("u3", "universal-3"))
        self._format = asked.get("format_turns") == "true"
        self._turn = 0

    async def opened(self) -> None:
        said = {"type": "Begin", "id": str(uuid.uuid4()), "expires_at": int(time.time()) + 10_800}
        self.send("begin", said)

    async def fail(self, code: int, reason: str) -> None:
        await self.websocket.send_json({"type": "Error", "error_code": 3006, "error": reason})
        await super().fail(3006, reason)

    def tell(self, heard: Heard) -> None:
        if heard.what == "start" and self._newest:
            said = {"type": "SpeechStarted", "timestamp": round(heard.start * 1000)}
            self.send("speech started", said | {"confidence": 0.9})
        elif heard.what == "tick" and heard.text:
            self.send("interim", self._said(heard, end=False, formatted=self._newest))
        elif heard.what == "end":
            self._tell_end(heard)

    def _tell_end(self, heard: Heard) -> None:
        due = self.due(heard)
        if self._newest or not self._format:
            self.send("final", self._said(heard, end=True, formatted=self._newest), due)
        else:
            self.send("unformatted", self._said(heard, end=True, formatted=False), due)
            self.send("final", self._said(heard, end=True, formatted=True), due)
        self._turn += 1

    async def control(self, said: dict[str, Any]) -> bool:
        kind = said.get("type")
        if kind not in ("ForceEndpoint", "Terminate", *_CHANGES):
            raise ValueError(f"Invalid Message Type: {kind}")
        if kind not in _CHANGES and (heard := self.listener.finish()):
            self.tell(heard)
        if kind == "Terminate":
            self.send("termination", {
                "type": "Termination", "audio_duration_seconds": round(self.listener.seconds),
                "session_duration_seconds": round(time.monotonic() - self.call.begun),
            })  # fmt: skip
            await self.all_sent()
        return kind != "Terminate"

    def _said(self, heard: Heard, *, end: bool, formatted: bool) -> dict[str, Any]:
        transcript = heard.text if formatted else words(heard.text)
        return {
            "type": "Turn", "turn_order": self._turn, "turn_is_formatted": formatted,
            "end_of_turn": end, "end_of_turn_confidence": 1.0 if end else 0.02,
            "transcript": transcript, "utterance": transcript if end else "",
            "words": [_word(word, end=end, formatted=formatted) for word in heard.words],
        }  # fmt: skip


def _word(word: Word, *, end: bool, formatted: bool) -> dict[str, Any]:
    return {
        "text": word.text if formatted else words(word.text), "confidence": 0.98,
        "start": round(word.start * 1000), "end": round(word.end * 1000), "word_is_final": end,
    }  # fmt: skip
