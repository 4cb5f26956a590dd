"""Carries out what was decided about a call which the bot does not simply answer."""

import asyncio
import contextlib
import json
import logging
from pathlib import Path

from livekit import rtc
from livekit.agents import JobContext

from agents.entrance import CAUSES, Decision
from agents.plan import CallPlan
from agents.worker.config import Config
from agents.worker.conversation import Conversation
from agents.worker.farewell import LAST_SOUND_S, Farewell
from agents.worker.journal import Journal
from agents.worker.line import Ear, Mouth
from agents.worker.mailbox import Mailbox
from agents.worker.reception import Reception
from agents.worker.through import Through

log = logging.getLogger(__name__)

REFUSE_S = 0.5  # so long livekit-sip may take to refuse with our cause


class Porter:
    def __init__(
        self, ctx: JobContext, config: Config, journal: Journal, mouth: Mouth, farewell: Farewell,
        through: Through,
    ) -> None:  # fmt: skip
        self._ctx = ctx
        self._mouth = mouth
        self._farewell = farewell
        self._through = through
        self._reception = Reception(config, journal)
        self._mailbox: Mailbox | None = None

    @property
    def decision(self) -> Decision:
        return self._reception.decision

    @property
    def refuses(self) -> bool:
        return self.decision.action == "refuse"

    def facts(self) -> dict[str, str]:
        """What is known of the caller by now."""
        return self._reception.facts

    def ask(self, plan: str) -> None:
        """Begin to find out what is done with this call."""
        self._reception.ask(room=self._ctx.job.room.name, plan=plan)

    async def decide(self, caller: rtc.Participant) -> None:
        room = self._ctx.job.room.name
        await self._reception.decide(room=room, attributes=caller.attributes)

    def write_down(self) -> None:
        self._reception.write_down()

    async def refuse(self, caller: rtc.Participant) -> None:
        """The caller has heard ringing only. He is told 486, and the cause beside it."""
        cause = self.decision.cause
        header = f'Q.850;cause={cause};text="{CAUSES.get(cause, "Call rejected")}"'
        with contextlib.suppress(TimeoutError, rtc.RpcError):
            await asyncio.wait_for(
                self._ctx.room.local_participant.perform_rpc(
                    destination_identity=caller.identity, method="lk.sip.EndCall",
                    payload=json.dumps({"headers": {"Reason": header}}),
                ),
                REFUSE_S,
            )  # fmt: skip
        await self._farewell.delete_room()

    @property
    def talks(self) -> bool:
        """Whether the caller comes to the bot, who may ask him something."""
        return self.decision.action == "answer"

    def is_recorded(self, plan: CallPlan | None, *, talks: bool) -> bool:
        """By us: also beside an egress, which may be refused, late or dead. A message which nobody
        hears is none: voicemail is always recorded here, and who leaves one knows it. Where callers
        have to be told or asked, one to whom nobody speaks is not recorded."""
        asks = plan is not None and plan.consent.mode != "none"
        asked = plan is not None and plan.record and (talks or not asks)
        return asked or self.decision.action == "voicemail"

    async def serve(
        self, talk: Conversation | None, caller: rtc.Participant, plan: CallPlan | None,
        folder: Path,
    ) -> str:  # fmt: skip
        """The call is answered. Returns why it ends, a key of END_REASONS; empty if it ended."""
        bot = talk.bot if talk else None
        if talk:
            talk.hush()
        if self.decision.action == "voicemail" and bot:
            self._mailbox = Mailbox(bot, self._mouth, self.decision)
            return await self._mailbox.take()
        if bot:
            await bot.recite(self.decision.words)
            await self._mouth.drained()
        forwards = self.decision.action == "forward"
        if forwards and await self.forward(caller, self.decision.number):
            return ""
        if forwards or not bot:
            await self._farewell.apologise(plan, folder)
        return self.decision.reason

    async def forward(self, caller: rtc.Participant, number: str) -> bool:
        """Only a leg which was answered can be referred: LiveKit refuses to before."""
        await asyncio.sleep(LAST_SOUND_S)
        return await self._through.forward(caller, number, self.decision)

    def digit(self, digit: str) -> None:
        if self._mailbox:
            self._mailbox.digit(digit)

    def reason(self, given: str) -> str:
        """Why the call really ends when the caller or the room ends it."""
        return self._mailbox.reason(given) if self._mailbox else given

    async def let_go(self, ear: Ear, reason: str) -> None:
        """The caller has gone. The end of his message may still be with the recogniser."""
        if self._mailbox:
            await self._mailbox.last_words(ear)
        self._ctx.shutdown(reason)

    async def aclose(self) -> None:
        await self._reception.aclose()
