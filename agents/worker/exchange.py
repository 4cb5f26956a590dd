"""The worker's telephone exchange: sends a caller on (REFER), or dials somebody into his room."""

import asyncio
import logging
import time
from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from livekit import api, rtc
from livekit.agents import JobContext

log = logging.getLogger(__name__)

AGAIN_S, LOOK_S = 5.0, 0.5
SPARE_S = 3.0  # LiveKit's own time-out should come first: it tells more
LONGEST_S = 4 * 3600  # a forgotten receiver must not cost money for ever
BUSY = {486, 600}
NO_ANSWER = {408, 480, 487, 504}  # … as far as who was called is concerned


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    outcome: str  # a key of TRANSFER_OUTCOMES
    status: int = 0  # SIP
    detail: str = ""  # LiveKit's code, where there is no SIP status


class Exchange:
    def __init__(self, ctx: JobContext) -> None:
        self._ctx = ctx

    async def refer(self, caller: rtc.Participant, number: str, *, ring_s: int) -> Result:
        """accepted: the carrier has sent him on. refused: it would not, or said nothing; then
        nobody was called. busy, no_answer: it tried."""
        target = number if number.startswith("sip:") else f"tel:{number}"
        request = api.TransferSIPParticipantRequest(
            room_name=self._ctx.room.name, participant_identity=caller.identity,
            transfer_to=target, play_dialtone=False, ringing_timeout=Duration(seconds=ring_s),
        )  # fmt: skip
        try:
            await asyncio.wait_for(
                self._ctx.api.sip.transfer_sip_participant(request), ring_s + SPARE_S
            )
        except Exception as reason:  # whatever it is, the caller must not be left waiting
            return self._failed(reason, otherwise="refused")
        return Result(outcome="accepted", status=202)

    async def dial(
        self, number: str, *, identity: str, trunk: str, caller_id: str, digits: str, ring_s: int
    ) -> Result:
        """connected: he is in the room. Else busy, no_answer or failed."""
        user = number.removeprefix("sip:").partition("@")[0]
        request = api.CreateSIPParticipantRequest(
            room_name=self._ctx.room.name, participant_identity=identity, sip_trunk_id=trunk,
            sip_call_to=user, sip_number=caller_id, dtmf=digits, wait_until_answered=True,
            ringing_timeout=Duration(seconds=ring_s),
            max_call_duration=Duration(seconds=LONGEST_S),
        )  # fmt: skip
        try:
            await asyncio.wait_for(self._create(request), ring_s + AGAIN_S + 2 * SPARE_S)
        except Exception as reason:
            return self._failed(reason, otherwise="failed")
        return Result(outcome="connected", status=200)

    async def _create(self, request: api.CreateSIPParticipantRequest) -> None:
        """A livekit-sip whose processor is busy takes no call; in a moment it does."""
        until = time.monotonic() + AGAIN_S
        while True:
            try:
                await self._ctx.api.sip.create_sip_participant(request)
            except api.ServerError as refusal:
                if refusal.code != api.ServerErrorCode.UNAVAILABLE or time.monotonic() > until:
                    raise
                await asyncio.sleep(LOOK_S)
            else:
                return

    async def drop(self, identity: str) -> None:
        """End a telephone we dialled; that it is gone already is fine."""
        request = api.RoomParticipantIdentity(room=self._ctx.room.name, identity=identity)
        try:
            await asyncio.wait_for(self._ctx.api.room.remove_participant(request), SPARE_S)
        except Exception as reason:
            self._note(reason)

    def _failed(self, reason: Exception, *, otherwise: str) -> Result:
        self._note(reason)
        status = (reason.sip_status_code or 0) if isinstance(reason, api.SipCallError) else 0
        if status in BUSY:
            return Result(outcome="busy", status=status)
        if status in NO_ANSWER:
            return Result(outcome="no_answer", status=status)
        if otherwise == "failed" and _timed_out(reason):
            return Result(outcome="no_answer", detail=_code(reason))
        return Result(outcome=otherwise, status=status, detail="" if status else _code(reason))

    def _note(self, reason: Exception) -> None:
        facts = {"job": self._ctx.job.id, "code": _code(reason)}
        log.info("A telephone could not be reached", extra=facts)


def _code(reason: Exception) -> str:
    return str(reason.code if isinstance(reason, api.ServerError) else type(reason).__name__)


def _timed_out(reason: Exception) -> bool:
    """LiveKit gives a call up which rings for too long, and calls that `canceled`."""
    if isinstance(reason, api.ServerError):
        return reason.code in {
            api.ServerErrorCode.CANCELED, api.ServerErrorCode.DEADLINE_EXCEEDED,
        }  # fmt: skip
    return isinstance(reason, TimeoutError)
