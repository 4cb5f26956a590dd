"""A member of a chain, and what is told when a chain moves from one to another."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import aiohttp
from livekit.agents import APIConnectOptions, APIError, APIStatusError, APITimeoutError

from agents.plan import Stage
from agents.providers import PROVIDERS, Role

# one attempt: a chain does not repeat what failed, it asks the next member
ONCE = APIConnectOptions(max_retry=0, timeout=20.0)  # its own patience is shorter

POLICY = 1008  # with this AssemblyAI closes when it does not know the key
REFUSED, STALLED, BROKE_OFF = "refused", "stalled", "broke_off"
LIMITED, FAILED = "limited", "failed"


@dataclass(eq=False, slots=True)
class Member:
    """One provider, ready to be asked. `engine` is an STT, LLM or TTS of livekit-agents."""

    role: Role
    stage: Stage
    engine: Any

    @property
    def id(self) -> str:
        """The same in every worker; says nothing about the key."""
        return identity(self.role, self.stage)

    @property
    def name(self) -> str:
        """For supervisors."""
        known = PROVIDERS.get(self.stage.provider)
        return self.stage.account or (known.label if known else self.stage.provider)

    def patience_s(self, least: float) -> float:
        """How long its first result may take before another member is asked as well."""
        return max(least, 2 * self.stage.expected_ms / 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """A chain moved. `after` is empty when nobody was left."""

    role: Role
    before: Member
    after: Member | None
    reason: str
    lost_ms: int


class Health(Protocol):
    """Who is known to be down; agents.worker.chain.health in a call."""

    def is_down(self, member: Member) -> bool: ...
    def failed(self, member: Member, reason: str) -> None: ...
    def worked(self, member: Member) -> None: ...


class Carefree:
    """Nobody is ever known to be down."""

    def is_down(self, member: Member) -> bool:
        return False

    def failed(self, member: Member, reason: str) -> None: ...
    def worked(self, member: Member) -> None: ...


class AllDown(Exception):
    """No member of a chain is left."""

    def __init__(self, role: Role) -> None:
        super().__init__(f"Every provider for {role} failed.")
        self.role = role


class Chain:
    """The members of one role in one call, and whom to tell what happens."""

    def __init__(
        self,
        role: Role,
        members: Sequence[Member],
        health: Health,
        on_switch: Callable[[Switch], None],
    ) -> None:
        self.role = role
        self.members = list(members)
        self.health = health
        self._on_switch = on_switch
        self._tasks: set[asyncio.Task[None]] = set()

    def order(self) -> list[Member]:
        """Those known to be down come last: better a doubtful voice than none."""
        return sorted(self.members, key=self.health.is_down)

    def after(self, member: Member) -> list[Member]:
        """Whom to ask when this one failed: everybody else, in order."""
        return [other for other in self.order() if other is not member]

    def moved(self, before: Member, after: Member | None, reason: str, since: float) -> None:
        """`before` is down. `since`: when it was asked (monotonic)."""
        self.health.failed(before, reason)
        self.tell(before, after, reason, since)

    def tell(self, before: Member, after: Member | None, reason: str, since: float) -> None:
        lost = round((time.monotonic() - since) * 1000)
        self._on_switch(
            Switch(role=self.role, before=before, after=after, reason=reason, lost_ms=lost)
        )

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Something that goes on beside the call, until it is closed."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()


def identity(role: Role, stage: Stage) -> str:
    where = (role, stage.provider, stage.options.get("base_url"), stage.options.get("model"))
    return hashlib.sha256(repr((where, stage.account)).encode()).hexdigest()[:20]


def reason_of(error: BaseException, *, begun: bool = False) -> str:
    """What a supervisor reads. `begun`: part of the result had come already."""
    if isinstance(error, TimeoutError | APITimeoutError | asyncio.TimeoutError):
        return STALLED
    if isinstance(error, APIStatusError) and error.status_code == 429:
        return LIMITED
    if isinstance(error, APIStatusError) and error.status_code >= 1000:  # a WebSocket's
        return REFUSED if error.status_code == POLICY else BROKE_OFF
    if isinstance(error, APIStatusError) and error.status_code > 0:
        return FAILED if error.status_code >= 500 else REFUSED
    if begun:
        return BROKE_OFF
    if isinstance(error, APIError | aiohttp.ClientError | OSError):
        return REFUSED
    return FAILED
