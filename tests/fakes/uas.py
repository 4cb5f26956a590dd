"""A telephone which is called: answers or refuses by its orders, over real UDP on the loopback."""

import asyncio
import hashlib
import re
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast

from telephony.caller import sip
from telephony.caller.audio import Pcm
from telephony.caller.rtp import Audio

NONCE = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
CHALLENGE = f'Digest realm="loopback", nonce="{NONCE}", qop="auth", algorithm=MD5'


class _Echo(asyncio.DatagramProtocol):
    """Sends every packet back and keeps it."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.packets.append(data)
        self.transport.sendto(data, addr)


@dataclass
class Telephone(asyncio.DatagramProtocol):
    """Use as `async with Telephone(refuse=(486, "Busy Here")) as phone:`, call `phone.uri`.

    `requests` are all requests seen, as often as they came.
    """

    refuse: tuple[int, str] | None = None
    picks_up: bool = True  # else it rings until CANCEL
    silent: bool = False  # answers nothing at all
    deaf_for: int = 0  # so many datagrams get lost first
    tone: Pcm | None = None  # played when answered; without it: echo
    password: str = ""  # demands digest (407)
    sdp: str | None = None  # instead of a proper answer
    port: int = 0  # 0: any free one
    requests: list[sip.Message] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._line, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", self.port)
        )
        self.echo, self.audio = _Echo(), Audio()
        media = self.audio if self.tone is not None else self.echo
        self._media, _ = await loop.create_datagram_endpoint(
            lambda: media, local_addr=("127.0.0.1", 0)
        )
        self.port = int(self._line.get_extra_info("sockname")[1])
        self._playing: list[asyncio.Task[None]] = []
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._playing:
            task.cancel()
        await asyncio.gather(*self._playing, return_exceptions=True)
        self._media.close()
        self._line.close()

    @property
    def uri(self) -> str:
        return f"sip:+12025550100@127.0.0.1:{self.port}"

    def seen(self, method: str) -> list[sip.Message]:
        return [request for request in self.requests if request.method == method]

    async def wait_for(self, method: str, count: int = 1) -> sip.Message:
        """The last request of this method, once `count` came. Raises TimeoutError after 10 s."""
        async with asyncio.timeout(10):
            while len(self.seen(method)) < count:
                self._news.clear()
                await self._news.wait()
        return self.seen(method)[-1]

    def hang_up(self, invite: sip.Message | None = None) -> None:
        """BYE, in the dialog of this INVITE or of the last."""
        invite = invite or self.seen("INVITE")[-1]
        headers = [
            ("Via", f"SIP/2.0/UDP 127.0.0.1:{self.port};branch={sip.new_branch()}"),
            ("From", f"{invite.get('to')};tag=phone"),
            ("To", invite.get("from")),
            ("Call-ID", invite.get("call-id")),
            ("CSeq", "1 BYE"),
        ]
        self._line.sendto(sip.render("BYE sip:caller SIP/2.0", headers), self._caller)

    # --- the line --------------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.deaf_for > 0:
            self.deaf_for -= 1
            return
        message = sip.parse(data)
        if message is None or message.status:
            return
        self.requests.append(message)
        self._news.set()
        self._caller = addr
        if self.silent:
            return
        if message.method == "INVITE":
            self._invited(message)
        elif message.method == "CANCEL":
            self._say(message, 200, "OK")
            invites = reversed(self.seen("INVITE"))
            mine = next(i for i in invites if i.get("call-id") == message.get("call-id"))
            self._say(mine, 487, "Request Terminated")
        elif message.method != "ACK":
            self._say(message, 200, "OK")

    def _invited(self, invite: sip.Message) -> None:
        self._say(invite, 100, "Trying")
        if self.password and not self._knows(invite):
            self._demand(invite)
        elif self.refuse:
            self._say(invite, *self.refuse)
        else:
            self._say(invite, 180, "Ringing")
            if self.picks_up:
                self._pick_up(invite)

    def _pick_up(self, invite: sip.Message) -> None:
        port = self._media.get_extra_info("sockname")[1]
        body = sip.offer("127.0.0.1", port) if self.sdp is None else self.sdp
        self._say(invite, 200, "OK", body)
        if self.tone is not None and not self._playing:
            peer = sip.media_address(invite.body)
            self._playing.append(asyncio.create_task(self._play(peer, self.tone)))

    async def _play(self, peer: tuple[str, int], tone: Pcm) -> None:
        running = asyncio.create_task(self.audio.run(peer))
        try:
            await asyncio.sleep(0)  # it has begun
            await self.audio.play(tone)
            await running
        finally:
            self.audio.stop()
            await running

    def _say(self, request: sip.Message, status: int, reason: str, body: str = "") -> None:
        contact = f"sip:phone@127.0.0.1:{self.port}"
        data = sip.answer(request, status, reason, "phone", contact=contact, body=body)
        route = "".join(f"Record-Route: {value}\r\n" for value in request.all("record-route"))
        first, _, rest = data.partition(b"\r\n")
        self._line.sendto(b"\r\n".join((first, route.encode() + rest)), self._caller)

    def _demand(self, invite: sip.Message) -> None:
        data = sip.answer(invite, 407, "Proxy Authentication Required", "phone")
        head = data.removesuffix(b"\r\n\r\n")
        self._line.sendto(
            head + f"\r\nProxy-Authenticate: {CHALLENGE}\r\n\r\n".encode(), self._caller
        )

    def _knows(self, invite: sip.Message) -> bool:
        """Recomputes the digest by itself, so that a fault in ours cannot hide."""
        fields = dict(re.findall(r'(\w+)="?([^",]+)', invite.get("proxy-authorization")))
        if not fields:
            return False
        one = _md5(f"{fields['username']}:{fields['realm']}:{self.password}")
        two = _md5(f"INVITE:{fields['uri']}")
        wanted = f"{one}:{NONCE}:{fields['nc']}:{fields['cnonce']}:auth:{two}"
        return bool(fields["response"] == _md5(wanted))


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
