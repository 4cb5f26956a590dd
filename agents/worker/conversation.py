"""What talks in one call: the plan's pipeline with its bot, and who writes it all down."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from livekit.agents import AgentSession

from agents.plan import CallPlan
from agents.worker import pipeline, prepare
from agents.worker.bookkeeper import Bookkeeper
from agents.worker.bot import Bot
from agents.worker.cache import FaqCache
from agents.worker.chain.members import Health
from agents.worker.filler import Filler
from agents.worker.journal import Journal
from agents.worker.line import Ear, Mouth
from agents.worker.noise import Cleaner
from agents.worker.prepared import Prepared
from agents.worker.scribe import Scribe
from agents.worker.turns import Endpointing

log = logging.getLogger(__name__)


class Conversation:
    def __init__(self, plan: CallPlan, folder: Path, journal: Journal) -> None:
        self.plan = plan
        self._folder = folder
        self._journal = journal
        self._ready = Prepared.load(folder, plan)
        self._talk: pipeline.Pipeline | None = None
        self._filling: asyncio.Task[None] | None = None
        self.bot: Bot | None = None

    @property
    def session(self) -> AgentSession[Any] | None:
        return self._talk.session if self._talk else None

    async def begin(
        self, ear: Ear, mouth: Mouth, *, seal_keys: list[str], health: Health,
        end: Callable[[str], None], give_up: Callable[[str], None],
    ) -> None:  # fmt: skip
        """Connections open now; nothing is said before bot.answered(). Raises PlanError,
        SealBroken."""
        book = Bookkeeper(self._journal)
        self._talk = talk = pipeline.pipeline_of(
            pipeline.Workshop(self.plan, self._folder, seal_keys),
            health=health, on_switch=book.switched, on_metrics=book.used,
        )  # fmt: skip
        cache = FaqCache(self.plan, self._folder) if prepare.caches(self.plan) else None
        self.bot = Bot(
            self.plan, self._ready, self._journal, talk, end=end, give_up=give_up, cache=cache
        )
        self.bot.on_deafen = partial(setattr, ear, "deaf")
        self._follow(talk, self.bot, mouth)
        talk.session.input.audio, talk.session.output.audio = ear, mouth
        mouth.goes_on = partial(_goes_on, talk)
        if self.plan.speed.noise_suppression:
            ear.cleaner = Cleaner()
        if self.plan.speed.prewarm:
            talk.prewarm()
        await talk.session.start(self.bot, record=False)

    def _follow(self, talk: pipeline.Pipeline, bot: Bot, mouth: Mouth) -> None:
        scribe = Scribe(
            self.plan, self._journal, self._ready, mouth.heard_s, cached=bot.was_cached,
            greeting=lambda: bot.greeting,
        )  # fmt: skip
        scribe.follow(talk.session)
        Endpointing(self.plan, talk.session, known=bot.known)
        if self.plan.speed.filler and self.plan.filler:
            filler = Filler(
                talk.session, mouth, self._ready, self._journal,
                words=self.plan.filler, silence_s=talk.ears.ended_after_s,
            )  # fmt: skip
            talk.hearing.on_overdue = filler.overdue
            self._filling = asyncio.create_task(filler.run())

    def hush(self) -> None:
        """No words which bridge a wait: nobody will answer."""
        if self._filling:
            self._filling.cancel()

    async def interrupt(self) -> None:
        if self.bot:
            self.bot.stop()
        if self._talk:
            await self._talk.session.interrupt(force=True)

    async def aclose(self) -> None:
        if self._filling:
            self._filling.cancel()
        if self._talk:
            await self._talk.aclose()


def _goes_on(talk: pipeline.Pipeline) -> bool:
    """Whether the caller may be going on just as he is to be answered; greeting and prompts do not
    wait for that."""
    return talk.session.agent_state == "thinking" and talk.hearing.level.begins()
