"""Dials whom a call of ours is for. Only from inside the room, only once, only if Django says so.

The request to LiveKit stays open until the telephone is answered: nothing else tells the SIP status
of a call which was not.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import aiohttp
from google.protobuf.duration_pb2 import Duration
from livekit import api, rtc
from livekit.agents import JobContext

from agents.order import Order, outcome_of
from agents.worker.config import Config
from agents.worker.desk import Desk, DeskAway, DeskRefused
from agents.worker.journal import Journal

log = logging.getLogger(__name__)

JOIN_S = 15.0  # LiveKit puts the callee into the room before it sends the INVITE
REASON_S = 3.0
# said before any INVITE only: no SIP service, or it does not know the trunk (yet)
_NOT_BEGUN = {api.ServerErrorCode.UNAVAILABLE, api.ServerErrorCode.NOT_FOUND}
SLACK_S = 10.0  # beyond ringing, for the request itself


def outbound_in(metadata: str) -> int:
    """Which call of ours a dispatch is for; 0 for a caller's."""
    try:
        return int(json.loads(metadata).get("outbound", 0))
    except (ValueError, TypeError, AttributeError):
        return 0


class NotDialled(Exception):
    """Nobody's telephone rang: this call is another worker's, or it was called off."""


class Dialler:
    def __init__(self, ctx: JobContext, config: Config, outbound_id: int) -> None:
        self._ctx = ctx
        self._config = config
        self._id = outbound_id
        self.order: Order | None = None
        loop = asyncio.get_running_loop()
        self._failure: asyncio.Future[dict[str, Any] | None] = loop.create_future()
        self._invite: asyncio.Task[None] | None = None

    async def reach(self, trouble: str) -> rtc.RemoteParticipant | None:
        """Whom we call, in the room and ringing. Nobody is called to hear an apology."""
        if not trouble:
            return await self.dial()
        self.fail("error", trouble, rang=False)
        return None

    async def follow(self, journal: Journal, end: Callable[[str], None]) -> None:
        """Note and end a call which nobody answered."""
        if failure := await self.failure():
            journal.write("dialled", **failure)
            end(str(failure["outcome"]))

    async def left(self, end: Callable[[str], None]) -> None:
        """The callee is out of the room; LiveKit says why a moment later."""
        await asyncio.sleep(REASON_S)
        end("unknown")

    async def dial(self) -> rtc.RemoteParticipant | None:
        """The callee once he is in the room, ringing. None: see failure(). Raises NotDialled."""
        self.order = order = await self._claim()
        if order is None:
            self.fail("error", "The control plane is away, so nobody was called.", rang=False)
            return None
        self._invite = asyncio.create_task(self._send(order))
        joining = asyncio.create_task(self._ctx.wait_for_participant(identity=order.identity))
        ends: list[asyncio.Future[Any]] = [joining, self._failure]
        await asyncio.wait(ends, timeout=JOIN_S, return_when=asyncio.FIRST_COMPLETED)
        if joining.done() and not joining.exception():
            return joining.result()
        joining.cancel()
        self.fail("carrier", "LiveKit did not begin the call.")
        return None

    async def failure(self) -> dict[str, Any] | None:
        """Why nobody answered, as data of the journal's `dialled`; None once somebody has."""
        return await asyncio.shield(self._failure)

    def fail(
        self, outcome: str, detail: str = "", *, status: int = 0, rang: bool = True
    ) -> None:  # fmt: skip
        """`rang`: whether a telephone may have rung."""
        if not self._failure.done():
            self._failure.set_result(
                {"status": status, "outcome": outcome, "detail": detail, "rang": rang}
            )

    async def _claim(self) -> Order | None:
        url, token = self._config.control_url, self._config.worker_token
        try:
            async with Desk(url, token) as desk:
                return Order.from_dict(await desk.claim(self._id, self._ctx.room.name))
        except DeskRefused as reason:
            raise NotDialled(str(reason)) from reason
        except (DeskAway, ValueError):
            return None

    async def _send(self, order: Order) -> None:
        request = api.CreateSIPParticipantRequest(
            sip_trunk_id=order.trunk, sip_call_to=order.to, sip_number=order.caller_id,
            room_name=self._ctx.room.name, participant_identity=order.identity,
            ringing_timeout=Duration(seconds=order.ring_s),
            max_call_duration=Duration(seconds=order.max_call_s), wait_until_answered=True,
        )  # fmt: skip
        try:
            await self._ctx.api.sip.create_sip_participant(request, timeout=order.ring_s + SLACK_S)
        except api.SipCallError as refusal:
            status = int(refusal.sip_status_code or 0)
            self.fail(outcome_of(status), refusal.sip_status or "", status=status)
        except api.ServerError as refusal:
            self._not_connected(refusal)
        except (TimeoutError, aiohttp.ClientError) as trouble:
            log.warning("A dial was not answered", extra={"error": type(trouble).__name__})
            self.fail("unknown", "LiveKit did not say what became of it.")
        else:
            if not self._failure.done():
                self._failure.set_result(None)

    def _not_connected(self, refusal: api.ServerError) -> None:
        """Without a status: our ring time was over, or LiveKit could not even begin."""
        if refusal.code in {api.ServerErrorCode.CANCELED, api.ServerErrorCode.DEADLINE_EXCEEDED}:
            self.fail("no_answer", "It rang as long as allowed, and nobody answered.")
        elif "max auth retry" in refusal.message:  # told without its status
            self.fail(outcome_of(407), status=407)
        elif refusal.code in _NOT_BEGUN:
            self.fail("error", f"LiveKit SIP takes no calls: {refusal.message}"[:200], rang=False)
        else:
            self.fail("carrier", f"LiveKit could not place the call: {refusal.message}"[:200])

    async def aclose(self) -> None:
        self.fail("unknown")
        if self._invite:
            self._invite.cancel()
            await asyncio.gather(self._invite, return_exceptions=True)
