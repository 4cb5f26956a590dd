"""As many calls at once as there are slots, and one more."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from telephony.caller.call import Call, CallFailed
from tests.bench.talk import ANSWER_S, Question, Row, ask, finished, judge, kept
from tests.e2e.stack import Stack

SLOTS = 5
SIXTH_AFTER_S = 1.0
REFUSALS = {486, 503}  # busy here, service unavailable


@dataclass(slots=True)
class Burst:
    together: list[Row]
    beyond: Row

    def plain(self) -> dict[str, Any]:
        return {"together": [row.plain() for row in self.together], "beyond": self.beyond.plain()}


async def burst(stack: Stack, number: int, asked: list[Question]) -> Burst:
    """Five INVITEs at once; while they talk, a sixth; then each of the five asks one question."""
    rows = [Row(f"+12025557{number:02}{line}") for line in range(SLOTS)]
    async with AsyncExitStack() as lines:
        calls = await asyncio.gather(
            *(lines.enter_async_context(stack.call(caller=row.caller)) for row in rows)
        )
        await asyncio.gather(*(_answered(call) for call in calls))
        await asyncio.sleep(SIXTH_AFTER_S)
        beyond = await _one_more(stack, f"+12025557{number:02}9")
        await asyncio.gather(
            *(
                _talk(call, row, asked[i])
                for i, (call, row) in enumerate(zip(calls, rows, strict=True))
            )
        )
    await asyncio.gather(
        *(kept(stack, row, call.times["ended"]) for call, row in zip(calls, rows, strict=True)
          if row.status == 200)
    )  # fmt: skip
    for row in rows:
        judge(stack, row)
    return Burst(rows, beyond)


async def _answered(call: Call) -> None:
    try:
        await call.answered(ANSWER_S)
    except CallFailed:
        await call.hang_up()


async def _one_more(stack: Stack, caller: str) -> Row:
    row = Row(caller)
    async with stack.call(caller=caller) as call:
        await _answered(call)
        return finished(row, call)


async def _talk(call: Call, row: Row, question: Question) -> None:
    if call.status == 200:
        await call.quiet(900, ANSWER_S)
        row.greeting_ms = call.greeting_ms()
        row.turns.append(await ask(call, question))
        await call.hang_up()
    finished(row, call)
