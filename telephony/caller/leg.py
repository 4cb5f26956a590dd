"""Our side of one SIP dialog over UDP: the caller's transactions of RFC 3261. No audio."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

from telephony.caller import sip

_T1, _T2 = 0.5, 4.0  # RFC 3261 §17.1.1.1, seconds
_GIVE_UP_S = 32.0
_GOODBYE_S = 4.0  # a BYE or CANCEL is repeated for so long


class CallFailed(Exception):
    """The call was not answered. `status` is the SIP status, 0 if nothing came."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}".strip())
        self.status = status


class Leg(asyncio.DatagramProtocol):
    """`times` holds what happened when, in seconds of one monotonic clock: invite, trying, ringing,
    answered, refused, ended. `log` holds every message: (when, "out" or "in", its first line).
    """

    def __init__(
        self, target: str, caller: str, server: tuple[str, int], credentials: tuple[str, str]
    ) -> None:
        self.times: dict[str, float] = {}
        self.log: list[tuple[float, str, str]] = []
        self.status = 0
        self.ended = asyncio.Event()
        self.ended_by = ""
        self.on_answer: Callable[[tuple[str, int]], None] = lambda peer: None
        self.on_end: Callable[[], None] = lambda: None
        self.refer_status = 405  # our answer to a REFER; 202 accepts it
        self.referred: int | None = 200  # … and what then became of it; None: nobody tells
        self.referred_to = ""
        self.final: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._target, self._caller, self._server = target, caller, server
        self._credentials = credentials
        self._progress = asyncio.Event()  # something has come back for our INVITE
        self._closed: dict[int, asyncio.Event] = {}  # by CSeq: our BYE or CANCEL was answered
        self._tasks: set[asyncio.Task[None]] = set()
        self._ack = b""
        self._cancelled = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        host, port = self._transport.get_extra_info("sockname")[:2]
        self._dialog = sip.Dialog(self._target, self._caller, host, port)

    # --- what the caller does --------------------------------------------------------------------

    def invite(self, sdp: str) -> None:
        self._sdp = sdp
        self.times["invite"] = time.monotonic()
        self._send_invite()

    async def hang_up(self) -> None:
        """BYE when talking, CANCEL while ringing, nothing when over. Safe to repeat."""
        if self.ended.is_set():
            return
        self._end("us")
        if "answered" in self.times:
            await self._bye()
        else:
            await self._cancel()

    def vanish(self) -> None:
        """Neither send nor hear anything any more."""
        self._end("us")
        self._transport.abort()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.final.done() and not self.final.cancelled():
            self.final.exception()  # seen, even if nobody waited
        self._transport.close()

    async def _bye(self) -> None:
        self._dialog.cseq += 1
        await self._until_closed("BYE", sip.new_branch(), self._dialog.cseq)

    async def _cancel(self) -> None:
        """RFC 3261 §9.1: not before something has come back, and as the INVITE's own branch."""
        self._cancelled = True
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._progress.wait(), _GOODBYE_S)
            await self._until_closed("CANCEL", self._branch, self._dialog.cseq)
        with contextlib.suppress(CallFailed, TimeoutError):
            await asyncio.wait_for(asyncio.shield(self.final), _GOODBYE_S)
        if "answered" in self.times:  # the 200 was faster than our CANCEL
            await self._bye()

    # --- sending ---------------------------------------------------------------------------------

    def _send_invite(self, extra: tuple[tuple[str, str], ...] = ()) -> None:
        self._dialog.cseq += 1
        self._branch = sip.new_branch()
        message = self._dialog.request(
            "INVITE", branch=self._branch, cseq=self._dialog.cseq, body=self._sdp, extra=extra
        )
        self._progress.clear()
        task = asyncio.create_task(self._until_progress(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _until_progress(self, message: bytes) -> None:
        if not await self._repeat(message, self._progress, _GIVE_UP_S) and not self.final.done():
            self._fail(0, "no answer to INVITE")

    async def _until_closed(self, method: str, branch: str, cseq: int) -> None:
        done = self._closed[cseq] = asyncio.Event()
        message = self._dialog.request(method, branch=branch, cseq=cseq)
        await self._repeat(message, done, _GOODBYE_S)

    async def _repeat(self, message: bytes, until: asyncio.Event, seconds: float) -> bool:
        """Send after 0, 0.5, 1.5, 3.5 … s until `until`; False if that never came."""
        wait, end = _T1, time.monotonic() + seconds
        while time.monotonic() < end:
            self._send(message)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(until.wait(), min(wait, end - time.monotonic()))
                return True
            wait = min(2 * wait, _T2) if seconds < _GIVE_UP_S else 2 * wait
        return until.is_set()

    def _send(self, message: bytes, to: tuple[str, int] | None = None) -> None:
        if not self._transport.is_closing():
            self._note("out", message)
            self._transport.sendto(message, to or self._server)

    def _note(self, direction: str, message: bytes) -> None:
        first = message.split(b"\r\n", 1)[0].decode("utf-8", "replace")
        self.log.append((time.monotonic(), direction, first))

    # --- receiving -------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        message = sip.parse(data)
        if message is None or not self._is_ours(message):
            return
        self._note("in", data)
        if message.status:
            self._response(message)
        else:
            self._request(message, addr)

    def _is_ours(self, message: sip.Message) -> bool:
        return message.get("call-id") == self._dialog.call_id or message.method == "OPTIONS"

    def _request(self, message: sip.Message, addr: tuple[str, int]) -> None:
        if message.method == "ACK":
            return
        if message.method == "REFER":
            self._asked_to_go(message, addr)
            return
        known = message.method in {"BYE", "OPTIONS", "NOTIFY", "INVITE", "INFO", "UPDATE"}
        status, reason = (200, "OK") if known else (405, "Method Not Allowed")
        body = self._sdp if message.method == "INVITE" else ""
        own = self._dialog
        answer = sip.answer(message, status, reason, own.tag, contact=own.contact, body=body)
        self._send(answer, addr)
        if message.method == "BYE":
            self._end("them")

    def _asked_to_go(self, message: sip.Message, addr: tuple[str, int]) -> None:
        """A blind transfer (RFC 3515). We dial nobody; we only tell what we were told to tell."""
        self.referred_to = message.get("refer-to")
        reason = "Accepted" if self.refer_status == 202 else "Refused"
        own = self._dialog
        answer = sip.answer(message, self.refer_status, reason, own.tag, contact=own.contact)
        self._send(answer, addr)
        if self.refer_status == 202 and self.referred is not None:
            self._spawn(self._notify(self.referred))

    async def _notify(self, status: int) -> None:
        self._dialog.cseq += 1
        cseq = self._dialog.cseq
        done = self._closed[cseq] = asyncio.Event()
        message = self._dialog.request(
            "NOTIFY", branch=sip.new_branch(), cseq=cseq, body=f"SIP/2.0 {status} Told\r\n",
            kind="message/sipfrag;version=2.0",
            extra=(("Event", "refer"), ("Subscription-State", "terminated;reason=noresource")),
        )  # fmt: skip
        await self._repeat(message, done, _GOODBYE_S)

    def _response(self, message: sip.Message) -> None:
        number, method = message.cseq
        if method != "INVITE":
            if number in self._closed and message.status >= 200:
                self._closed[number].set()
            return
        if number != self._dialog.cseq and "answered" not in self.times:
            return  # belongs to the INVITE without credentials
        self._progress.set()
        if message.status < 200:
            self.times.setdefault(
                "trying" if message.status == 100 else "ringing", time.monotonic()
            )
        elif message.status < 300:
            self._accepted(message)
        else:
            self._refused(message)

    def _accepted(self, message: sip.Message) -> None:
        if self._ack:
            self._send(self._ack)
            return
        self._dialog.establish(message)
        self._ack = self._dialog.request("ACK", branch=sip.new_branch(), cseq=message.cseq[0])
        self._send(self._ack)
        self.times["answered"] = time.monotonic()
        self.status = message.status
        try:
            peer = sip.media_address(message.body)
        except sip.NoMedia as trouble:
            self._spawn_bye()
            self._fail(message.status, str(trouble))
            return
        if not self._cancelled:
            self.on_answer(peer)
        if not self.final.done():
            self.final.set_result(None)

    def _spawn_bye(self) -> None:
        self._spawn(self._bye())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _refused(self, message: sip.Message) -> None:
        cseq = message.cseq[0]
        to = message.get("to")
        self._send(self._dialog.request("ACK", branch=self._branch, cseq=cseq, to=to))
        if credentials := self._credentials_for(message, cseq):
            self._send_invite((credentials,))
        elif not self.final.done():
            self._fail(message.status, message.reason)

    def _credentials_for(self, message: sip.Message, cseq: int) -> tuple[str, str] | None:
        """The header which answers a challenge; None if there is none, or it was tried already."""
        names = {401: "Authorization", 407: "Proxy-Authorization"}
        challenge = message.get("proxy-authenticate") or message.get("www-authenticate")
        user, password = self._credentials
        if message.status not in names or not challenge or not user or cseq != 1 or self._cancelled:
            return None
        value = sip.digest(
            challenge, method="INVITE", uri=self._target, username=user, password=password
        )
        return names[message.status], value

    def _fail(self, status: int, reason: str) -> None:
        self.status = status
        self.times["refused"] = time.monotonic()
        self.final.set_exception(CallFailed(status, reason))
        self._end("them")

    def _end(self, by: str) -> None:
        if not self.ended.is_set():
            self.ended_by = by
            self.times["ended"] = time.monotonic()
            self.ended.set()
            self.on_end()
