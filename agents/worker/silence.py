"""A caller who says nothing: asked twice, then a polite end."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from agents.plan import CallPlan

TICK_S = 0.1


class Host(Protocol):
    plan: CallPlan

    def say(self, text: str, *, interruptible: bool = True) -> object: ...
    def leave(self, reason: str, words: str) -> None: ...


class Silence:
    def __init__(self, host: Host, busy: Callable[[], bool]) -> None:
        """`busy`: whether anybody speaks now, or nobody waits for the caller's words, as
        when he is let go."""
        self._host = host
        self._busy = busy
        self._asked = 0  # how often since the caller was heard last
        self._since = 0.0  # the loop's clock

    def broken(self, *, by_caller: bool = False) -> None:
        self._since = asyncio.get_running_loop().time()
        if by_caller:
            self._asked = 0

    async def watch(self) -> None:
        """From the answer on, until it is cancelled."""
        self.broken()
        while True:
            await asyncio.sleep(TICK_S)
            if self._busy():
                self.broken()
            elif asyncio.get_running_loop().time() - self._since >= self._host.plan.silence_s:
                self._ask_or_leave()

    def _ask_or_leave(self) -> None:
        plan = self._host.plan
        first = plan.silence_prompt or plan.ask_back
        prompts = (first, plan.silence_prompt_2 or first)
        if self._asked == len(prompts):
            self._host.leave("silence", plan.goodbye)
            return
        self.broken()
        self._host.say(prompts[self._asked])
        self._asked += 1
