"""Asks a project's language models about a finished call: one after another until one answers."""

import asyncio
from typing import Any

from livekit.agents import APIStatusError, llm
from livekit.agents.types import NOT_GIVEN
from livekit.agents.utils import http_context

from agents.plan import Stage
from agents.providers import Role
from agents.worker import pipeline
from agents.worker.chain.members import ONCE
from agents.worker.config import Config
from agents.worker.trial import NOBODY, without_key, words_of

LIMIT_S = 110.0  # for the whole chain; the control plane gives up after three minutes
EACH_S = 50.0
MOST = 40_000  # characters of an answer
# they take a JSON Schema for their answer, or say in an error that this model does not
_SCHEMA = frozenset({"openai-llm", "groq-llm", "ollama", "vllm", "llama-cpp"})


async def ask(wish: dict[str, Any], config: Config) -> dict[str, Any]:
    """The outcome to be told. Raises only what is a mistake of ours."""
    stages = [Stage(**stage) for stage in wish["stages"]]
    errors: list[str] = []
    try:
        async with http_context.open(), asyncio.timeout(LIMIT_S):
            for stage in stages:
                outcome = await _ask_one(stage, wish, config)
                if outcome["ok"]:
                    return outcome
                errors.append(f"{stage.account or stage.provider}: {outcome['error']}")
    except TimeoutError:
        errors.append(f"No answer within {LIMIT_S:.0f} s.")
    return {"ok": False, "error": " ".join(errors)[:500]}


async def _ask_one(stage: Stage, wish: dict[str, Any], config: Config) -> dict[str, Any]:
    keys = list(config.seal_keys)
    try:
        workshop = pipeline.Workshop(NOBODY, config.data_dir, keys)
        engine = pipeline.build(Role.LLM, stage, workshop)
        try:
            async with asyncio.timeout(EACH_S):
                text, usage = await _said(engine, stage, wish)
        finally:
            await engine.aclose()
    except Exception as reason:
        return {"ok": False, "error": without_key(words_of(reason, EACH_S), stage, keys)}
    model = str(stage.options.get("model") or getattr(engine, "model", ""))
    return {
        "ok": True, "text": text, "usage": usage, "provider": stage.provider, "model": model,
        "account": stage.account,
    }  # fmt: skip


async def _said(
    engine: llm.LLM[Any], stage: Stage, wish: dict[str, Any]
) -> tuple[str, dict[str, int]]:
    if stage.provider not in _SCHEMA:
        return await _chat(engine, wish, None)
    try:
        return await _chat(engine, wish, _format(wish["schema"]))
    except APIStatusError as refusal:
        if refusal.status_code not in {400, 422}:
            raise
        return await _chat(engine, wish, None)  # a server or model which knows no schemas


def _format(schema: dict[str, Any]) -> dict[str, Any]:
    shape = {"name": "insight", "schema": schema, "strict": True}
    return {"response_format": {"type": "json_schema", "json_schema": shape}}


async def _chat(
    engine: llm.LLM[Any], wish: dict[str, Any], extra: dict[str, Any] | None
) -> tuple[str, dict[str, int]]:
    context = llm.ChatContext.empty()
    context.add_message(role="system", content=str(wish["system"]))
    context.add_message(role="user", content=str(wish["user"]))
    said, usage = "", dict[str, int]()
    stream = engine.chat(
        chat_ctx=context, conn_options=ONCE, extra_kwargs=NOT_GIVEN if extra is None else extra
    )
    async with stream:
        async for chunk in stream:
            said += (chunk.delta.content or "") if chunk.delta else ""
            if chunk.usage:
                usage = {
                    "input_tokens": chunk.usage.prompt_tokens,
                    "cached_tokens": chunk.usage.prompt_cached_tokens,
                    "output_tokens": chunk.usage.completion_tokens,
                }
            if len(said) > MOST:
                break  # whatever this is, it is no answer
    return said[: MOST + 1], usage
