"""Which providers are down: a circuit breaker all workers share through Redis.

One failure opens a circuit: the next call does not wait for the same provider again. Only the
probes of a worker's main process close it (half-open), never a live call. Without Redis each
process keeps its own view.
"""

import asyncio
import json
import logging
import time
from collections.abc import Iterable
from typing import Any

import redis.asyncio as redis

from agents.worker.chain.members import Member

log = logging.getLogger(__name__)

KEY = "cc:providers:down"
REST_S = 15.0  # after a first failure; doubled by each failed probe
LONGEST_S = 300.0
ASK_S = 0.4  # so long a call may wait for Redis; joining the room takes as long
FRESH_S = 2.0  # how old the shared view gets


class SharedHealth:
    """The view of one process. Reading never waits; writing never fails."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: redis.Redis | None = None
        self._down: dict[str, dict[str, Any]] = {}  # member's id → what is known
        self._own: dict[str, float] = {}  # … our own failures, until (wall clock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._following: asyncio.Task[None] | None = None
        self._away = False

    def is_down(self, member: Member) -> bool:
        return member.id in self._down or self._own.get(member.id, 0.0) > time.time()

    def failed(self, member: Member, reason: str) -> None:
        self._own[member.id] = time.time() + REST_S
        fact = {"name": member.name, "role": member.role, "provider": member.stage.provider}
        self._start(self._write(member.id, {**fact, "reason": reason}))

    def worked(self, member: Member) -> None:
        """A live call had an answer from it although it was thought to be down."""
        if self._own.pop(member.id, None) or member.id in self._down:
            self._down.pop(member.id, None)
            self._start(self._erase(member.id))

    # --- the shared view -------------------------------------------------------------------------

    async def look(self, *, timeout_s: float = ASK_S) -> None:
        """Read the shared view once. Redis being away changes nothing."""
        try:
            async with asyncio.timeout(timeout_s):
                raw = await self._redis().hgetall(KEY)  # type: ignore[misc]
        except (redis.RedisError, OSError, TimeoutError) as reason:
            if self._away:  # for longer than a moment: what others said is too old
                self._down.clear()
            self._complain(reason)
            return
        self._away = False
        self._down = {_text(key): json.loads(value) for key, value in raw.items()}

    def follow(self) -> None:
        """Keep looking while a call lasts."""
        if self._following is None:
            self._following = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(FRESH_S)
            await self.look(timeout_s=1.0)

    async def due(self, ids: Iterable[str]) -> list[str]:
        """Of these members those which should be probed now, by this worker and no other."""
        await self.look(timeout_s=1.0)
        wanted = [i for i in ids if self._down.get(i, {}).get("probe_at", 0.0) <= time.time()]
        return [i for i in wanted if i in self._down and await self._claim(i)]

    async def probed(self, member_id: str, *, works: bool) -> None:
        """The outcome of a probe: close the circuit, or wait twice as long."""
        if works:
            self._own.pop(member_id, None)
            self._down.pop(member_id, None)
            await self._erase(member_id)
        elif known := self._down.get(member_id):
            await self._write(member_id, known)

    async def aclose(self) -> None:
        if self._following:
            self._following.cancel()
        if self._tasks:  # what a call learnt at its end is worth a moment
            await asyncio.wait(self._tasks, timeout=0.5)
        if self._client:
            await self._client.aclose()

    async def _claim(self, member_id: str) -> bool:
        try:
            key = f"{KEY}:probe:{member_id}"
            return bool(await self._redis().set(key, "1", nx=True, px=round(REST_S * 1000)))
        except (redis.RedisError, OSError):
            return False

    async def _write(self, member_id: str, fact: dict[str, Any]) -> None:
        rest = min(LONGEST_S, 2 * self._down.get(member_id, {}).get("rest", REST_S / 2))
        now = time.time()
        whole = {**fact, "since": fact.get("since", now), "rest": rest, "probe_at": now + rest}
        self._down[member_id] = whole
        await self._send(self._redis().hset(KEY, member_id, json.dumps(whole)))

    async def _erase(self, member_id: str) -> None:
        await self._send(self._redis().hdel(KEY, member_id))

    async def _send(self, command: Any) -> None:
        try:
            async with asyncio.timeout(1.0):
                await command
        except (redis.RedisError, OSError, TimeoutError) as reason:
            self._complain(reason)

    def _redis(self) -> redis.Redis:
        if self._client is None:
            self._client = redis.Redis.from_url(
                self._url, socket_timeout=1.0, socket_connect_timeout=1.0
            )
        return self._client

    def _complain(self, reason: BaseException) -> None:
        if not self._away:
            log.warning(
                "Redis is away; this process judges providers by itself",
                extra={"error": type(reason).__name__},
            )
        self._away = True

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _text(key: Any) -> str:
    return key.decode() if isinstance(key, bytes) else str(key)
