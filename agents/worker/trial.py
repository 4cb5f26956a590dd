"""Asks one provider for something small and real: for “Try it”, and to see whether one is back."""

import asyncio
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from livekit import rtc
from livekit.agents import APIStatusError, llm, stt
from livekit.agents.utils import http_context

from agents.plan import CallPlan, PlanError, Stage
from agents.providers import Role
from agents.seal import SealBroken, unseal
from agents.worker import pipeline
from agents.worker.chain.members import ONCE, Member
from agents.worker.chain.speaking import synthesised
from agents.worker.embedded import flite
from agents.worker.prepared import narrow

LIMIT_S = 15.0
SPOKEN = "When are you open?"  # the recogniser is asked to understand this
ASKED = "Answer with the one word “ready”."
MOST_TEXT = 300

NOBODY = CallPlan(
    project="trial", name="Trial", language="en", greeting="", instructions="", ask_back="",
    apology="", handover="", goodbye="", stt=(), llm=(), tts=(),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    ok: bool
    ms: int  # until the first result
    text: str = ""  # what was understood or answered
    error: str = ""  # in the provider's own words
    sound: rtc.AudioFrame | None = None


async def attempt(
    role: Role, stage: Stage, *, folder: Path, seal_keys: list[str], language: str = "en",
    text: str = "", limit_s: float = LIMIT_S,
) -> Outcome:  # fmt: skip
    """Never raises. `text` is what a voice says or a model is asked."""
    began = time.monotonic()
    plan = replace(NOBODY, language=language)
    try:
        async with http_context.open(), asyncio.timeout(limit_s):
            engine = pipeline.build(role, stage, pipeline.Workshop(plan, folder, seal_keys))
            try:
                outcome: Outcome = await _ASK[role](Member(role, stage, engine), text)
                return outcome
            finally:
                await engine.aclose()
    except Exception as reason:
        words = without_key(words_of(reason, limit_s), stage, seal_keys)
        return Outcome(ok=False, ms=_since(began), error=words)


async def _understand(member: Member, text: str) -> Outcome:
    pcm = await flite.speak(text or SPOKEN, voice="slt")
    sound = rtc.AudioFrame(pcm, flite.RATE, 1, len(pcm) // 2)
    began = time.monotonic()
    heard = await (_streamed if member.engine.capabilities.streaming else _whole)(member, sound)
    return Outcome(ok=bool(heard), ms=_since(began), text=heard, error="" if heard else NOTHING)


NOTHING = "It answered, but understood nothing of a clear sentence."


async def _whole(member: Member, sound: rtc.AudioFrame) -> str:
    event = await member.engine.recognize([sound], conn_options=ONCE)
    return event.alternatives[0].text if event.alternatives else ""


async def _streamed(member: Member, sound: rtc.AudioFrame) -> str:
    quiet = rtc.AudioFrame(bytes(2 * flite.RATE), flite.RATE, 1, flite.RATE)
    async with member.engine.stream(conn_options=ONCE) as stream:
        for piece in (sound, quiet):
            stream.push_frame(piece)
        async for event in stream:
            if event.type == stt.SpeechEventType.FINAL_TRANSCRIPT and event.alternatives[0].text:
                return str(event.alternatives[0].text)
    return ""


async def _answer(member: Member, text: str) -> Outcome:
    context = llm.ChatContext.empty()
    context.add_message(role="user", content=text or ASKED)
    began = time.monotonic()
    first, said = 0, ""
    async with member.engine.chat(chat_ctx=context, conn_options=ONCE) as stream:
        async for chunk in stream:
            first = first or (_since(began) if chunk.has_response() else 0)
            said += (chunk.delta.content or "") if chunk.delta else ""
    return Outcome(ok=True, ms=first or _since(began), text=said.strip()[:MOST_TEXT])


async def _speak(member: Member, text: str) -> Outcome:
    began = time.monotonic()
    first, frames = 0, []
    async for sound in synthesised(member, text or "Hello, this is how I sound on the telephone."):
        first = first or _since(began)
        frames.append(sound)
    whole = narrow(rtc.combine_audio_frames(frames))
    return Outcome(ok=True, ms=first, sound=whole)


_ASK: dict[Role, Any] = {Role.STT: _understand, Role.LLM: _answer, Role.TTS: _speak}


def words_of(reason: BaseException, limit_s: float) -> str:
    if isinstance(reason, PlanError | SealBroken):
        return str(reason)
    if isinstance(reason, TimeoutError):
        return f"No answer within {limit_s:.0f} s."
    if isinstance(reason, APIStatusError):
        body = f" {reason.body}" if reason.body and str(reason.body) not in reason.message else ""
        return f"{reason.status_code}: {reason.message}{body}"[:MOST_TEXT]
    return f"{type(reason).__name__}: {reason}"[:MOST_TEXT]


def without_key(words: str, stage: Stage, seal_keys: list[str]) -> str:
    """Some providers repeat a wrong key in their answer."""
    try:
        key = unseal(stage.sealed_key, keys=seal_keys)
    except SealBroken:
        return words
    return words.replace(key, "…") if key else words


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
