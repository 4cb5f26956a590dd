"""Sends the caller of one call to another telephone, and takes him back when nobody is there.

First by REFER, so that his carrier has him and our lines are free; where it refuses we dial the
other telephone into his room. The bot is out of the call meanwhile.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from livekit import rtc

from agents.entrance import SIDE_PREFIX
from agents.entries import TRANSFER_OUTCOMES
from agents.plan import Target
from agents.worker import clearance
from agents.worker.clearance import Ask, Clearance
from agents.worker.desk import DeskAway
from agents.worker.exchange import Result
from agents.worker.journal import Journal

log = logging.getLogger(__name__)

BRIEF_S = 3.0  # whoever hangs up sooner did not talk with the caller
AFTER_REFER_S = 1.5  # a carrier which takes the caller may hang up before it says so
TRIED = {"busy", "no_answer"}  # dialling would find the same


class Host(Protocol):
    """The call, as far as a transfer needs it."""

    def hold(self) -> None: ...
    async def announce(self, words: str) -> None: ...
    async def take_back(self, words: str, note: str) -> None: ...
    def begin_anew(self) -> None: ...
    def end(self, reason: str, *, at: float | None = None) -> None: ...
    def sent_on(self) -> None: ...


class Exchange(Protocol):
    async def refer(self, caller: rtc.Participant, number: str, *, ring_s: int) -> Result: ...
    async def dial(
        self, number: str, *, identity: str, trunk: str, caller_id: str, digits: str, ring_s: int
    ) -> Result: ...
    async def drop(self, identity: str) -> None: ...


class Tone(Protocol):
    def start(self) -> None: ...
    async def stop(self) -> None: ...


class Transfer:
    """One at a time; as many in a call as it takes."""

    def __init__(
        self, host: Host, exchange: Exchange, tone: Tone, journal: Journal, *, ask: Ask,
        start: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:  # fmt: skip
        """`ask` the control plane at /internal/transfers; `start` a task of the call."""
        self._host, self._exchange, self._tone = host, exchange, tone
        self._journal, self._ask, self._start = journal, ask, start
        self._room = ""
        self._caller: rtc.Participant | None = None
        self._state = "idle"  # busy, referring, ringing, bridged, over
        self._facts: dict[str, Any] = {}
        self._leg = ""
        self._leg_gone = asyncio.Event()
        self._left_at: float | None = None  # the caller, during a REFER
        self._orders: set[int] = set()

    # --- what is asked of it ---------------------------------------------------------------------

    @property
    def is_on(self) -> bool:
        return self._state != "idle"

    def begin(self, room: str, caller: rtc.Participant) -> None:
        self._room, self._caller = room, caller

    def to(self, target: Target) -> bool:
        """The bot wants it; False if somebody is being called already."""
        if self.is_on or self._caller is None:
            return False
        self._state = "busy"
        self._host.hold()
        self._start(self._run(self._cleared(target)))
        return True

    async def forward(self, cleared: Clearance) -> bool:
        """A policy wants it. Returns when the call has ended so; False: the caller is still here,
        and nobody is with him."""
        if self.is_on or self._caller is None:
            return self.is_on
        self._state = "busy"
        self._facts = {"destination": "", "name": cleared.target.name, "order": 0}
        self._host.hold()
        self._tell("asked")
        await self._carry_out(cleared)
        return self.is_on

    def order(self, number: int) -> None:
        """A supervisor wants it. Told again and again until one of us takes it."""
        if self.is_on or self._caller is None or number in self._orders:
            return
        self._orders.add(number)
        self._state = "busy"
        self._start(self._run(self._ordered(number)))

    def adopt(self, leg: rtc.RemoteParticipant) -> None:
        """This job came into a call whose caller talks with, or waits for, somebody already."""
        self._facts = {"destination": "", "name": "", "order": 0}
        self._state, self._leg = "bridged", leg.identity
        self._host.hold()
        self._start(self._resume(leg))

    # --- what the room reports -------------------------------------------------------------------

    def leg_left(self, identity: str) -> None:
        if identity == self._leg:
            self._leg_gone.set()

    def caller_left(self, at: float) -> None:
        """Ends the call: his hang-up means something else in each state."""
        if self._state == "bridged":
            self._tell("left", "dial")
            self._state = "over"
            self._host.end("transferred", at=at)
        elif self._state == "referring":
            self._left_at = at
            loop = asyncio.get_running_loop()
            loop.call_later(AFTER_REFER_S, self._abandoned, at)
        else:
            self._abandoned(at)

    def _abandoned(self, at: float) -> None:
        if self._state == "over":
            return
        if self.is_on and self._facts:
            self._tell("abandoned")
        self._state = "over"
        self._host.end("caller", at=at)

    # --- how it goes -----------------------------------------------------------------------------

    async def _cleared(self, target: Target) -> Clearance:
        self._facts = {"destination": target.key, "name": target.name, "order": 0}
        self._tell("asked")
        return await clearance.of_target(self._ask, self._room, target)

    async def _ordered(self, number: int) -> Clearance | None:
        try:
            cleared = await clearance.of_order(self._ask, self._room, number)
        except DeskAway:
            self._orders.discard(number)  # nobody has taken it: it is told again
            return None
        if cleared:
            self._host.hold()
            target = cleared.target
            self._facts = {"destination": target.key, "name": target.name, "order": number}
            self._tell("asked")
        return cleared

    async def _run(self, clearing: Coroutine[Any, Any, Clearance | None]) -> None:
        cleared = await clearing
        if cleared is None:
            self._state = "idle"
        elif cleared.why:
            self._tell(cleared.why)
            closed = cleared.why == "closed"
            await self._back(cleared.target.closed if closed else cleared.target.sorry, cleared.why)
        else:
            await self._host.announce(cleared.target.announcement)
            await self._carry_out(cleared)

    async def _carry_out(self, cleared: Clearance) -> None:
        self._tone.start()
        try:
            outcome = await self._reach(cleared)
        finally:
            await self._tone.stop()
        await self._go_on(cleared, outcome)

    async def _reach(self, cleared: Clearance) -> str:
        outcome = ""
        if cleared.target.method != "dial":
            outcome = await self._refer(cleared.target)
            over = outcome == "accepted" or outcome in TRIED or self._left_at is not None
            if over or cleared.target.method == "refer":
                return outcome
        if not cleared.trunk:
            if not outcome:
                self._tell("unavailable", "dial")
            return outcome or "unavailable"
        return await self._dial(cleared)

    async def _refer(self, target: Target) -> str:
        assert self._caller is not None
        self._state = "referring"
        result = await self._exchange.refer(self._caller, target.number, ring_s=target.ring_s)
        if self._state == "over":  # he hung up, and nobody told whether he was sent on
            return result.outcome
        self._state = "busy"
        if self._left_at is None or result.outcome == "accepted":
            self._tell(result.outcome, "refer", result.status, result.detail)
        return result.outcome

    async def _dial(self, cleared: Clearance) -> str:
        self._state, self._leg = "ringing", SIDE_PREFIX + secrets.token_hex(4)
        self._leg_gone.clear()
        self._tell("ringing", "dial")
        result = await self._exchange.dial(
            cleared.target.number, identity=self._leg, trunk=cleared.trunk,
            caller_id=cleared.caller_id, digits=cleared.post_dial, ring_s=cleared.target.ring_s,
        )  # fmt: skip
        self._tell(result.outcome, "dial", result.status, result.detail)
        return result.outcome

    async def _go_on(self, cleared: Clearance, outcome: str) -> None:
        if outcome == "accepted":
            self._state = "over"
            self._host.sent_on()
        elif outcome == "connected":
            await self._bridge(cleared)
        elif self._left_at is None and self._state != "over":
            await self._exchange_drop()
            await self._back(cleared.target.sorry, outcome)

    async def _bridge(self, cleared: Clearance) -> None:
        self._state = "bridged"
        began = time.monotonic()
        await self._leg_gone.wait()
        if time.monotonic() - began < BRIEF_S:
            self._tell("returned", "dial")
            await self._back(cleared.target.sorry, "returned")
        else:
            self._over("ended")

    def _over(self, outcome: str) -> None:
        self._tell(outcome, "dial")
        self._state = "over"
        self._host.end("transferred")

    async def _exchange_drop(self) -> None:
        """Whoever rings on although we gave him up must not come into the room later."""
        leg, self._leg = self._leg, ""
        if leg and not self._leg_gone.is_set():
            await self._exchange.drop(leg)

    async def _back(self, words: str, outcome: str) -> None:
        name = self._facts.get("name", "")
        self._state, self._leg = "idle", ""
        note = f"The caller was to be put through to {name}. {TRANSFER_OUTCOMES[outcome]}"
        await self._host.take_back(words, f"{note} He talks with you again.")

    async def _resume(self, leg: rtc.RemoteParticipant) -> None:
        """Until whoever was dialled before we came is gone."""
        talked = False
        while not self._leg_gone.is_set():
            talked = talked or leg.attributes.get("sip.callStatus") in {"active", "automation"}
            try:
                await asyncio.wait_for(self._leg_gone.wait(), 0.2)
            except TimeoutError:
                continue
        if talked:
            self._over("ended")
        else:
            self._state, self._leg = "idle", ""
            self._host.begin_anew()

    def _tell(self, outcome: str, method: str = "", status: int = 0, detail: str = "") -> None:
        assert outcome in TRANSFER_OUTCOMES
        self._journal.write(
            "transfer", **self._facts, method=method, outcome=outcome, sip_status=status,
            detail=detail,
        )  # fmt: skip
