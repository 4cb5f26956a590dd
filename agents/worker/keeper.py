"""Keeps the plans in use ready on disk, and says in ready.json which are. Main process only."""

import asyncio
import contextlib
import json
import logging
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from livekit import rtc

from agents.plan import CallPlan, PlanError
from agents.worker import plans, prepare
from agents.worker.config import Config
from agents.worker.desk import Desk, DeskAway, DeskRefused
from agents.worker.embedded import flite
from agents.worker.farewell import APOLOGY, apology_path
from agents.worker.prepared import write_wav

log = logging.getLogger(__name__)

LOOK_S = 2.0
AGAIN_S = 20.0


class Keeper:
    def __init__(self, config: Config, desk: Desk) -> None:
        self._config = config
        self._desk = desk
        self.idle: Callable[[], int] = lambda: 0
        self._complained: set[str] = set()
        self._again: dict[str, float] = {}  # digest → when its voice is tried again (monotonic)
        self._away = False
        self.on_new_providers: Callable[[], Coroutine[Any, Any, None]] | None = None
        self._providers: set[str] = set()  # of all plans seen so far
        self._renewing: asyncio.Task[None] | None = None
        self.registered = False  # with LiveKit; ready.json waits for it
        self.ready: list[str] = []

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def make_apology(self) -> None:
        """For calls whose plan cannot be read."""
        path = apology_path(self._config)
        if not path.exists():
            pcm = await flite.speak(APOLOGY, voice="slt")
            write_wav(path, rtc.AudioFrame(pcm, flite.RATE, 1, len(pcm) // 2))

    async def look(self) -> None:
        try:
            live = await self._desk.live_plans()
            self._away = False
        except (DeskAway, DeskRefused) as reason:
            if not self._away:
                log.warning(
                    "The control plane is away; calls go on with the plans on disk",
                    extra={"reason": str(reason)},
                )
            self._away = True
            live = self._on_disk()
        self.ready = [digest for digest in live if await self._is_prepared(digest)]
        self._say_ready()

    async def _is_prepared(self, digest: str) -> bool:
        """Whether calls can run on it; its sentences may still be on the way."""
        try:
            plan = await plans.load(self._config.plans_dir, digest, self._desk)
            folder = plans.folder_of(self._config.plans_dir, digest)
            if not prepare.is_usable(folder, plan):
                await prepare.prepare_files(plan, folder)
        except Exception as reason:
            # one bad plan must not keep the others from being prepared
            self._complain(digest, reason)
            return False
        await self._speak(digest, plan, folder)
        self._welcome(plan)
        return True

    def _welcome(self, plan: CallPlan) -> None:
        """Processes which wait for calls should know the providers of all plans."""
        slugs = {stage.provider for stage in (*plan.stt, *plan.llm, *plan.tts)}
        is_new = not slugs <= self._providers
        self._providers |= slugs
        if is_new and self.on_new_providers:
            self._renewing = asyncio.create_task(self.on_new_providers())

    async def _speak(self, digest: str, plan: CallPlan, folder: Path) -> None:
        """A voice which is down now is asked again later; calls speak with the next one."""
        now = time.monotonic()
        if prepare.is_ready(folder, plan) or self._again.get(digest, 0.0) > now:
            return
        try:
            await prepare.prepare(plan, folder, seal_keys=list(self._config.seal_keys))
        except Exception as reason:
            self._again[digest] = now + AGAIN_S
            self._complain(digest, reason)
            return
        self._complained.discard(digest)
        log.info("A plan is prepared", extra={"digest": digest})

    def plans(self) -> list[CallPlan]:
        """Those which calls run on now, as far as they can be read."""
        found = []
        for digest in self.ready:
            with contextlib.suppress(PlanError):
                if plan := plans.from_disk(self._config.plans_dir, digest):
                    found.append(plan)
        return found

    def _complain(self, digest: str, reason: Exception) -> None:
        if digest not in self._complained:
            self._complained.add(digest)
            words = str(reason) if isinstance(reason, PlanError) else type(reason).__name__
            facts = {"digest": digest, "error": words}
            log.error("A plan cannot be prepared completely", extra=facts)

    def _on_disk(self) -> list[str]:
        folders = self._config.plans_dir.glob("*/plan.json")
        return sorted(path.parent.name for path in folders)

    def _say_ready(self) -> None:
        if not self.registered:
            return
        facts = {
            "plans": self.ready,
            "idle": self.idle(),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        plans.write_whole(self._config.data_dir / "ready.json", json.dumps(facts).encode())
