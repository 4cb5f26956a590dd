"""A whole conversation of the worker, without a room: real pipeline, emulated providers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from livekit import rtc

from agents.plan import CallPlan, Speed, Stage
from agents.seal import seal
from agents.worker import prepare
from agents.worker.chain.members import Carefree
from agents.worker.conversation import Conversation
from agents.worker.journal import Journal, read
from agents.worker.line import RATE, Ear, Mouth
from tests.fakes.desk import wait_until
from tests.worker.engines import SEAL
from tests.worker.plan import a_plan, on_the_phone

PIECE = 320


def light(**changes: Any) -> CallPlan:
    """A plan which is soon prepared: nobody looks for the meaning of a sentence in it."""
    mind = Stage(
        provider="openai-llm", options={"base_url": "http://127.0.0.1:9/v1"},
        sealed_key=seal("k-test", keys=SEAL),
    )  # fmt: skip
    return a_plan(
        **{"faq": (), "llm": (mind,), "speed": Speed(prewarm=False, faq_cache=False)} | changes
    )


class Loudspeaker:
    """Plays as fast as a telephone, and keeps what it played."""

    def __init__(self) -> None:
        self.played_s = 0.0

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        self.played_s += frame.duration
        await asyncio.sleep(frame.duration * 0.9)

    def clear_queue(self) -> None: ...


class Talk:
    def __init__(self, call: Conversation, ear: Ear, book: Journal) -> None:
        self.call, self.ear, self.book = call, ear, book
        self.ended: list[str] = []

    async def says(self, text: str, *, then_quiet_s: float = 1.0) -> None:
        sound = np.frombuffer(await on_the_phone(text), dtype=np.int16)
        line = np.concatenate([sound, np.zeros(int(then_quiet_s * RATE), dtype=np.int16)])
        for start in range(0, len(line) - PIECE + 1, PIECE):
            frame = rtc.AudioFrame(line[start : start + PIECE].tobytes(), RATE, 1, PIECE)
            self.ear.hear(frame)
            await asyncio.sleep(0.019)

    def said(self, who: str) -> list[str]:
        return [e.data["text"] for e in self.entries("turn") if e.data["who"] == who]

    def entries(self, kind: str):
        return [entry for entry in read(self.book.path) if entry.kind == kind]


@asynccontextmanager
async def talking(plan: CallPlan, folder: Path, *, greet: bool = True) -> AsyncIterator[Talk]:
    """Greeted already, unless told otherwise; everything closed at the end."""
    await prepare.prepare(plan, folder, seal_keys=SEAL)
    book, ear, mouth = Journal(folder, "AJ_1"), Ear(), Mouth(Loudspeaker())
    call = Conversation(plan, folder, book)
    talk = Talk(call, ear, book)
    await call.begin(
        ear, mouth, seal_keys=SEAL, health=Carefree(), end=talk.ended.append,
        give_up=lambda role: talk.ended.append(f"no {role}"),
    )  # fmt: skip
    assert call.bot
    assert call.session
    if greet:
        call.bot.answered()
        await wait_until(lambda: talk.said("agent"))
    try:
        yield talk
    finally:
        call.bot.stop()
        await call.session.aclose()
        await call.aclose()
        await mouth.aclose()
        await ear.aclose()
        book.release()
