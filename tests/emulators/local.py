"""Speech servers of one's own which speak no known protocol: JSON in, a sound file out.

Piper over Wyoming is in wyoming.py; whisper, Kokoro and the LLM servers are in openai.py.
"""

import struct
from typing import Any

from aiohttp import web

from tests.emulators import speech
from tests.emulators.calls import Call, anybody, served
from tests.emulators.core import Board

PIPER_RATE, MELO_RATE, ZONOS_RATE = 22_050, 44_100, 44_100
MELO_SPEAKERS = {
    "EN": {"EN-US", "EN-BR", "EN_INDIA", "EN-AU", "EN-Default"},
    "ES": {"ES"}, "FR": {"FR"}, "ZH": {"ZH"}, "JP": {"JP"}, "KR": {"KR"},
}  # fmt: skip


def routes(board: Board) -> list[web.RouteDef]:
    def of(name: str, work: Any) -> Any:
        return served(board, "tts", name, work, key=anybody, refusal=_refused)

    return [
        web.get("/piper/", of("piper", _page)),
        web.post("/piper/synthesize", of("piper", _piper)),
        web.post("/piper14/", of("piper14", _piper)),  # before there was /synthesize
        web.post("/melotts/convert/tts", of("melotts", _melotts)),
        web.post("/zonos/v1/audio/speech", of("zonos", _zonos)),
    ]


def _refused(_: int, text: str) -> dict[str, Any]:
    return {"detail": text}


async def _page(_: Call) -> web.StreamResponse:
    return web.Response(text="Piper", content_type="text/html")


async def _piper(call: Call) -> web.StreamResponse:
    asked = await call.request.json()
    pcm = await call.board.voice(asked["text"], PIPER_RATE)
    return await _answered(call, "text/html", speech.wav(pcm, PIPER_RATE), len(pcm) / PIPER_RATE)


async def _melotts(call: Call) -> web.StreamResponse:
    asked = await call.request.json()
    call.note("request", language=asked["language"], voice=asked["speaker_id"])
    if asked["speaker_id"] not in MELO_SPEAKERS[asked["language"]]:
        return web.Response(status=500, text="Internal Server Error")
    pcm = await call.board.voice(asked["text"], MELO_RATE)
    # what this server calls MPEG is a WAV file
    return await _answered(call, "audio/mpeg", speech.wav(pcm, MELO_RATE), len(pcm) / MELO_RATE)


async def _zonos(call: Call) -> web.StreamResponse:
    asked = await call.request.json()
    call.note("request", model=asked["model"], language=asked["language"])
    if voice := asked.get("voice"):
        detail = {"detail": f"Voice '{voice}' not found."}
        return web.json_response(detail, status=404)
    if asked["language"] not in {"en-us", "en-gb", "de", "fr-fr", "es"}:
        return web.json_response({"detail": "Failed to generate speech"}, status=500)
    pcm = await call.board.voice(asked["input"], ZONOS_RATE)
    return await _answered(call, "audio/wav", _float_wav(pcm), len(pcm) / ZONOS_RATE)


async def _answered(call: Call, kind: str, data: bytes, seconds: float) -> web.StreamResponse:
    body = call.body({"Content-Type": kind})
    await call.play(speech.chunks(data, seconds), body.write, **call.as_voice())
    return await body.end()


def _float_wav(pcm: speech.Pcm) -> bytes:
    """Floating numbers, as torchaudio writes them."""
    samples = (pcm / 32768).astype("<f4").tobytes()
    form = struct.pack("<HHIIHH", 3, 1, ZONOS_RATE, ZONOS_RATE * 4, 4, 32)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form
    chunks += b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks
