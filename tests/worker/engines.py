"""Engines of the catalogue's providers against their emulators, and one use of each."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import APIConnectOptions, function_tool, llm, stt
from livekit.agents.utils import http_context

from agents.plan import Stage
from agents.providers import PROVIDERS, Role
from agents.seal import new_key, seal
from agents.worker.pipeline import Workshop, build
from tests.emulators.core import Fault, Script
from tests.emulators.server import Emulators
from tests.worker.plan import a_plan, on_the_phone

ASKED = "What are your opening hours?"
ANSWER = "We are open from nine to six, Monday to Saturday."
WITH_TOOL = "Are you open on Sunday?"
NO_RETRY = APIConnectOptions(max_retry=0, timeout=10)
SEAL = [new_key()]
# slug → the API root of its emulator
AT = {
    "deepgram-stt": "/deepgram", "deepgram-flux": "/deepgram", "deepgram-tts": "/deepgram",
    "openai-stt": "/openai/v1", "openai-llm": "/openai/v1", "openai-tts": "/openai/v1",
    "groq-stt": "/groq/openai/v1", "groq-llm": "/groq/openai/v1",
    "assemblyai-stt": "/assemblyai", "anthropic-llm": "/anthropic", "mistral-llm": "/mistral",
    "cartesia-tts": "/cartesia", "elevenlabs-tts": "/elevenlabs/v1", "whisper": "/whisper/v1",
    "ollama": "/ollama/v1", "vllm": "/vllm/v1", "llama-cpp": "/llamacpp/v1",
    "kokoro": "/kokoro/v1", "piper": "/piper", "melotts": "/melotts", "zonos": "/zonos/v1",
}  # fmt: skip


@asynccontextmanager
async def world(*faults: Fault) -> AsyncIterator[Emulators]:
    """Emulators, and what plugins expect of a job."""
    tools = {WITH_TOOL: {"tool": "opening_hours", "arguments": {"day": "Sunday"}}}
    script = Script.of([ASKED, ANSWER], {ASKED: ANSWER, WITH_TOOL: "No."}, tools=tools)
    async with Emulators("zero", script, faults=list(faults)) as emulators, http_context.open():
        yield emulators


def engine_of(
    slug: str, emulators: Emulators, folder: Path, *, key: str = "k-test", language: str = "en",
    **options: Any,
) -> Any:  # fmt: skip
    """Built as for a call, speaking to its emulator."""
    provider = PROVIDERS[slug]
    if not provider.embedded:
        options = {"base_url": emulators.base + AT[slug]} | options
    sealed = seal(key, keys=SEAL) if provider.needs_key else ""
    stage = Stage(provider=slug, options=options, sealed_key=sealed)
    return build(provider.role, stage, Workshop(a_plan(language=language), folder, SEAL))


async def used(engine: Any, role: Role) -> None:
    """Anything at all, once."""
    if role is Role.STT:
        await heard(engine, await on_the_phone(ASKED))
    elif role is Role.LLM:
        await answered(engine, conversation(ASKED))
    else:
        await spoken(engine, ANSWER, stream=engine.capabilities.streaming)


async def heard(engine: stt.STT[Any], pcm: bytes) -> tuple[list[stt.SpeechEventType], str]:
    """What an STT makes of 16 kHz speech: the kinds of its events, and its final words."""
    frames = [rtc.AudioFrame(part, 16_000, 1, len(part) // 2) for part in _parts(pcm)]
    if not engine.capabilities.streaming:
        event = await engine.recognize(frames, conn_options=NO_RETRY)
        return [event.type], event.alternatives[0].text
    kinds, finals = [], []
    async with engine.stream(conn_options=NO_RETRY) as stream:
        for frame in frames:
            stream.push_frame(frame)
        async for event in stream:  # open until we have heard enough, as in a call
            kinds.append(event.type)
            if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT:
                finals.append(event.alternatives[0].text)
            if finals and stt.SpeechEventType.END_OF_SPEECH in kinds:
                break
    return kinds, " ".join(finals)


def _parts(pcm: bytes) -> list[bytes]:
    """In frames of 20 ms, with the silence in which somebody is done."""
    whole = pcm + bytes(2 * 16_000 * 2)
    return [whole[at : at + 640] for at in range(0, len(whole) - 639, 640)]


@function_tool
async def opening_hours(day: str) -> str:
    """When the shop is open.

    Args:
        day: Of the week.
    """
    return f"{day}: closed"


def conversation(asked: str) -> llm.ChatContext:
    context = llm.ChatContext()
    context.add_message(role="system", content="You answer calls of a bicycle shop.")
    context.add_message(role="user", content=asked)
    return context


def with_result(context: llm.ChatContext, call: llm.FunctionToolCall) -> llm.ChatContext:
    """The conversation after the tool was run."""
    asked = llm.FunctionCall(call_id=call.call_id, name=call.name, arguments=call.arguments)
    found = llm.FunctionCallOutput(
        call_id=call.call_id, name=call.name, output="closed", is_error=False
    )
    context.items += [asked, found]
    return context


async def answered(
    engine: llm.LLM[Any], context: llm.ChatContext, *, conn_options: APIConnectOptions = NO_RETRY
) -> tuple[str, list[llm.FunctionToolCall], llm.CompletionUsage | None]:
    """Text, tool calls and usage of one answer."""
    text, calls, usage = "", [], None
    tools: list[llm.Tool] = [opening_hours]
    async with engine.chat(chat_ctx=context, tools=tools, conn_options=conn_options) as stream:
        async for chunk in stream:
            usage = chunk.usage or usage
            if chunk.delta:
                text += chunk.delta.content or ""
                calls += chunk.delta.tool_calls
    return text, calls, usage


async def spoken(
    engine: Any, text: str, *, stream: bool, conn_options: APIConnectOptions = NO_RETRY
) -> tuple[int, Any]:
    """Rate and samples of what a TTS makes of a text."""
    if stream:
        talk = engine.stream(conn_options=conn_options)
        talk.push_text(text)
        talk.end_input()
    else:
        talk = engine.synthesize(text, conn_options=conn_options)
    async with talk:
        frames = [event.frame async for event in talk]
    (rate,) = {frame.sample_rate for frame in frames}
    return rate, np.concatenate([np.frombuffer(frame.data, np.int16) for frame in frames])


# --- who is talked to

contacted: list[str] = []  # hosts looked up or called by this process


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo":
        contacted.append(str(arguments[0]))
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        contacted.append(str(arguments[1][0]))


sys.addaudithook(_watch)
