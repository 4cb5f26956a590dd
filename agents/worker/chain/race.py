"""Asks one member after another, the next one as soon as the one before is late. The first wins.

An attempt is an async iterator of results. Asking a second member while the first may still
answer costs a request now and then, and saves the caller the rest of the wait.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from agents.worker.chain.members import STALLED, AllDown, Chain, Member, reason_of

T = TypeVar("T")

LAST_S = 2.0  # so long the last member may take: the caller must hear something within 3 s
ONLY_S = 8.0  # … and the only one, since there is nothing else to hope for
GRACE_S = 2.5  # a member from which nothing came for so long is down, not slow


class Ended:
    """The last thing an attempt which went well puts into the queue."""


@dataclass(eq=False)
class Attempt(Generic[T]):
    member: Member
    began: float
    task: asyncio.Task[None] | None = None
    late: bool = False  # another member has been asked meanwhile
    came: asyncio.Event = field(default_factory=asyncio.Event)  # a first result
    error: BaseException | None = field(default=None, repr=False)


Result = tuple[Attempt[T], "T | Ended | BaseException"]


class Race(Generic[T]):
    """One question to a chain. Use `async for result in race.run()`; check `race.winner`."""

    def __init__(
        self,
        chain: Chain,
        members: list[Member],
        ask: Callable[[Member], AsyncIterator[T]],
        *,
        patience_s: float,
        gap_s: Callable[[], float],
        counts: Callable[[T], bool],
    ) -> None:
        """`patience_s`: until the first result. `gap_s`: between two, asked before each wait.
        `counts`: whether a result is more than an empty one."""
        self._chain = chain
        self._waiting = list(members)
        self._ask = ask
        self._patience_s = patience_s
        self._gap_s = gap_s
        self._counts = counts
        self._queue: asyncio.Queue[Result[T]] = asyncio.Queue()
        self._running: list[Attempt[T]] = []
        self._lost: list[Attempt[T]] = []  # failed before anybody won
        self.winner: Attempt[T] | None = None
        self._began = time.monotonic()
        self.first_ms = 0  # from the question to the winner's first result

    async def run(self) -> AsyncGenerator[T, None]:
        """The winner's results. Raises Broken when it fails or stalls, AllDown when nobody wins."""
        try:
            self._start_next()
            while True:
                attempt, result = await self._next()
                if isinstance(result, Ended):
                    self._end(attempt)
                    return
                if isinstance(result, BaseException):
                    self._fail(attempt, result)
                elif self._take(attempt, result):
                    yield result
        finally:
            for attempt in self._running:
                if attempt.task:
                    attempt.task.cancel()

    async def _next(self) -> Result[T]:
        """The next result of anybody; asks the next member when the time is up."""
        while True:
            wait = self._gap_s() if self.winner else self._left()
            try:
                async with asyncio.timeout(wait):
                    return await self._queue.get()
            except TimeoutError:
                if self.winner:
                    raise Broken(self.winner, TimeoutError()) from None
                self._late()

    def _left(self) -> float | None:
        last = self._running[-1]
        patience = last.member.patience_s(self._patience_s)
        if not self._waiting:  # nobody else to ask
            least = ONLY_S if len(self._chain.members) == 1 else LAST_S
            patience = max(least, 2 * patience)
        return max(0.0, last.began + patience - time.monotonic())

    def _late(self) -> None:
        for attempt in self._running:
            attempt.late = True
        if not self._waiting:
            raise AllDown(self._chain.role)
        self._start_next()

    def _start_next(self) -> None:
        attempt: Attempt[T] = Attempt(self._waiting.pop(0), time.monotonic())
        attempt.task = asyncio.create_task(self._pump(attempt))
        self._running.append(attempt)

    async def _pump(self, attempt: Attempt[T]) -> None:
        try:
            async for result in self._ask(attempt.member):
                if self._counts(result):
                    attempt.came.set()
                self._queue.put_nowait((attempt, result))
            self._queue.put_nowait((attempt, Ended()))
        except Exception as error:
            self._queue.put_nowait((attempt, error))

    def _take(self, attempt: Attempt[T], result: T) -> bool:
        if self.winner is None and self._counts(result):
            self._win(attempt)
        return attempt is self.winner

    def _win(self, attempt: Attempt[T]) -> None:
        self.winner = attempt
        self.first_ms = round((time.monotonic() - self._began) * 1000)
        self._chain.health.worked(attempt.member)
        for other in self._running:
            if other is attempt:
                continue
            if other.late and other.began < attempt.began:
                self._chain.tell(other.member, attempt.member, STALLED, other.began)
                self._chain.start(self._judge(other))
            elif other.task:
                other.task.cancel()
        for other in self._lost:
            assert other.error is not None
            self._chain.moved(other.member, attempt.member, reason_of(other.error), other.began)
        self._running, self._lost = [attempt], []

    async def _judge(self, loser: Attempt[T]) -> None:
        """Slow this once, or down? It has a little longer to say something."""
        left = loser.began + GRACE_S - time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, left)):
                await loser.came.wait()
        except TimeoutError:
            self._chain.health.failed(loser.member, STALLED)
        finally:
            if loser.task:
                loser.task.cancel()

    def _fail(self, attempt: Attempt[T], error: BaseException) -> None:
        if attempt is self.winner:
            raise Broken(attempt, error)
        if attempt not in self._running:
            return
        attempt.error = error
        self._running.remove(attempt)
        self._lost.append(attempt)
        if self._running:
            return
        if not self._waiting:
            self._lose()
        self._start_next()

    def _end(self, attempt: Attempt[T]) -> None:
        """An attempt which ends well without a result: an empty answer is an answer."""
        if self.winner is None:
            self._win(attempt)

    def _lose(self) -> None:
        for attempt in self._lost:
            assert attempt.error is not None
            self._chain.moved(attempt.member, None, reason_of(attempt.error), attempt.began)
        raise AllDown(self._chain.role)


class Broken(Exception):
    """The member which was answering failed in the middle."""

    def __init__(self, attempt: Attempt[Any], error: BaseException) -> None:
        super().__init__(str(error))
        self.attempt = attempt
        self.error = error
