"""Whether other workers serve the same LiveKit, as Redis knows: a lone one need not wait for them.

Each worker writes the time beside its name now and then. Without Redis nobody is believed alone.
"""

import asyncio
import contextlib
import os
import socket
import time

import redis.asyncio as redis

KEY = "cc:workers"
BEAT_S = 2.0
GONE_S = 10.0  # who has not written for so long is no company
_ASK_S = 1.0


class Company:
    def __init__(self, url: str, name: str = "") -> None:
        self._client = redis.Redis.from_url(
            url, socket_timeout=_ASK_S, socket_connect_timeout=_ASK_S
        )
        self._name = name or f"{socket.gethostname()}:{os.getpid()}"
        self._since = time.monotonic()
        self._alone_at = 0.0  # monotonic; when nobody else was seen last

    @property
    def is_alone(self) -> bool:
        """Others which start now write within a beat; who was just started waits for theirs."""
        now = time.monotonic()
        return now - self._alone_at < 2 * BEAT_S and now - self._since > GONE_S

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                with contextlib.suppress(redis.RedisError, OSError):
                    await self.beat()
                await asyncio.sleep(BEAT_S)
        finally:
            with contextlib.suppress(redis.RedisError, OSError):
                await self._client.zrem(KEY, self._name)
            await self._client.aclose()

    async def beat(self) -> None:
        now = time.time()
        async with self._client.pipeline() as asked:
            asked.zadd(KEY, {self._name: now})
            asked.zremrangebyscore(KEY, "-inf", now - GONE_S)
            asked.zcard(KEY)
            *_, count = await asked.execute()
        if count == 1:
            self._alone_at = time.monotonic()
        else:
            self._alone_at = 0.0
