"""Anthropic's Messages API, as server-sent events."""

from collections.abc import Iterator
from typing import Any

from aiohttp import web

from tests.emulators.calls import Call, header, served
from tests.emulators.core import Board
from tests.emulators.dialogue import Answer, identity
from tests.emulators.openai import event

TYPES = {401: "authentication_error", 429: "rate_limit_error", 500: "api_error"}


def routes(board: Board) -> list[web.RouteDef]:
    key = header("x-api-key")
    models = served(
        board, "llm", "anthropic", _models, key=key, refusal=_refused, kinds=frozenset()
    )
    messages = served(board, "llm", "anthropic", _messages, key=key, refusal=_refused)
    return [
        web.get("/anthropic/v1/models", models),
        web.post("/anthropic/v1/messages", messages),
    ]


def _refused(status: int, text: str) -> dict[str, Any]:
    said = "invalid x-api-key" if status == 401 else text
    error = {"type": TYPES[status], "message": said}
    return {"type": "error", "error": error, "request_id": identity("req_")}


async def _models(_: Call) -> web.StreamResponse:
    model = {
        "type": "model", "id": "emulated", "display_name": "Emulated",
        "created_at": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    page = {"data": [model], "has_more": False, "first_id": "emulated", "last_id": "emulated"}
    return web.json_response(page)


async def _messages(call: Call) -> web.StreamResponse:
    asked = await call.request.json()
    offered = {tool["name"] for tool in asked.get("tools") or []}
    system = [{"role": "system", "content": asked.get("system", "")}]
    answer = Answer.to(system + asked["messages"], call.board.script, offered)
    body = call.body({"Content-Type": "text/event-stream; charset=utf-8"})
    pieces = _pieces(asked["model"], answer)
    due = await call.play(pieces, body.write, what="token", **call.as_tokens())
    await call.at(due, "end", body.write, _end(answer))
    return await body.end()


def _pieces(model: str, answer: Answer) -> Iterator[bytes]:
    opening = _named("message_start", message=_message(model, answer))
    opening += _named("content_block_start", index=0, content_block=_block(answer))
    opening += _named("ping")
    for n, token in enumerate(answer.tokens):
        delta = (
            {"type": "input_json_delta", "partial_json": token}
            if answer.tool
            else {"type": "text_delta", "text": token}
        )
        piece = _named("content_block_delta", index=0, delta=delta)
        yield opening + piece if n == 0 else piece


def _message(model: str, answer: Answer) -> dict[str, Any]:
    cached = answer.cached_tokens
    usage = {
        "input_tokens": answer.prompt_tokens - cached, "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached, "output_tokens": 1,
    }  # fmt: skip
    return {
        "id": identity("msg_"), "type": "message", "role": "assistant", "model": model,
        "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip


def _block(answer: Answer) -> dict[str, Any]:
    if answer.tool:
        return {"type": "tool_use", "id": identity("toolu_"), "name": answer.tool, "input": {}}
    return {"type": "text", "text": ""}


def _end(answer: Answer) -> bytes:
    reason = {"stop_reason": "tool_use" if answer.tool else "end_turn", "stop_sequence": None}
    return (
        _named("content_block_stop", index=0)
        + _named("message_delta", delta=reason, usage={"output_tokens": len(answer.tokens)})
        + _named("message_stop")
    )


def _named(kind: str, **data: Any) -> bytes:
    return event({"type": kind, **data}, kind)
