"""Work of several threads at once, done by one of them for all.

Threads which come while a batch is being done wait, and the first of them takes all that waits. So
alone nobody waits, and under load there is one statement and one commit for many.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Errand(Generic[T]):
    item: T
    is_done: bool = False
    failure: Exception | None = None


class Together(Generic[T]):
    def __init__(self, work: Callable[[list[T]], object], *, most: int = 100) -> None:
        """`work` is given `most` items at most. When it fails with several, each is tried alone, so
        that one bad item harms nobody else; so it must do all or nothing."""
        self._work, self._most = work, most
        self._waiting: list[_Errand[T]] = []
        self._list = threading.Lock()
        self._turn = threading.Lock()

    def do(self, item: T) -> None:
        """Returns once `work` has been done with this item; raises what it raised."""
        mine = _Errand(item)
        with self._list:
            self._waiting.append(mine)
        while not mine.is_done:
            with self._turn:
                if not mine.is_done:  # nobody took it along
                    self._take()
        if mine.failure:
            raise mine.failure

    def _take(self) -> None:
        with self._list:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
        if not self._try(batch) and len(batch) > 1:
            for errand in batch:
                self._try([errand])
        for errand in batch:
            errand.is_done = True

    def _try(self, batch: list[_Errand[T]]) -> bool:
        failure = None
        try:
            self._work([errand.item for errand in batch])
        except Exception as reason:
            failure = reason
        for errand in batch:
            errand.failure = failure
        return failure is None
