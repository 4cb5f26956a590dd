"""One measured call: what it asks, and the row of figures it leaves. All durations in ms."""

import asyncio
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from telephony import demo
from telephony.caller import audio
from telephony.caller.audio import RATE, Pcm
from telephony.caller.call import Call, CallFailed
from telephony.caller.speech import VOICES, speak
from tests.e2e.stack import Stack

ANSWER_S = 10
REPLY_S = 12  # longest wait for an answer to a question
KEPT_S = 30  # longest wait for recording and transcript

_READY = """
select r.state as recording, t.id as transcript
from telephony_call c
left join recordings_recording r on r.call_id = c.id
left join recordings_transcript t on t.call_id = c.id
where c.caller = ?
"""


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    answer: str
    voice: str
    pcm: Pcm


@dataclass(slots=True)
class Turn:
    question: str
    voice: str
    wanted: str  # the answer to it
    reaction_ms: float | None = None
    too_early: bool = False  # the bot spoke before the caller had finished
    right: bool = False
    heard_line: str | None = None  # which of the bot's lines it was
    heard: Pcm = field(default_factory=lambda: audio.silence(0), repr=False)


@dataclass(slots=True)
class Row:
    caller: str
    status: int = 0
    answer_ms: float | None = None
    refused_ms: float | None = None
    greeting_ms: float | None = None
    recording_ms: float | None = None
    transcript_ms: float | None = None
    send_late_p99_ms: float | None = None
    ended_by: str = ""
    turns: list[Turn] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        row = asdict(self)
        for turn in row["turns"]:
            del turn["heard"]
        return row


async def questions(count: int) -> list[Question]:
    """Every FAQ entry in turn, each time in its next wording, and each in the next voice."""
    wordings = zip(*(_texts(entry) for entry in demo.FAQ), strict=False)
    asked = [pair for texts in wordings for pair in zip(texts, demo.FAQ, strict=True)]
    pool = []
    for index, (text, entry) in enumerate(asked):
        voice = VOICES[(index + index // len(VOICES)) % len(VOICES)]
        pool.append(Question(text, entry["answer"], voice, await speak(text, voice)))
    return [pool[number % len(pool)] for number in range(count)]


def _texts(entry: demo.Entry) -> list[str]:
    return [entry["question"], *entry["variants"].splitlines()]


async def talk(stack: Stack, caller: str, asked: list[Question]) -> Row:
    """Call, hear the greeting, ask, hang up, wait until the call can be read."""
    row = Row(caller)
    async with stack.call(caller=caller) as call:
        try:
            await call.answered(ANSWER_S)
        except CallFailed:
            return finished(row, call)
        await call.quiet(900, REPLY_S)
        row.greeting_ms = call.greeting_ms()
        for question in asked:
            row.turns.append(await ask(call, question))
        await call.hang_up()
        finished(row, call)
    await kept(stack, row, call.times["ended"])
    judge(stack, row)
    return row


async def ask(call: Call, question: Question) -> Turn:
    turn = Turn(question.text, question.voice, question.answer)
    begun = time.monotonic()
    end = await call.say(question.pcm)
    await call.quiet(900, REPLY_S, since=end)
    turn.reaction_ms = call.reaction_ms(end)
    turn.heard = np.array(call.heard_since(end))
    spoken = call.heard_since(begun)[: round((end - begun) * RATE)]
    turn.too_early = audio.onset(spoken) is not None
    return turn


def finished(row: Row, call: Call) -> Row:
    row.status, row.ended_by = call.status, call.ended_by
    row.answer_ms, row.refused_ms = call.ms("answered"), call.ms("refused")
    late = call.audio.late_ms
    row.send_late_p99_ms = float(np.percentile(late, 99)) if late else None
    return row


async def kept(stack: Stack, row: Row, ended: float) -> None:
    """From hang-up until the recording is stored and the transcript is there."""
    while time.monotonic() - ended < KEPT_S:
        found = stack.rows(_READY, row.caller)
        now = (time.monotonic() - ended) * 1000
        if row.recording_ms is None and found and found[0]["recording"] == "stored":
            row.recording_ms = now
        if row.transcript_ms is None and found and found[0]["transcript"]:
            row.transcript_ms = now
        if row.recording_ms is not None and row.transcript_ms is not None:
            return
        await asyncio.sleep(0.05)


def judge(stack: Stack, row: Row) -> None:
    """Was it the right answer? Recognised from what was heard, after the call: it takes time."""
    for turn in row.turns:
        turn.heard_line = stack.ears.line(turn.heard)
        turn.right = turn.heard_line == turn.wanted
