"""OpenAI's chat completions, speech and transcriptions, and everybody who speaks as OpenAI does."""

import base64
import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from aiohttp import web

from tests.emulators import speech
from tests.emulators.calls import Call, Key, anybody, bearer, served
from tests.emulators.core import Board, Role
from tests.emulators.dialogue import Answer, identity

# provider → its API root and the roles it plays
ROOTS: dict[str, tuple[str, set[Role]]] = {
    "openai": ("/openai/v1", {"stt", "llm", "tts"}),
    "groq": ("/groq/openai/v1", {"stt", "llm"}),
    "mistral": ("/mistral/v1", {"llm"}),
    "ollama": ("/ollama/v1", {"llm"}),
    "vllm": ("/vllm/v1", {"llm"}),
    "llamacpp": ("/llamacpp/v1", {"llm"}),
    "whisper": ("/whisper/v1", {"stt"}),
    "kokoro": ("/kokoro/v1", {"tts"}),
}
CLOUD = {"openai", "groq", "mistral"}
RATE = 24_000  # of “pcm”
TYPES = {
    401: ("invalid_request_error", "invalid_api_key"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
}


def routes(board: Board) -> list[web.RouteDef]:
    return [
        route for name, (root, roles) in ROOTS.items() for route in _of(board, name, root, roles)
    ]


def _of(board: Board, name: str, root: str, roles: set[Role]) -> Iterator[web.RouteDef]:
    refusal = _refused_by_mistral if name == "mistral" else refused
    key: Key = bearer if name in CLOUD else anybody
    as_served = partial(served, board, key=key, refusal=refusal)
    yield web.get(f"{root}/models", as_served("llm", name, _models, kinds=frozenset()))
    if "llm" in roles:
        yield web.post(f"{root}/chat/completions", as_served("llm", name, _chat))
    if "tts" in roles:
        yield web.post(f"{root}/audio/speech", as_served("tts", name, _speech))
    if "stt" in roles:
        yield web.post(f"{root}/audio/transcriptions", as_served("stt", name, _transcription))


def refused(status: int, text: str) -> dict[str, Any]:
    kind, code = TYPES[status]
    return {"error": {"message": text, "type": kind, "param": None, "code": code}}


def _refused_by_mistral(status: int, text: str) -> dict[str, Any]:
    if status == 401:
        return {"detail": "Unauthorized"}
    return {"object": "error", "message": text, "type": TYPES[status][0], "code": str(status)}


async def _models(call: Call) -> web.StreamResponse:
    model: dict[str, Any] = {
        "id": "emulated",
        "object": "model",
        "created": 1,
        "owned_by": "emulator",
    }
    if call.provider == "mistral":
        model |= {"type": "base", "capabilities": {"completion_chat": True}}
    return web.json_response({"object": "list", "data": [model]})


def _headers(call: Call, kind: str) -> dict[str, str]:
    named = {"x-request-id": identity("req_")} if call.provider in CLOUD else {}
    return {"Content-Type": kind} | named


# --- chat


async def _chat(call: Call) -> web.StreamResponse:
    asked = await call.request.json()
    offered = {tool["function"]["name"] for tool in asked.get("tools") or []}
    strict = any(tool["function"].get("strict") for tool in asked.get("tools") or [])
    call.note("request", model=asked["model"], strict=strict)
    answer = Answer.to(asked["messages"], call.board.script, offered)
    stream = _Stream(asked, answer, mistral=call.provider == "mistral")
    body = call.body(_headers(call, "text/event-stream; charset=utf-8"))
    due = await call.play(stream.pieces(), body.write, what="token", **call.as_tokens())
    await call.at(due, "end", body.write, stream.end())
    return await body.end()


class _Stream:
    """The events of one completion. Mistral sends a tool call whole, and the usage with the end."""

    def __init__(self, asked: dict[str, Any], answer: Answer, *, mistral: bool) -> None:
        self._answer, self._mistral = answer, mistral
        self._head = {
            "id": identity("chatcmpl-"), "object": "chat.completion.chunk",
            "created": int(time.time()), "model": asked["model"],
        }  # fmt: skip
        self._call = identity("call_")[: 9 if mistral else None]
        self._usage_wanted = bool((asked.get("stream_options") or {}).get("include_usage"))

    def pieces(self) -> Iterator[bytes]:
        for n, delta in enumerate(self._deltas()):
            yield self._chunk({"role": "assistant", **delta} if n == 0 else delta)

    def _deltas(self) -> Iterator[dict[str, Any]]:
        answer = self._answer
        if not answer.tool:
            yield from ({"content": token} for token in answer.tokens)
            return
        whole = "".join(answer.tokens)
        yield self._of_tool(whole if self._mistral else "", name=answer.tool)
        if not self._mistral:
            yield from map(self._of_tool, answer.tokens)

    def _of_tool(self, arguments: str, name: str = "") -> dict[str, Any]:
        call: dict[str, Any] = {"index": 0, "function": {"arguments": arguments}}
        if name:
            call |= {"id": self._call, "type": "function"}
            call["function"]["name"] = name
        return {"content": None if name else "", "tool_calls": [call]}

    def end(self) -> bytes:
        reason = "tool_calls" if self._answer.tool else "stop"
        if self._mistral:
            return self._chunk({"content": ""}, reason, usage=self._usage()) + DONE
        usage = event(self._head | {"choices": [], "usage": self._usage()})
        return self._chunk({}, reason) + (usage if self._usage_wanted else b"") + DONE

    def _usage(self) -> dict[str, Any]:
        given, made = self._answer.prompt_tokens, len(self._answer.tokens)
        return {
            "prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made,
            "prompt_tokens_details": {"cached_tokens": self._answer.cached_tokens},
        }  # fmt: skip

    def _chunk(self, delta: dict[str, Any], reason: str | None = None, **more: Any) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return event(self._head | {"choices": [choice]} | more)


DONE = b"data: [DONE]\n\n"


def event(data: dict[str, Any], name: str = "") -> bytes:
    """Of server-sent events."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


# --- speech


async def _speech(call: Call) -> web.StreamResponse:
    asked = await call.request.json()
    pcm = await call.board.voice(asked["input"], RATE)
    kind, data = _encoded(pcm, asked.get("response_format", "mp3"))
    pieces = speech.chunks(data, len(pcm) / RATE)
    if (
        asked.get("stream_format") == "sse" and call.provider == "openai"
    ):  # others know nothing of it
        return await _speak_events(call, pieces, tokens=len(asked["input"].split()))
    body = call.body(_headers(call, kind))
    await call.play(pieces, body.write, **call.as_voice())
    return await body.end()


async def _speak_events(call: Call, pieces: list[bytes], *, tokens: int) -> web.StreamResponse:
    body = call.body(_headers(call, "text/event-stream"))
    events = (
        event({"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()})
        for piece in pieces
    )
    await call.play(events, body.write, **call.as_voice())
    usage = {"input_tokens": tokens, "output_tokens": len(pieces)}
    await body.write(event({"type": "speech.audio.done", "usage": usage}))
    return await body.end()


def _encoded(pcm: speech.Pcm, wanted: str) -> tuple[str, bytes]:
    if wanted == "pcm":
        return "audio/pcm", pcm.tobytes()
    if wanted == "wav":
        return "audio/wav", speech.wav(pcm, RATE)
    return "audio/mpeg", speech.mp3(pcm, RATE)


# --- transcriptions


async def _transcription(call: Call) -> web.StreamResponse:
    form = await call.request.post()
    file = form["file"]
    assert isinstance(file, web.FileField)
    pcm, rate = speech.from_wav(file.file.read())
    call.note("request", model=form["model"], language=form.get("language"))
    call.heard(len(pcm) / rate)
    found: dict[str, Any] = {"text": call.board.script.text_of(pcm, rate) or ""}
    if form.get("response_format") == "verbose_json":
        found |= {"task": "transcribe", "language": "english", "duration": len(pcm) / rate}
    body = call.body(_headers(call, "application/json"))
    due = call.begun + call.delay()
    await call.at(due, "text", body.write, json.dumps(found).encode(), text=found["text"])
    return await body.end()
