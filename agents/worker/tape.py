"""The recording of one call: begun at the answer, finished and described at the end."""

import asyncio
import logging

from agents.worker import spool
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

    def begin(self, room: str, *, began: float, starts_ms: int) -> Recorder:
        """`began`: monotonic s; `starts_ms`: the same moment in the journal."""
        path = spool.begin(self._config, room=room, job=self._job_id, starts_ms=starts_ms)
        self._recorder = Recorder(path, began=began)
        return self._recorder

    async def finish(self, ended: float) -> None:
        """At `ended` (monotonic s). Nothing, if nothing was recorded."""
        if self._recorder is None:
            return
        try:
            length = await asyncio.to_thread(self._recorder.close, ended)
            facts = await asyncio.to_thread(
                spool.finish, self._config, self._job_id, duration_ms=length
            )
        except Exception as reason:
            log.exception("A recording could not be finished", extra={"job": self._job_id})
            self._journal.write("error", what="recording", detail=type(reason).__name__)
            return
        self._journal.write("recording", **{key: facts[key] for key in TOLD})
