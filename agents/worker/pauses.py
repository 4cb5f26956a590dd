"""Who stops the recording of a call for a while; it goes on once nobody does any more.

Pausing means all that records: our own recorder at once, and LiveKit's egress when the control
plane says so. An egress which cannot be paused is no pause.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Literal

from agents.worker.journal import Journal
from agents.worker.recorder import Recorder

log = logging.getLogger(__name__)

Why = Literal["bot", "api", "key", "rule", "card"]
_ASKED = frozenset({"bot", "api", "key"})  # whichever asks, any of them may let it go on
ANSWER_S = 2.0  # the caller waits


class Pauses:
    """`egress` asks the control plane; nobody if no egress records."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._recorder: Recorder | None = None
        self.egress: Callable[[str], Awaitable[bool]] | None = None
        self._held: dict[str, tuple[Why, str]] = {}
        self._lock = asyncio.Lock()
        self._undoing: asyncio.Task[bool] | None = None

    @property
    def is_on(self) -> bool:
        return bool(self._held)

    @property
    def is_asked(self) -> bool:
        """Whether somebody asked for it, rather than a rule or a card."""
        return "asked" in self._held

    @property
    def records(self) -> bool:
        return self._recorder is not None or self.egress is not None

    def attach(self, recorder: Recorder | None) -> None:
        """The recording begins, perhaps in the middle of a pause."""
        self._recorder = recorder
        if recorder and self._held:
            recorder.pause(time.monotonic())

    async def begin(self, why: Why, by: str = "") -> bool:
        """True once nothing records any more; False if it goes on: it could not be stopped."""
        async with self._lock:
            group = "asked" if why in _ASKED else why
            if group in self._held or not (self.records or why == "card"):
                return True
            if not self._held and not await self._stop():
                detail = "LiveKit's egress could not be paused, so the recording went on."
                self._journal.write("error", what="pause", detail=detail)
                return False
            self._held[group] = (why, by)
            self._journal.write("pause", what="begin", why=why, by=by)
            return True

    async def end(self, why: Why, by: str = "") -> None:
        async with self._lock:
            if self._held.pop("asked" if why in _ASKED else why, None) is None:
                return
            self._journal.write("pause", what="end", why=why, by=by)
            if self._held:
                return
            if self._recorder:
                self._recorder.resume(time.monotonic())
            if not await self._tell("end"):
                detail = "LiveKit's egress did not go on; the worker's own recording did."
                self._journal.write("error", what="pause", detail=detail)

    async def toggle(self, why: Why, by: str = "") -> bool | None:
        """Whether it is paused now; None if that could not be done, or nothing is recorded."""
        if not self.records:
            return None
        if self.is_asked:
            await self.end(why, by)
            return False
        return True if await self.begin(why, by) else None

    def close(self) -> None:
        """The call is over: every pause has an end."""
        for why, by in self._held.values():
            self._journal.write("pause", what="end", why=why, by=by)
        self._held.clear()

    async def _stop(self) -> bool:
        """Ours first: whatever is said while the control plane is asked is not recorded."""
        if self._recorder:
            self._recorder.pause(time.monotonic())
        if await self._tell("begin"):
            return True
        if self._recorder:
            self._recorder.resume(time.monotonic())
        # it may have been paused after we stopped waiting
        self._undoing = asyncio.create_task(self._tell("end"))
        return False

    async def _tell(self, what: str) -> bool:
        if self.egress is None:
            return True
        try:
            async with asyncio.timeout(ANSWER_S):
                return await self.egress(what)
        except TimeoutError:
            return False
        except Exception as trouble:  # the call goes on, whatever it is
            log.warning("The egress was not paused", extra={"error": type(trouble).__name__})
            return False
