"""Listens to a finished call's recording with another speech to text, one speaker after another."""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from livekit import rtc
from livekit.agents import stt
from livekit.agents.utils import http_context

from agents.plan import Stage
from agents.providers import Role
from agents.worker import pipeline
from agents.worker.chain.members import ONCE
from agents.worker.config import Config
from agents.worker.desk import Desk
from agents.worker.spoken import RATE, Utterance, utterances
from agents.worker.trial import NOBODY, without_key, words_of

EACH_S = 30.0  # for one utterance
LARGEST = 2 * 2**30  # bytes
QUIET_S = 0.8  # after an utterance, so that a listening recogniser knows that it is over
MOST_FAILED = 5  # utterances in a row


async def retell(wish: dict[str, Any], config: Config, desk: Desk) -> dict[str, Any]:
    """The outcome to be told."""
    stage = Stage(**wish["stages"][0])
    keys = list(config.seal_keys)
    language = str(wish.get("language") or "en")
    try:
        with tempfile.TemporaryDirectory(dir=config.data_dir) as folder:
            path = Path(folder) / "recording"
            await desk.get(str(wish["url"]), path, most=LARGEST)
            workshop = pipeline.Workshop(replace(NOBODY, language=language), config.data_dir, keys)
            async with http_context.open():
                engine = pipeline.build(Role.STT, stage, workshop)
                try:
                    turns, heard_ms = await _all(engine, path)
                finally:
                    await engine.aclose()
    except Exception as reason:
        return {"ok": False, "error": without_key(words_of(reason, EACH_S), stage, keys)}
    return {
        "ok": True, "turns": turns, "usage": {"audio_ms": heard_ms}, "provider": stage.provider,
        "model": str(stage.options.get("model") or getattr(engine, "model", "")),
        "account": stage.account,
    }  # fmt: skip


async def _all(engine: stt.STT[Any], path: Path) -> tuple[list[dict[str, Any]], int]:
    """Each utterance by itself: so its time is ours, whatever the recogniser tells."""
    turns, heard_ms, failed = list[dict[str, Any]](), 0, 0
    source = utterances(path)
    while (said := await asyncio.to_thread(next, source, None)) is not None:
        try:
            async with asyncio.timeout(EACH_S):
                text, confidence = await _understood(engine, said)
        except Exception:
            failed += 1
            if failed >= MOST_FAILED or not turns:
                raise
            continue
        failed, heard_ms = 0, heard_ms + said.ms
        if text:
            turns.append({
                "who": said.who, "text": text, "start_ms": said.start_ms,
                "end_ms": said.start_ms + said.ms, "confidence": confidence,
            })  # fmt: skip
    return turns, heard_ms


async def _understood(engine: stt.STT[Any], said: Utterance) -> tuple[str, float]:
    sound = rtc.AudioFrame(said.pcm, RATE, 1, len(said.pcm) // 2)
    if not engine.capabilities.streaming:
        event = await engine.recognize([sound], conn_options=ONCE)
        return _best([event])
    quiet = bytes(2 * round(RATE * QUIET_S))
    events = []
    async with engine.stream(conn_options=ONCE) as stream:
        for piece in _frames(said.pcm + quiet):
            stream.push_frame(piece)
        stream.end_input()
        async for event in stream:
            if event.type == stt.SpeechEventType.FINAL_TRANSCRIPT:
                events.append(event)
    return _best(events)


def _frames(pcm: bytes) -> list[rtc.AudioFrame]:
    step = 2 * RATE // 10
    parts = (pcm[at : at + step] for at in range(0, len(pcm), step))
    return [rtc.AudioFrame(part, RATE, 1, len(part) // 2) for part in parts]


def _best(events: list[stt.SpeechEvent]) -> tuple[str, float]:
    heard = [event.alternatives[0] for event in events if event.alternatives]
    words = [one for one in heard if one.text.strip()]
    sure = [one.confidence for one in words if one.confidence]
    text = " ".join(one.text.strip() for one in words)
    return text, (sum(sure) / len(sure) if sure else 0.0)
