"""The emulators in a process of their own; the control routes are the only link to it."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import Any

import aiohttp

from tests.emulators.addresses import Addresses
from tests.emulators.core import Fault, Profile, Script


class Spawned(Addresses):
    def __init__(self, base: str, wyoming_url: str, session: aiohttp.ClientSession) -> None:
        self.base, self.wyoming_url, self._session = base, wyoming_url, session

    async def change(self, what: str, said: Any = None) -> dict[str, Any]:
        """`what` is profile, faults, script, marked or reset. Raises ValueError."""
        async with self._session.post(f"{self.base}/_control/{what}", json=said) as answer:
            state: dict[str, Any] = await answer.json()
            if answer.status != 200:
                raise ValueError(state["error"])
            return state

    async def faults(self, *faults: Fault) -> None:
        await self.change("faults", [asdict(fault) for fault in faults])

    async def log(self, since: int = 0) -> list[dict[str, Any]]:
        url = f"{self.base}/_control/log"
        async with self._session.get(url, params={"since": since}) as answer:
            lines: list[dict[str, Any]] = await answer.json()
            return lines


@contextlib.asynccontextmanager
async def spawned(
    profile: Profile, script: Script, faults: list[Fault], marked: bool
) -> AsyncIterator[Spawned]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.emulators", "--port", "0", "--wyoming-port", "0", "--json",
        stdout=asyncio.subprocess.PIPE, env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        told = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
        async with aiohttp.ClientSession() as session:
            spawned = Spawned(told["base"], told["wyoming"], session)
            await spawned.change("script", script.plain())
            await spawned.change("profile", asdict(profile))
            await spawned.change("marked", marked)
            await spawned.faults(*faults)
            yield spawned
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
