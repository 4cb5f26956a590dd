"""The recording of one call: begun at the answer, finished and described at the end."""

import asyncio
import logging
from functools import partial
from typing import Any

from agents.worker import leftovers, spool
from agents.worker.config import Config
from agents.worker.journal import Journal
from agents.worker.recorder import Recorder

log = logging.getLogger(__name__)

TOLD = ("starts_ms", "duration_ms", "sha256", "size")


class Tape:
    def __init__(self, config: Config, job_id: str, journal: Journal) -> None:
        self._config = config
        self._job_id = job_id
        self._journal = journal
        self._recorder: Recorder | None = None

    def begin(self, room: str, *, began: float, starts_ms: int) -> Recorder | None:
        """`began`: monotonic s; `starts_ms`: the same moment in the journal. None if the disk does
        not even take where the recording belongs: the call goes on."""
        begin = partial(spool.begin, self._config, room=room, job=self._job_id, starts_ms=starts_ms)
        try:
            try:
                path = begin()
            except OSError:
                leftovers.make_room(self._config)
                path = begin()
        except OSError as trouble:
            detail = f"The worker's disk takes no recording ({type(trouble).__name__})."
            self._journal.write("error", what="recording", detail=detail)
            return None
        loop = asyncio.get_running_loop()
        self._recorder = Recorder(
            path, began=began, make_room=partial(leftovers.make_room, self._config),
            on_trouble=lambda detail: loop.call_soon_threadsafe(self._trouble, detail),
        )  # fmt: skip
        return self._recorder

    def _trouble(self, detail: str) -> None:
        self._journal.write("error", what="recording", detail=detail)

    async def finish(self, ended: float) -> None:
        """At `ended` (monotonic s). Nothing, if nothing was recorded."""
        if self._recorder is None:
            return
        try:
            length = await asyncio.to_thread(self._recorder.close, ended)
            facts = await asyncio.to_thread(self._finished, length)
        except Exception as reason:
            log.exception("A recording could not be finished", extra={"job": self._job_id})
            self._journal.write("error", what="recording", detail=type(reason).__name__)
            return
        await asyncio.sleep(0)  # what the recorder's thread told last comes before
        self._journal.write("recording", **{key: facts[key] for key in TOLD})

    def _finished(self, length: int) -> dict[str, Any]:
        """What stays where it was written for want of room, the courier finishes later."""
        finish = partial(spool.finish, self._config, self._job_id, duration_ms=length)
        try:
            return finish()
        except OSError:
            leftovers.make_room(self._config)
            return finish()
