"""The worker's telephone exchange: sends a caller on (REFER), or dials somebody into his room."""

import asyncio
import logging
from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from livekit import api, rtc
from livekit.agents import JobContext

log = logging.getLogger(__name__)

SPARE_S = 3.0  # LiveKit's own time-out should come first: it tells more
LONGEST_S = 4 * 3600  # a forgotten receiver must not cost money for ever
BUSY = {486, 600}
NO_ANSWER = {408, 480, 487, 504}  # … as far as who was called is concerned


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    outcome: str  # a key of TRANSFER_OUTCOMES
    status: int = 0  # SIP


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
            await asyncio.wait_for(
                self._ctx.api.sip.create_sip_participant(request), ring_s + 2 * SPARE_S
            )
        except Exception as reason:
            return self._failed(reason, otherwise="failed")
        return Result(outcome="connected", status=200)

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
            return Result(outcome="no_answer")
        return Result(outcome=otherwise, status=status)

    def _note(self, reason: Exception) -> None:
        facts = {"job": self._ctx.job.id, "error": type(reason).__name__}
        if isinstance(reason, api.ServerError):
            facts["code"] = reason.code
        log.info("A telephone could not be reached", extra=facts)


def _timed_out(reason: Exception) -> bool:
    """LiveKit gives a call up which rings for too long, and calls that `canceled`."""
    if isinstance(reason, api.ServerError):
        return reason.code in {
            api.ServerErrorCode.CANCELED, api.ServerErrorCode.DEADLINE_EXCEEDED,
        }  # fmt: skip
    return isinstance(reason, TimeoutError)
