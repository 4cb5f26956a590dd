"""Which calls this worker takes: as many as it has slots, whatever the CPU says.

A call for which there is no slot is left to other workers; if none takes it, the caller is told
"busy" at once instead of being left ringing.
"""

import asyncio
import contextlib
import json
import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from livekit import api

from agents.worker import echo, plans
from agents.worker.config import Config
from agents.worker.journal import Journal

if TYPE_CHECKING:
    from livekit.agents import AgentServer, JobRequest

log = logging.getLogger(__name__)

OTHERS_S = 0.25  # so long another worker has to take the call; it is asked within milliseconds
ASK_S = 3.0
BUSIEST_LOAD = 0.6  # the server offers nothing to workers above 0.7
# Beginning a call takes most of a second of a core. Of the callers which come within so long …
BEGINNING_S = 3.0
# … so many a core are taken, and of them so many without a ready process, which is to be made.
# More would all ring for long; refused at once, a caller can be sent elsewhere.
MOST_PER_CORE = 2.5
COLD_PER_CORE = 1
LEAVING_S = 1.0  # so long a process counts as ready although a call is on its way to it
START_S = 0.6  # a core begins the next call so long after the last, and not all cores at once
JOINING_S = 3.0  # so long a caller may need from his INVITE into the room, in a burst
LOOK_S = 0.05

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
        cores = cores or len(os.sched_getaffinity(0))
        self._most, self._cold = round(MOST_PER_CORE * cores), COLD_PER_CORE * cores
        self._begun: deque[float] = deque()  # when callers were taken …
        self._unready: deque[float] = deque()  # … and those without a ready process
        self._gap_s = START_S / cores  # between two starts
        self._next_start = -math.inf
        self.ready: Callable[[], int] = lambda: 0  # processes waiting for a call
        self.jobs = jobs  # the server, which is made after us
        # hears how many calls there are, and how many could still come: more warm processes than
        # that are wasted work, and making them in a burst would slow down its calls
        self.on_load: Callable[[int, int], None] = lambda taken, free: None
        self.on_taken: Callable[[], None] = lambda: None
        self.is_alone: Callable[[], bool] = lambda: False  # no other worker could take a call
        self._coming: set[str] = set()  # accepted, process not yet running
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: api.LiveKitAPI | None = None

    async def aclose(self) -> None:
        if self._client:
            await self._client.aclose()  # type: ignore[no-untyped-call]

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
        is_new = _is_new_caller(request.job.metadata)
        if self.taken() >= self._config.slots or (is_new and not self._begin()):
            await self._refuse(request)
            return
        self._coming.add(request.id)
        self.on_taken()
        self.on_load(self.taken(), self._config.slots - self.taken())
        try:
            # at once, for whoever turned the call away looks whether somebody has it
            start = self._start_at() if is_new else self._clock()
            await request.accept(name="agent", metadata=f"{start:.3f}")
        finally:
            self._coming.discard(request.id)

    def _begin(self) -> bool:
        """Whether one more caller would be answered soon; counts him."""
        now = self._clock()
        for begun in (self._begun, self._unready):
            while begun and begun[0] <= now - BEGINNING_S:
                begun.popleft()
        if len(self._begun) >= self._most:
            return False
        if self.ready() <= sum(at > now - LEAVING_S for at in self._begun):
            if len(self._unready) >= self._cold:
                return False
            self._unready.append(now)
        self._begun.append(now)
        return True

    def _start_at(self) -> float:
        """This caller's turn: one call begins after another, so that the first are answered sooner
        and those who are refused hear it soon."""
        start = max(self._clock(), self._next_start)
        self._next_start = start + self._gap_s
        return start

    async def _refuse(self, request: "JobRequest") -> None:
        await request.reject(terminate=False)
        self._start(self._turn_away(request))

    async def _turn_away(self, request: "JobRequest") -> None:
        """Unless another worker took the call, or the caller has gone. One who talks already (his
        worker died) is left to the watchdog: it has another telephone for him, or ends it."""
        room = request.room.name
        try:
            people, _ = await asyncio.gather(
                _people_once_joined(client := self._livekit(), room),
                asyncio.sleep(0 if self.is_alone() else OTHERS_S),
            )
            caller = next((p for p in people if p.kind == SIP), None)
            if caller is None or _talks(caller) or await _is_taken(client, room, people):
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
            people = await _people(client := self._livekit(), room)
            if [p for p in people if p.kind == SIP]:
                await _delete_room(client, room)
        except Exception:
            log.exception("Hanging up for a dead process failed")

    def _livekit(self) -> api.LiveKitAPI:
        """One connection for all: in a burst a new one for each call takes as long as the rest."""
        if self._client is None:
            self._client = api.LiveKitAPI(
                self._config.livekit_url, self._config.livekit_api_key,
                self._config.livekit_api_secret,
            )  # fmt: skip
        return self._client

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


async def turn(metadata: str) -> None:
    """In the process of an accepted job: wait until this call may begin. `metadata`: of its
    acceptance, the moment in seconds of the machine's monotonic clock."""
    with contextlib.suppress(ValueError):
        await asyncio.sleep(min(max(0.0, float(metadata) - time.monotonic()), BEGINNING_S))


def _is_new_caller(metadata: str) -> bool:
    """Not a call we make, nor one whose worker has died: those are never sent away for a burst."""
    try:
        told = json.loads(metadata)
    except ValueError:
        return True
    return not (isinstance(told, dict) and (told.get("outbound") or told.get("again")))


async def _people_once_joined(client: api.LiveKitAPI, room: str) -> list[api.ParticipantInfo]:
    """An agent is asked for when the room is made, which is before the caller is in it."""
    end = time.monotonic() + JOINING_S
    while not (people := await _people(client, room)) and time.monotonic() < end:
        await asyncio.sleep(LOOK_S)
    return people


async def _people(client: api.LiveKitAPI, room: str) -> list[api.ParticipantInfo]:
    found = await asyncio.wait_for(
        client.room.list_participants(api.ListParticipantsRequest(room=room)), ASK_S
    )
    return list(found.participants)


def _talks(caller: api.ParticipantInfo) -> bool:
    return caller.attributes.get("sip.callStatus") == "active"


async def _is_taken(client: api.LiveKitAPI, room: str, people: list[api.ParticipantInfo]) -> bool:
    """Whether another worker has the call: its agent is there, or on the way."""
    if any(p.kind == AGENT for p in people):
        return True
    found = await asyncio.wait_for(client.agent_dispatch.list_dispatch(room), ASK_S)
    return any(dispatch.state.jobs for dispatch in found)


async def _delete_room(client: api.LiveKitAPI, room: str) -> None:
    """A caller who rings gets 486 Busy, one who talks gets BYE."""
    await asyncio.wait_for(client.room.delete_room(api.DeleteRoomRequest(room=room)), ASK_S)
