"""One phone call, placed and measured: INVITE, talk, BYE. Plain SIP over UDP, G.711."""

import asyncio
import contextlib
import re
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from telephony.caller import audio, sip
from telephony.caller.audio import FRAME, RATE, Pcm
from telephony.caller.rtp import Audio


class CallFailed(Exception):
    """The call was not answered. `status` is the SIP status, 0 if nothing came."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(f"{status} {reason}".strip())
        self.status = status


class Call(asyncio.DatagramProtocol):
    """Use as `async with Call("sip:+1202…@127.0.0.1:5060") as call:`.

    `times` holds, in seconds of one monotonic clock, what happened when: invite, trying, ringing,
    answered, refused, ended. `ended_by` is "us" or "them".
    """

    def __init__(
        self,
        target: str,
        *,
        caller: str = "+12025550199",
        username: str = "",
        password: str = "",
    ) -> None:
        found = re.fullmatch(r"sip:([^@;<>\s]+)@([^:;<>\s]+)(?::(\d+))?", target)
        if not found:
            raise ValueError(f"{target!r} is no SIP address; write sip:+12025550100@127.0.0.1:5060")
        self._server = (socket.gethostbyname(found[2]), int(found[3] or 5060))
        self._target, self._caller = target, caller
        self._credentials = (username, password)
        self.audio = Audio()
        self.times: dict[str, float] = {}
        self.ended_by = ""
        self.ended = asyncio.Event()
        self._final = asyncio.get_running_loop().create_future()
        self._provisional = asyncio.Event()
        self._over = asyncio.Event()  # our BYE or CANCEL was answered
        self._tasks: list[asyncio.Task[None]] = []
        self._ack = b""

    # --- life ------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        host = "127.0.0.1" if self._server[0].startswith("127.") else _own_address(self._server)
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, 0))
        await loop.create_datagram_endpoint(lambda: self.audio, local_addr=(host, 0))
        port = self._transport.get_extra_info("sockname")[1]
        self._dialog = sip.Dialog(self._target, self._caller, host, port)
        self._sdp = sip.offer(host, self.audio.port)
        self.times["invite"] = time.monotonic()
        self._invite()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(CallFailed):
            await self.hang_up()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._final.done() and not self._final.cancelled():
            self._final.exception()  # seen, even if nobody waited
        self.audio.close()
        self._transport.close()

    async def answered(self, timeout_s: float = 30) -> None:
        """Wait for 200. Raises CallFailed: the status when refused, 0 when nothing came."""
        try:
            await asyncio.wait_for(asyncio.shield(self._final), timeout_s)
        except TimeoutError:
            raise CallFailed(0, f"no answer within {timeout_s:g} s") from None

    async def hang_up(self) -> None:
        """BYE when talking, CANCEL while ringing, nothing when over. Safe to repeat."""
        if self.ended.is_set():
            return
        if "answered" in self.times:
            self.ended_by = "us"
            self._end()
            await self._repeat("BYE", sip.new_branch(), self._next_cseq())
        elif not self._final.done():
            self.ended_by = "us"
            self._end()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._provisional.wait(), 2)
            await self._repeat("CANCEL", self._branch, self._dialog.cseq)
            with contextlib.suppress(CallFailed, TimeoutError):
                await asyncio.wait_for(asyncio.shield(self._final), 2)

    # --- talking ---------------------------------------------------------------------------------

    async def say(self, pcm: Pcm) -> float:
        """Speak; return when the last loud sample left (monotonic s)."""
        begun = await self.audio.play(pcm)
        return begun + audio.speech_end(pcm) / RATE

    async def press(self, digits: str) -> None:
        await self.audio.press(digits)

    async def quiet(
        self, ms: int = 800, timeout_s: float = 30, *, since: float | None = None
    ) -> bool:
        """Wait until the other side has spoken (after `since`) and been quiet for `ms`.

        Returns False when the time is over or the call has ended before.
        """
        start = since if since is not None else self.audio.begun
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and not self.ended.is_set():
            heard = self.heard_since(start)
            last = audio.speech_end(heard)
            if audio.onset(heard) is not None and self._ago(start, last) * 1000 >= ms:
                return True
            await asyncio.sleep(0.02)
        return False

    def _ago(self, start: float, sample: int) -> float:
        return time.monotonic() - (start + sample / RATE)

    def heard_since(self, moment: float) -> Pcm:
        return self.audio.heard()[max(0, round((moment - self.audio.begun) * RATE)) :]

    def first_speech_after(self, moment: float) -> float | None:
        """When the other side began to speak at or after `moment` (monotonic s), or None."""
        at = audio.onset(self.heard_since(moment))
        return None if at is None else moment + at / RATE

    def save(self, path: Path) -> None:
        """Both sides as heard on one clock: left what we said, right what we heard."""
        audio.write_wav(path, self.audio.sent(), self.audio.heard())

    @property
    def seconds(self) -> float:
        """Answer to end."""
        return self.times.get("ended", time.monotonic()) - self.times["answered"]

    # --- SIP -------------------------------------------------------------------------------------

    def _next_cseq(self) -> int:
        self._dialog.cseq += 1
        return self._dialog.cseq

    def _invite(self, extra: tuple[tuple[str, str], ...] = ()) -> None:
        self._branch = sip.new_branch()
        message = self._dialog.request(
            "INVITE", branch=self._branch, cseq=self._next_cseq(), body=self._sdp, extra=extra
        )
        self._tasks.append(asyncio.create_task(self._until_heard(message)))

    async def _until_heard(self, message: bytes) -> None:
        """Timer A of RFC 3261: 0.5 s, doubling, until something comes back."""
        self._provisional.clear()
        wait = 0.5
        while wait < 16 and not self._final.done():
            self._send(message)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._provisional.wait(), wait)
                return
            wait *= 2

    async def _repeat(self, method: str, branch: str, cseq: int) -> None:
        self._over.clear()
        message = self._dialog.request(method, branch=branch, cseq=cseq)
        for _ in range(4):
            self._send(message)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), 0.5)
                return

    def _send(self, message: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(message, self._server)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        message = sip.parse(data)
        if message is None or message.get("call-id") != self._dialog.call_id:
            return
        if message.status:
            self._response(message)
        else:
            self._request(message, addr)

    def _request(self, message: sip.Message, addr: tuple[str, int]) -> None:
        status, reason, body = {
            "BYE": (200, "OK", ""),
            "OPTIONS": (200, "OK", ""),
            "NOTIFY": (200, "OK", ""),
            "INVITE": (200, "OK", self._sdp),
        }.get(message.method, (405, "Method Not Allowed", ""))
        if message.method == "ACK":
            return
        self._transport.sendto(sip.answer(message, status, reason, self._dialog.tag, body), addr)
        if message.method == "BYE" and not self.ended.is_set():
            self.ended_by = "them"
            self._end()

    def _response(self, message: sip.Message) -> None:
        method = message.get("cseq").rpartition(" ")[2]
        if method != "INVITE":
            self._over.set()
            return
        self._provisional.set()
        if message.status < 200:
            name = "trying" if message.status == 100 else "ringing"
            self.times.setdefault(name, time.monotonic())
        elif message.status < 300:
            self._accepted(message)
        else:
            self._refused(message)

    def _accepted(self, message: sip.Message) -> None:
        if not self._ack:
            self.times["answered"] = time.monotonic()
            self._dialog.establish(message)
            cseq = int(message.get("cseq").split()[0])
            self._ack = self._dialog.request("ACK", branch=sip.new_branch(), cseq=cseq)
            peer = sip.media_address(message.body)
            self._tasks.append(asyncio.create_task(self.audio.run(peer)))
        self._send(self._ack)
        if not self._final.done():
            self._final.set_result(None)

    def _refused(self, message: sip.Message) -> None:
        cseq = int(message.get("cseq").split()[0])
        dialog_to, self._dialog.to = self._dialog.to, message.get("to")
        self._send(self._dialog.request("ACK", branch=self._branch, cseq=cseq))
        self._dialog.to = dialog_to
        challenge = message.get("proxy-authenticate") or message.get("www-authenticate")
        if message.status in {401, 407} and challenge and self._credentials[0] and cseq == 1:
            name = "Proxy-Authorization" if message.status == 407 else "Authorization"
            user, password = self._credentials
            value = sip.digest(
                challenge, method="INVITE", uri=self._target, username=user, password=password
            )
            self._invite(((name, value),))
        elif not self._final.done():
            self.times["refused"] = time.monotonic()
            self._final.set_exception(CallFailed(message.status, message.reason))
            self._end()

    def _end(self) -> None:
        self.times.setdefault("ended", time.monotonic())
        self.ended.set()


def _own_address(server: tuple[str, int]) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(server)
        return str(probe.getsockname()[0])


def silence(ms: int) -> Pcm:
    return np.zeros(ms * RATE // 1000 // FRAME * FRAME, np.int16)
