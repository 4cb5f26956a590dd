"""Which calls this worker takes: as many as it has slots, whatever the CPU says.

A call for which there is no slot is left to other workers; if none takes it, the caller is told
"busy" at once instead of being left ringing.
"""

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Protocol

from livekit import api

from agents.worker import echo, plans
from agents.worker.config import Config
from agents.worker.journal import Journal

if TYPE_CHECKING:
    from livekit.agents import AgentServer, JobRequest

log = logging.getLogger(__name__)

OTHERS_S = 0.4  # so long another worker has to take the call
ASK_S = 3.0
BUSIEST_LOAD = 0.6  # the server offers nothing to workers above 0.7
# Beginning a call takes most of a second of a core. Of those which begin within so long …
BEGINNING_S = 3.0
# … a ready process may take each; beyond them so many for each core, whose process is to be made.
# More would all ring for long; refused at once, a caller can be sent elsewhere.
COLD_PER_CORE = 1

AGENT = api.ParticipantInfo.Kind.AGENT
SIP = api.ParticipantInfo.Kind.SIP


class Jobs(Protocol):
    @property
    def active_jobs(self) -> list[Any]: ...


class Admission:
    def __init__(
        self,
        config: Config,
        jobs: Jobs | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        cores: int = 0,
    ) -> None:
        """`clock`: monotonic seconds; `cores`: 0 for those of this machine."""
        self._config = config
        self._clock = clock
        self._cold = COLD_PER_CORE * (cores or len(os.sched_getaffinity(0)))
        self._unready: deque[float] = deque()  # when calls began without a ready process
        self.ready: Callable[[], int] = lambda: 0  # processes waiting for a call
        self.jobs = jobs  # the server, which is made after us
        # hears how many calls there are, and how many could still come: more warm processes than
        # that are wasted work, and making them in a burst would slow down its calls
        self.on_load: Callable[[int, int], None] = lambda taken, free: None
        self.on_taken: Callable[[], None] = lambda: None
        self._coming: set[str] = set()  # accepted, process not yet running
        self._tasks: set[asyncio.Task[None]] = set()

    def taken(self) -> int:
        running = {info.job.id for info in self.jobs.active_jobs} if self.jobs else set()
        return len(running | self._coming)

    def load(self, _: "AgentServer") -> float:
        """Guides the server to the emptier worker; never so high that it stops offering."""
        taken = self.taken()
        self.on_load(taken, max(0, self._config.slots - taken))
        return BUSIEST_LOAD * min(1.0, taken / self._config.slots)

    async def on_request(self, request: "JobRequest") -> None:
        # no await before the slot is taken: requests of a burst are counted one by one
        if self.taken() >= self._config.slots or not self._begin():
            await self._refuse(request)
            return
        self._coming.add(request.id)
        self.on_taken()
        self.on_load(self.taken(), self._config.slots - self.taken())
        try:
            await request.accept(name="agent")
        finally:
            self._coming.discard(request.id)

    def _begin(self) -> bool:
        """Whether one more caller would be answered soon; counts him."""
        if self.ready() > len(self._coming):
            return True
        while self._unready and self._unready[0] <= self._clock() - BEGINNING_S:
            self._unready.popleft()
        if len(self._unready) >= self._cold:
            return False
        self._unready.append(self._clock())
        return True

    async def _refuse(self, request: "JobRequest") -> None:
        await request.reject(terminate=False)
        self._start(self._turn_away(request))

    async def _turn_away(self, request: "JobRequest") -> None:
        """Unless another worker took the call, or the caller has gone."""
        await asyncio.sleep(OTHERS_S)
        room = request.room.name
        try:
            async with self._livekit() as client:
                people = await _people(client, room)
                caller = next((p for p in people if p.kind == SIP), None)
                if caller is None or any(p.kind == AGENT for p in people):
                    return
                if not echo.is_asked(request.job.metadata):  # a test call is no call
                    self._write_down(request, caller)
                await _delete_room(client, room)
        except Exception:
            log.exception("Refusing a call failed", extra={"job": request.id})
        else:
            log.warning("No room for one more; a call was refused", extra={"job": request.id})

    def hang_up(self, room: str) -> None:
        """End a call whose process died: its caller hears nothing any more."""
        self._start(self._hang_up(room))

    async def _hang_up(self, room: str) -> None:
        try:
            async with self._livekit() as client:
                people = await _people(client, room)
                if [p for p in people if p.kind == SIP]:
                    await _delete_room(client, room)
        except Exception:
            log.exception("Hanging up for a dead process failed")

    @asynccontextmanager
    async def _livekit(self) -> AsyncIterator[api.LiveKitAPI]:
        client = api.LiveKitAPI(
            self._config.livekit_url, self._config.livekit_api_key, self._config.livekit_api_secret
        )
        try:
            yield client
        finally:
            await client.aclose()  # type: ignore[no-untyped-call]

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _write_down(self, request: "JobRequest", caller: api.ParticipantInfo) -> None:
        said = caller.attributes
        journal = Journal(self._config.journal_dir, request.id)
        journal.write(
            "opened", room=request.room.name, job=request.id,
            sip_call_id=said.get("sip.callID", ""), caller=said.get("sip.phoneNumber", ""),
            called=said.get("sip.trunkPhoneNumber", ""), trunk=said.get("sip.trunkID", ""),
            plan=plans.digest_in(request.job.metadata), worker="",
        )  # fmt: skip
        journal.write("closed", reason="refused", answered=False, talked_ms=0)
        journal.release()


async def _people(client: api.LiveKitAPI, room: str) -> list[api.ParticipantInfo]:
    found = await asyncio.wait_for(
        client.room.list_participants(api.ListParticipantsRequest(room=room)), ASK_S
    )
    return list(found.participants)


async def _delete_room(client: api.LiveKitAPI, room: str) -> None:
    """A caller who rings gets 486 Busy, one who talks gets BYE."""
    await asyncio.wait_for(client.room.delete_room(api.DeleteRoomRequest(room=room)), ASK_S)
