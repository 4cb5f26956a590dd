"""Deepgram Flux (listen v2): turns, with an early guess at their end where it is asked for."""

import uuid
from typing import Any

from aiohttp import web

from tests.emulators.calls import Call
from tests.emulators.hearing import Heard
from tests.emulators.queries import Asked, Refused, boolean, number, one_of, text
from tests.emulators.streaming import Conversation, confidence

_QUERY: dict[str, Asked] = {
    "model": text(r"flux-general-(en|multi)"), "encoding": one_of("linear16"),
    "sample_rate": number(8000, 48_000), "eager_eot_threshold": number(0.3, 0.9),
    "eot_threshold": number(0.5, 0.9), "eot_timeout_ms": number(500, 10_000),
    "keyterm": text(), "tag": text(), "language_hint": text(),
    "redact": one_of("numbers", "aggressive_numbers"),
    **dict.fromkeys(("numerals", "profanity_filter", "mip_opt_out"), boolean()),
}  # fmt: skip
_EVENTS = {
    "start": "StartOfTurn", "tick": "Update", "pause": "EagerEndOfTurn", "resume": "TurnResumed",
    "end": "EndOfTurn",
}  # fmt: skip


async def listen(call: Call) -> web.StreamResponse:
    try:
        asked = Refused.unless(_QUERY, call.request.query)
        if float(asked.get("eager_eot_threshold", 0)) > float(asked.get("eot_threshold", 0.7)):
            raise Refused("eager_eot_threshold must not exceed eot_threshold")
    except Refused as reason:
        said = {"err_code": "INVALID_QUERY_PARAMETER", "err_msg": str(reason)}
        return web.json_response(said, status=400)
    call.note("request", **asked)
    return await _Turns(call, asked).run()


class _Turns(Conversation):
    def __init__(self, call: Call, asked: dict[str, str]) -> None:
        super().__init__(call, int(asked.get("sample_rate", 16_000)))
        self._eager = "eager_eot_threshold" in asked
        self._id, self._sequence, self._turn, self._ticks = str(uuid.uuid4()), 0, 0, 0

    async def opened(self) -> None:
        self.send("connected", self._said("Connected"))

    def tell(self, heard: Heard) -> None:
        if heard.what == "tick":
            self._ticks += 1
            if self._ticks % 2 == 0 and heard.text:  # each 200 ms
                self.send("interim", self._info(heard))
        elif heard.what == "start":
            self.send("speech started", self._info(heard))
        elif heard.what == "end":
            self.send("final", self._info(heard), self.due(heard))
            self._turn += 1
        elif self._eager:
            self.send("eager" if heard.what == "pause" else "resumed", self._info(heard))

    async def control(self, said: dict[str, Any]) -> bool:
        kind = said.get("type")
        if kind == "Configure":
            self._configure(said)
        elif kind != "CloseStream":
            raise ValueError(f"UNPARSABLE_CLIENT_MESSAGE: {kind!r}")
        elif heard := self.listener.finish():
            self.tell(heard)
        if kind == "CloseStream":
            await self.all_sent()
        return kind != "CloseStream"

    def _configure(self, said: dict[str, Any]) -> None:
        wanted = {name: said[name] for name in said if name != "type"}
        if "eager_eot_threshold" in wanted.get("thresholds", {}):
            self._eager = wanted["thresholds"]["eager_eot_threshold"] is not None
        self.send("configured", self._said("ConfigureSuccess") | wanted)

    def _info(self, heard: Heard) -> dict[str, Any]:
        listed = [
            {"word": word.text, "start": word.start, "end": word.end, "confidence": 0.98}
            for word in heard.words
        ]
        certain = {"end": 0.95, "pause": 0.6}.get(heard.what, 0.05)
        return self._said("TurnInfo") | {
            "event": _EVENTS[heard.what], "turn_index": self._turn, "transcript": heard.text,
            "words": listed, "end_of_turn_confidence": certain * bool(confidence(heard.words)),
            "audio_window_start": heard.start, "audio_window_end": heard.end,
        }  # fmt: skip

    def _said(self, kind: str) -> dict[str, Any]:
        self._sequence += 1
        return {"type": kind, "request_id": self._id, "sequence_id": self._sequence - 1}
