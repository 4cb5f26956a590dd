"""Whether a call is recorded, from when, and what stops it for a while."""

import asyncio
import json
import logging
import time
from collections.abc import Callable

from livekit import rtc

from agents.plan import CallPlan
from agents.worker.asking import Asking
from agents.worker.bot import Bot
from agents.worker.config import Config
from agents.worker.desk import Desk, DeskAway, DeskRefused
from agents.worker.journal import Journal
from agents.worker.pauses import ANSWER_S, Pauses
from agents.worker.recorder import Recorder
from agents.worker.tape import Tape

log = logging.getLogger(__name__)

TOPIC = "contactcenter.pause"  # as telephony.pauses says


class Taping:
    """`on_begun` is told the recorder. Nothing exists on disk before the caller may be recorded."""

    def __init__(
        self, config: Config, room: str, job: str, journal: Journal, *,
        on_begun: Callable[[Recorder], None],
    ) -> None:  # fmt: skip
        self._config = config
        self._room = room
        self._journal = journal
        self._on_begun = on_begun
        self._tape = Tape(config, job, journal)
        self._by_egress = False
        self._orders: set[int] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()  # orders are carried out one after another
        self.pauses = Pauses(journal)

    def answered(
        self, plan: CallPlan | None, bot: Bot | None, *, wanted: bool, talks: bool
    ) -> None:
        """The caller is on the line. `wanted`: the call is to be recorded; `talks`: with the bot,
        who can ask him. Before the bot's first words."""
        consent = plan.consent if plan else None
        self._by_egress = bool(plan and plan.record and plan.recorder == "egress" and talks)
        if not wanted:
            return
        if not talks or consent is None or consent.mode == "none":
            self.begin()
        elif bot:
            bot.preface = Asking(consent, bot, self._journal, record=self.begin).run

    def begin(self) -> None:
        if self._by_egress:
            self.pauses.egress = self._ask_egress
        now = time.monotonic()
        recorder = self._tape.begin(self._room, began=now, starts_ms=self._journal.ms())
        if recorder:
            self.pauses.attach(recorder)
            self._on_begun(recorder)

    async def finish(self, ended: float) -> None:
        for task in self._tasks:
            task.cancel()
        self.pauses.close()
        await self._tape.finish(ended)

    # --- orders to pause -------------------------------------------------------------------------

    def follow(self, room: rtc.Room) -> None:
        room.on("data_received", self._on_data)

    def _on_data(self, packet: rtc.DataPacket) -> None:
        """From the server only: nobody in the room gives orders."""
        if packet.topic != TOPIC or packet.participant is not None:
            return
        try:
            order = json.loads(packet.data)["order"]
        except (ValueError, KeyError, TypeError):
            return
        if isinstance(order, int) and order not in self._orders:
            self._orders.add(order)
            task = asyncio.create_task(self.order(order))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def order(self, number: int) -> None:
        """Somebody wants the recording paused, or to go on. Told until one of us takes it."""
        async with self._turn:
            try:
                async with self._desk() as desk:
                    said = await desk.pause_order({"room": self._room, "order": number})
            except DeskAway:
                self._orders.discard(number)  # nobody has taken it: it is told again
                return
            except DeskRefused:
                return
            by = str(said.get("by", ""))
            if said.get("what") == "pause":
                await self.pauses.begin("api", by)
            else:
                await self.pauses.end("api", by)

    async def _ask_egress(self, what: str) -> bool:
        try:
            async with self._desk() as desk:
                said = await desk.pause_egress({"room": self._room, "what": what})
        except (DeskAway, DeskRefused):
            return False
        return said.get("done") is True

    def _desk(self) -> Desk:
        url, token = self._config.control_url, self._config.worker_token
        return Desk(url, token, timeout_s=ANSWER_S)
