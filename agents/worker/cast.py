"""Who talks in one call: its plan, and what was built of it."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agents.plan import CallPlan, PlanError
from agents.seal import SealBroken
from agents.worker import plans, prepare, tokeniser
from agents.worker.bot import Bot
from agents.worker.card_steps import Card
from agents.worker.chain.health import SharedHealth
from agents.worker.config import Config
from agents.worker.conversation import Conversation
from agents.worker.desk import Desk
from agents.worker.journal import Journal
from agents.worker.line import Ear, Mouth
from agents.worker.pauses import Pauses
from agents.worker.tokeniser import Token

log = logging.getLogger(__name__)

PLAN_S = 2.0  # waiting longer for the control plane helps nobody: the caller rings


class Cast:
    """`plan`, `talk` and `bot` are there once they are prepared; the callbacks are set before."""

    end: Callable[[str], None]
    give_up: Callable[[str], None]
    facts: Callable[[], dict[str, str]]
    room: str
    pauses: Pauses
    on_error: Callable[[Any], None]
    on_close: Callable[[Any], None]

    def __init__(
        self, config: Config, journal: Journal, health: SharedHealth, ear: Ear, mouth: Mouth
    ) -> None:
        self._config = config
        self._journal = journal
        self._health = health
        self._ear, self._mouth = ear, mouth
        self.plan: CallPlan | None = None
        self.folder = config.plans_dir  # … the plan's own in it, once known
        self.talk: Conversation | None = None
        self.bot: Bot | None = None

    async def load(self, digest: str) -> CallPlan | PlanError:
        """A failure is a value here: joining goes on beside it."""
        try:
            if found := plans.from_disk(self._config.plans_dir, digest):
                return found
            url, token = self._config.control_url, self._config.worker_token
            async with Desk(url, token, timeout_s=PLAN_S) as desk:
                return await plans.fetch(self._config.plans_dir, digest, desk)
        except PlanError as reason:
            return reason

    async def prepare(self, plan: CallPlan | PlanError, digest: str) -> str:
        """What the call talks with. Returns what is wrong, or nothing."""
        try:
            if isinstance(plan, Exception):
                raise plan
            await self._build(plan, plans.folder_of(self._config.plans_dir, digest))
        except (PlanError, SealBroken) as reason:
            return str(reason) or type(reason).__name__
        return ""

    async def change(self, digest: str) -> str:
        """The number has a project of its own: what was built for the rule's is thrown away."""
        if self.talk and (session := self.talk.session):
            # its closing must not stop line and ear, which the next one uses
            session.input.audio = session.output.audio = None
            await session.aclose()
            await self.talk.aclose()
        self.talk = self.bot = self.plan = None
        return await self.prepare(await self.load(digest), digest)

    async def _tokenise(self, card: Card, purpose: str) -> Token:
        """Raises TokeniserFailed."""
        assert self.plan is not None
        return await tokeniser.ask(
            self.plan.tokeniser, card, call=self.room, purpose=purpose,
            hosts=self._config.tokeniser_hosts, seal_keys=list(self._config.seal_keys),
        )  # fmt: skip

    async def _build(self, plan: CallPlan, folder: Path) -> None:
        self.folder = folder
        if not prepare.is_usable(folder, plan):
            log.warning(
                "A plan was not prepared before its first call", extra={"digest": folder.name}
            )
            await prepare.prepare_files(plan, folder)
        self.talk = talk = Conversation(plan, folder, self._journal)
        self.plan = plan
        await talk.begin(
            self._ear, self._mouth, seal_keys=list(self._config.seal_keys), health=self._health,
            end=self.end, give_up=self.give_up,
        )  # fmt: skip
        self.bot = talk.bot
        assert talk.session is not None
        assert talk.bot is not None
        talk.bot.facts = self.facts
        talk.bot.pauses, talk.bot.tokenise = self.pauses, self._tokenise
        talk.session.on("error", self.on_error)
        talk.session.on("close", self.on_close)
        self._health.follow()
