"""Joins a transfer with the rest of its call: bot, line, recorder, room and control plane."""

import json
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import numpy.typing as npt
from livekit import rtc
from livekit.agents import JobContext

from agents.entrance import Decision
from agents.plan import Target
from agents.worker import people, pulse
from agents.worker.bot import Bot
from agents.worker.clearance import ANSWER_S, Clearance
from agents.worker.config import Config
from agents.worker.desk import Desk
from agents.worker.exchange import Exchange
from agents.worker.journal import Journal
from agents.worker.line import Ear, Mouth
from agents.worker.recorder import Recorder
from agents.worker.ringing import Ringing
from agents.worker.transfer import Transfer

log = logging.getLogger(__name__)

TOPIC = "contactcenter.transfer"  # as telephony.orders says


class Through:
    """`bot` and `recorder` are set once they are there."""

    def __init__(
        self, ctx: JobContext, config: Config, journal: Journal, ear: Ear, mouth: Mouth, *,
        start: Callable[[Coroutine[Any, Any, None]], None],
        end: Callable[..., None], sent_on: Callable[[], None],
    ) -> None:  # fmt: skip
        self._ctx, self._config, self._ear, self._start = ctx, config, ear, start
        self.end, self.sent_on = end, sent_on
        self.bot: Bot | None = None
        self.recorder: Recorder | None = None
        self._others: dict[str, Ear] = {}  # by identity: telephones we dialled
        self.transfer = Transfer(
            self, Exchange(ctx), Ringing(mouth), journal, ask=self._ask, start=start
        )

    def follow(self, room: rtc.Room) -> None:
        room.on("track_subscribed", self._on_track)
        room.on("participant_disconnected", self._on_left)
        room.on("data_received", self._on_data)

    def begin(
        self, caller: rtc.RemoteParticipant, bot: Bot, first_words: Callable[[], object]
    ) -> None:
        """The caller is on the line: the bot may speak, unless he talks with somebody already."""
        self.bot = bot
        bot.send_on = self.transfer.to
        self.transfer.begin(self._ctx.room.name, caller)
        if leg := people.side_leg(self._ctx.room):
            for publication in leg.track_publications.values():
                if publication.track is not None:
                    self._on_track(publication.track, publication, leg)
            self.transfer.adopt(leg)
        else:
            first_words()

    async def forward(self, caller: rtc.Participant, number: str, decision: Decision) -> bool:
        """To a number of a policy; the bot does not come back. False: the caller is still here."""
        bot, self.bot = self.bot, None
        if bot:
            bot.hold.begin()
        self.transfer.begin(self._ctx.room.name, caller)
        target = Target(key="", name="the number set for this", description="", number=number)
        line = Clearance(target=target, trunk=decision.trunk, caller_id=decision.caller_id)
        return await self.transfer.forward(line)

    async def aclose(self) -> None:
        for ear in self._others.values():
            await ear.aclose()

    # --- what the room reports -------------------------------------------------------------------

    def _on_track(self, track: rtc.Track, _: object, who: rtc.RemoteParticipant) -> None:
        if people.is_side(who) and who.identity not in self._others:
            ear = self._others[who.identity] = Ear()
            ear.away, ear.tap = True, _Other(self)
            ear.listen(track)
            self._start(self._feel_pulse(who, track))

    async def _feel_pulse(self, who: rtc.RemoteParticipant, track: rtc.Track) -> None:
        await pulse.gone(self._ctx.room, who, track)
        self.transfer.leg_left(who.identity)

    def _on_left(self, who: rtc.RemoteParticipant) -> None:
        if people.is_side(who):
            self.transfer.leg_left(who.identity)

    def _on_data(self, packet: rtc.DataPacket) -> None:
        """From the server only: nobody in the room gives orders."""
        if packet.topic != TOPIC or packet.participant is not None or self.bot is None:
            return
        try:
            order = json.loads(packet.data)["order"]
        except (ValueError, KeyError, TypeError):
            return
        if isinstance(order, int):
            self.transfer.order(order)

    async def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        url, token = self._config.control_url, self._config.worker_token
        async with Desk(url, token, timeout_s=ANSWER_S) as desk:
            return await desk.may_transfer(question)

    # --- what the transfer wants -----------------------------------------------------------------

    def hold(self) -> None:
        self._ear.away = True
        if self.bot:
            self.bot.hold.begin()

    async def announce(self, words: str) -> None:
        if self.bot:
            await self.bot.announce(words)

    async def take_back(self, words: str, note: str) -> None:
        self._ear.away = False
        if self.bot:
            await self.bot.take_back(words, note)

    def begin_anew(self) -> None:
        self._ear.away = False
        if self.bot:
            self.bot.hold.end()
            self.bot.answered()


class _Other:
    """Whoever the caller talks with is heard where the bot was: on the right."""

    def __init__(self, through: Through) -> None:
        self._through = through

    def caller(self, at: float, samples: npt.NDArray[np.int16]) -> None:
        if recorder := self._through.recorder:
            recorder.other(at, samples)

    def agent(self, at: float, samples: npt.NDArray[np.int16]) -> None: ...

    def agent_cut(self, at: float) -> None: ...
