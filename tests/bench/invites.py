"""Twenty INVITEs within a second: `make bench-invites`. Answered in time, or refused at once.


INVITES (20), ROUNDS (3), SLOTS: what the worker takes at once (one round of runs each for 5 and 20
unless given). A whole product of its own is started for each.
"""

import asyncio
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from telephony.caller.call import CallFailed
from tests.e2e.stack import Stack

INVITES, ROUNDS = int(os.environ.get("INVITES", "20")), int(os.environ.get("ROUNDS", "3"))
SPREAD_S = 1.0
ANSWER_S, REFUSAL_S = 3.0, 1.0  # what is wanted
PATIENCE_S = 25.0
REFUSALS = {480, 486, 503}
SETTLE_S = 12.0  # between rounds: the worker makes its processes again


@dataclass(frozen=True, slots=True)
class Outcome:
    status: int  # 0: nothing final came
    seconds: float

    @property
    def good(self) -> bool:
        if self.status == 200:
            return self.seconds <= ANSWER_S
        return self.status in REFUSALS and self.seconds <= REFUSAL_S


async def one(stack: Stack, caller: str, after_s: float, over: asyncio.Event) -> Outcome:
    await asyncio.sleep(after_s)
    begun = time.monotonic()
    async with stack.call(caller=caller) as call:
        try:
            await call.answered(PATIENCE_S)
            outcome = Outcome(200, time.monotonic() - begun)
        except CallFailed as failure:
            return Outcome(failure.status, time.monotonic() - begun)
        await over.wait()  # nobody gives his slot back meanwhile
        return outcome


async def burst(stack: Stack, number: int) -> list[Outcome]:
    over = asyncio.Event()
    callers = [
        asyncio.create_task(
            one(stack, f"+12025{number:02}{n:04}", n * SPREAD_S / INVITES, over)
        )
        for n in range(INVITES)
    ]  # fmt: skip
    await asyncio.sleep(SPREAD_S + ANSWER_S + 5)
    over.set()
    return await asyncio.gather(*callers)


def show(outcomes: list[Outcome]) -> str:
    answered = sorted(o.seconds for o in outcomes if o.status == 200)
    refused = sorted(o.seconds for o in outcomes if o.status in REFUSALS)
    odd = [f"{o.status} after {o.seconds:.1f} s" for o in outcomes if not o.good]
    return (
        f"answered {len(answered):2} (slowest {max(answered, default=0):.2f} s), refused "
        f"{len(refused):2} (slowest {max(refused, default=0):.2f} s), not as wanted {len(odd)}"
        + (f": {', '.join(odd)}" if odd else "")
    )


def measure(slots: int) -> None:
    print(f"{INVITES} INVITEs in {SPREAD_S:g} s, {slots} slots", flush=True)
    with tempfile.TemporaryDirectory(prefix="cc-invites-") as folder:
        stack = Stack(Path(folder), MAX_CONCURRENT_JOBS=str(slots), NO_AGENT_SECONDS="6")
        stack.up()
        try:
            time.sleep(SETTLE_S)
            for number in range(ROUNDS):
                print(f"  {show(asyncio.run(burst(stack, number)))}", flush=True)
                time.sleep(SETTLE_S)
        finally:
            stack.down()


if __name__ == "__main__":
    for each in os.environ.get("SLOTS", "5 20").split():
        measure(int(each))
