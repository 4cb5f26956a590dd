"""Asks providers which are down whether they are back. In the worker's main process, beside calls:
a live call never pays for finding out."""

import asyncio
import logging
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from agents.plan import CallPlan, Stage
from agents.providers import Role
from agents.worker import trial
from agents.worker.chain.health import SharedHealth
from agents.worker.chain.members import identity
from agents.worker.config import Config

log = logging.getLogger(__name__)

LIMIT_S = 5.0


class Prober:
    def __init__(self, config: Config, plans: Callable[[], list[CallPlan]]) -> None:
        """`plans`: those which calls may run on now."""
        self._config = config
        self._plans = plans
        self._health = SharedHealth(config.redis_url)

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await asyncio.sleep(min(self._config.probe_s, 5.0))
                await self.look()
        finally:
            await self._health.aclose()

    async def look(self) -> None:
        known = {identity(role, stage): (role, stage) for role, stage in self._members()}
        for member_id in await self._health.due(known):
            role, stage = known[member_id]
            works = await self._works(role, stage)
            await self._health.probed(member_id, works=works)
            log.info("A provider was probed", extra={"provider": stage.provider, "works": works})

    def _members(self) -> Iterator[tuple[Role, Stage]]:
        for plan in self._plans():
            for role, chain in ((Role.STT, plan.stt), (Role.LLM, plan.llm), (Role.TTS, plan.tts)):
                for stage in chain:
                    yield role, stage

    async def _works(self, role: Role, stage: Stage) -> bool:
        with tempfile.TemporaryDirectory() as folder:
            outcome = await trial.attempt(
                role, stage, folder=Path(folder), seal_keys=list(self._config.seal_keys),
                text="Hello." if role is Role.TTS else "", limit_s=LIMIT_S,
            )  # fmt: skip
        return outcome.ok
