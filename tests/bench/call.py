"""`make bench-call`: the figures of a call, at the caller's ear, on a private stack.

CALLS (20) calls one after another, then BURSTS (3) times five at once and a sixth. Exit code 0
whatever the figures are; 1 when it could not be measured.
"""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from deploy.embedded.home import Trouble
from telephony.caller.speech import VOICES, NoVoice
from tests.bench import report
from tests.bench.burst import REFUSALS, SLOTS, Burst, burst
from tests.bench.report import Line, Target
from tests.bench.talk import Question, Row, questions, talk
from tests.e2e.stack import Stack

QUESTIONS = 2  # a call
LATE_MS = 5.0  # a caller who sends later than this (p99) measures himself


def main() -> int:
    signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        calls, bursts = _count("CALLS", 20), _count("BURSTS", 3)
        with tempfile.TemporaryDirectory(prefix="cc-bench-") as folder, running(folder) as stack:
            rows, groups = asyncio.run(measure(stack, calls, bursts))
    except (Trouble, NoVoice) as what:
        print(f"\nbench-call: {what}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbench-call: stopped.", file=sys.stderr)
        return 130
    finish(rows, groups)
    return 0


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _count(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdigit() or not 0 < int(text) < 1000:
        raise Trouble(f"{name} is {text!r}; write a number from 1 to 999.")
    return int(text)


@contextmanager
def running(folder: str) -> Iterator[Stack]:
    """The whole product with its own folder, ports and database, whatever .env says."""
    stack = Stack(
        Path(folder),
        DATABASE_URL=f"sqlite:///{folder}/db.sqlite3",
        MAX_CONCURRENT_JOBS=str(SLOTS),
        NO_AGENT_SECONDS="6",
        LIVEKIT_UDP_PORTS="54000-54400",
        SIP_RTP_PORTS="14000-14400",
    )
    try:
        stack.up()
        yield stack
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave it running
        stack.down()


async def measure(stack: Stack, calls: int, bursts: int) -> tuple[list[Row], list[Burst]]:
    asked = await questions(calls * QUESTIONS + bursts * SLOTS)
    await _warm(stack, asked[:1])
    rows = []
    for number in range(calls):
        mine = asked[number * QUESTIONS :][:QUESTIONS]
        rows.append(await talk(stack, f"+1202555{number + 1000}", mine))
        print(f"  call {number + 1:3}  {_figures(rows[-1])}", flush=True)
    groups = []
    for number in range(bursts):
        mine = asked[calls * QUESTIONS + number * SLOTS :][:SLOTS]
        groups.append(await burst(stack, number, mine))
        print(f"  burst {number + 1:2}  {_burst_figures(groups[-1])}", flush=True)
    return rows, groups


async def _warm(stack: Stack, asked: list[Question]) -> None:
    """One call before measuring. The line may need some seconds until LiveKit knows it."""
    end = time.monotonic() + 30
    while (row := await talk(stack, "+12025550199", asked)).status != 200:
        if time.monotonic() > end:
            raise Trouble(f"The first call was not answered (SIP status {row.status}).")
        await asyncio.sleep(1)
    print(f"  warm-up   {_figures(row)}", flush=True)


def _figures(row: Row) -> str:
    turns = [turn.reaction_ms for turn in row.turns]
    wrong = sum(not turn.right for turn in row.turns)
    return (
        f"status {row.status}, answer {_ms(row.answer_ms)}, greeting {_ms(row.greeting_ms)}, "
        f"turns {' '.join(map(_ms, turns))}, recording {_ms(row.recording_ms)}, "
        f"transcript {_ms(row.transcript_ms)}" + (f", {wrong} not right" if wrong else "")
    )


def _burst_figures(group: Burst) -> str:
    answers = " ".join(_ms(row.answer_ms) for row in group.together)
    return f"answers {answers}; sixth {group.beyond.status} after {_ms(group.beyond.refused_ms)}"


def _ms(value: float | None) -> str:
    return "never" if value is None else f"{value:.0f}"


def finish(rows: list[Row], groups: list[Burst]) -> None:
    lines = [*one_by_one(rows), *at_once(groups)]
    print(f"\nTimes in ms, at the caller.\n{report.table(lines)}")
    late = [r.send_late_p99_ms or 0.0 for r in _all(rows, groups)]
    if (worst := max(late, default=0.0)) > LATE_MS:
        print(f"\nThe caller itself sent late (p99 of a call up to {worst:.0f} ms, {LATE_MS:.0f} "
              f"are allowed): this machine was too busy, the figures are not sound.")  # fmt: skip
    raw: dict[str, Any] = {
        "voices": list(VOICES),
        "slots": SLOTS,
        "send_late_p99_ms": worst,
        "sound": worst <= LATE_MS,
        "calls": [row.plain() for row in rows],
        "bursts": [group.plain() for group in groups],
    }
    report.save(lines, raw)
    print(f"\nEvery row: {report.FILE.name}")


def _all(rows: list[Row], groups: list[Burst]) -> list[Row]:
    return rows + [row for group in groups for row in group.together]


def one_by_one(rows: list[Row]) -> list[Line]:
    turns = [turn for row in rows for turn in row.turns]
    ready = [
        None if r.recording_ms is None or r.transcript_ms is None
        else max(r.recording_ms, r.transcript_ms)
        for r in rows
    ]  # fmt: skip
    return [
        report.line("INVITE → 200", [r.answer_ms for r in rows], Target("p95", 1000)),
        report.line("answer → greeting", [r.greeting_ms for r in rows], Target("p95", 250)),
        report.line("FAQ turn", [t.reaction_ms for t in turns], Target("p50", 900)),
        report.line("hang-up → recording", [r.recording_ms for r in rows]),
        report.line("hang-up → transcript", [r.transcript_ms for r in rows]),
        report.line("hang-up → both", ready, Target("p95", 5000)),
        report.counted("right answers heard", sum(t.right for t in turns), len(turns)),
        report.counted("callers left to finish", sum(not t.too_early for t in turns), len(turns)),
    ]


def at_once(groups: list[Burst]) -> list[Line]:
    rows = [row for group in groups for row in group.together]
    beyond = [group.beyond for group in groups]
    turns = [turn for row in rows for turn in row.turns]
    return [
        report.line("5 at once: INVITE → 200", [r.answer_ms for r in rows], Target("max", 3000)),
        report.line("5 at once: FAQ turn", [t.reaction_ms for t in turns]),
        report.counted("5 at once: right answers", sum(t.right for t in turns), len(turns)),
        report.counted(
            "sixth: refused 486 or 503", sum(r.status in REFUSALS for r in beyond), len(beyond)
        ),
        report.line("sixth: INVITE → refusal", [r.refused_ms for r in beyond], Target("max", 1000)),
    ]


if __name__ == "__main__":
    sys.exit(main())
