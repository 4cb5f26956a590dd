"""The longest call: a spoken warning in a pause, later the polite end."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from agents.plan import CallPlan
from agents.worker.hold import Hold

TICK_S = 0.1
PAUSE_S = 0.4  # so long nobody speaks between two sentences
PATIENCE_S = 6.0  # longer we do not wait for one


class Host(Protocol):
    plan: CallPlan
    hold: Hold

    def say(self, text: str, *, interruptible: bool = True) -> object: ...
    def leave(self, reason: str, words: str) -> None: ...


async def watch(host: Host, talks: Callable[[], bool]) -> None:
    """From the answer on. `talks`: whether anybody speaks now."""
    plan, loop = host.plan, asyncio.get_running_loop()
    ends = loop.time() + plan.max_call_s
    if plan.warning.strip() and 0 < plan.warn_before_s < plan.max_call_s:
        await asyncio.sleep(plan.max_call_s - plan.warn_before_s)
        await host.hold.over()
        paused = await _pause(talks, min(PATIENCE_S, plan.warn_before_s / 2))
        host.say(plan.warning, interruptible=paused)
    await asyncio.sleep(ends - loop.time())
    await host.hold.over()  # the limit is for talking with a bot
    host.leave("limit", plan.goodbye)


async def _pause(talks: Callable[[], bool], patience_s: float) -> bool:
    """Wait until nobody speaks; False if it took too long."""
    quiet_s = waited_s = 0.0
    while quiet_s < PAUSE_S and waited_s < patience_s:
        await asyncio.sleep(TICK_S)
        waited_s += TICK_S
        quiet_s = 0.0 if talks() else quiet_s + TICK_S
    return quiet_s >= PAUSE_S
