"""The processes which wait for a call. The framework has no public names for what we need."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

RENEW_S = 10.0  # for one process; on a busy machine the next one must not wait for ever
# Making a process takes CPU: not while a caller is being answered …
SETTLE_S = 3.0
READY = 2  # … unless fewer than so many are ready for the next callers


class Pool:
    def __init__(
        self, server: object, most: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`most`: processes that wait. `clock`: monotonic seconds."""
        self._server = server
        self._most = most
        self._clock = clock
        self._calls = 0
        self._free = most  # calls which could still come
        self._taken_at = -SETTLE_S

    @property
    def _pool(self) -> Any:
        return getattr(self._server, "_proc_pool", None)

    @property
    def _queue(self) -> Any:
        return getattr(self._pool, "_warmed_proc_queue", None)

    def idle(self) -> int:
        queue = self._queue
        return int(queue.qsize()) if queue is not None else 0

    def load(self, calls: int, free: int) -> None:
        """The framework does this by CPU load, which we took out of its hands. A process in a call
        is not made up for before few are left: that costs memory, and CPU beside that call."""
        self._calls, self._free = calls, free
        self._aim()

    def taken(self) -> None:
        """A call is on its way to a process."""
        self._taken_at = self._clock()
        self._aim()
        asyncio.get_running_loop().call_later(SETTLE_S + 0.01, self._aim)

    def _aim(self) -> None:
        settling = self._clock() < self._taken_at + SETTLE_S
        waiting = READY if settling else max(READY, self._most - self._calls)
        wanted = min(self._free, self._most, waiting)
        if self._pool:
            self._pool.set_target_idle_processes(wanted)

    async def renew(self) -> None:
        """Processes made before a plan came know nothing of its providers: their first call would
        wait for imports. One after another is replaced, so that somebody is always ready."""
        for _ in range(self.idle()):
            if self.idle() < 2:  # the only one stays: a slow first call is better than none
                return
            await self._queue.get_nowait().aclose()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RENEW_S):
                    await _until(lambda: self.idle() >= self._pool.target_idle_processes)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.1)
