"""One phone call, placed and measured: dial, talk, listen, hang up. Plain SIP over UDP, G.711."""

import asyncio
import re
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from telephony.caller import audio, sip
from telephony.caller.audio import FRAME, RATE, Pcm
from telephony.caller.leg import CallFailed, Leg
from telephony.caller.rtp import Audio

__all__ = ["Call", "CallFailed"]

_LOOK_S = 0.05


class Call:
    """Use as `async with Call("sip:+1202…@127.0.0.1:5060") as call: await call.answered()`.

    All moments are seconds of `time.monotonic()`; `times` names those of the signalling.
    """

    def __init__(
        self,
        target: str,
        *,
        caller: str = "+12025550199",
        username: str = "",
        password: str = "",
    ) -> None:
        found = re.fullmatch(r"sip:([^@;<>\s]+)@([^:;<>\s]+)(?::([0-9]{1,5}))?", target)
        if not found:
            raise ValueError(f"{target!r} is no SIP address; write sip:+12025550100@127.0.0.1:5060")
        if not re.fullmatch(r"[\w+.*#-]+", caller):
            raise ValueError(f"{caller!r} is no caller's number; write +12025550199")
        self._server = (socket.gethostbyname(found[2]), int(found[3] or 5060))
        self.leg = Leg(target, caller, self._server, (username, password))
        self.audio = Audio()
        self.leg.on_answer, self.leg.on_end = self._talk, self.audio.stop
        self._sender: asyncio.Task[None] | None = None
        self.media = ""  # the address at which the other side wants sound, once it has answered

    # --- life ------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Open the ports and send the INVITE."""
        loop = asyncio.get_running_loop()
        host = _own_address(self._server)
        await loop.create_datagram_endpoint(lambda: self.audio, local_addr=(host, 0))
        await loop.create_datagram_endpoint(lambda: self.leg, local_addr=(host, 0))
        self.leg.invite(sip.offer(host, self.audio.port))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.hang_up()
        if self._sender:
            await self._sender
        await self.leg.close()
        self.audio.close()

    def _talk(self, peer: tuple[str, int]) -> None:
        self.media = peer[0]
        self._sender = asyncio.create_task(self.audio.run(peer))

    async def answered(self, timeout_s: float = 30) -> None:
        """Wait for 200. Raises CallFailed: the status when refused, 0 when nothing came."""
        try:
            await asyncio.wait_for(asyncio.shield(self.leg.final), timeout_s)
        except TimeoutError:
            raise CallFailed(0, f"no answer within {timeout_s:g} s") from None

    async def hang_up(self) -> None:
        """BYE when talking, CANCEL while ringing, nothing when over. Safe to repeat."""
        await self.leg.hang_up()

    def vanish(self) -> None:
        """Be gone without a word: no BYE, no more audio, as a phone that lost its network."""
        self.audio.stop()
        self.leg.vanish()

    # --- talking ---------------------------------------------------------------------------------

    async def say(self, pcm: Pcm) -> float:
        """Speak; return, when it has left, the moment of its last loud sample.

        Like `press`, it returns early when the call ends.
        """
        begun = await self.audio.play(pcm)
        return begun + audio.speech_end(pcm) / RATE

    async def press(self, keys: str) -> float:
        """Return the moment the last key was let go.

        Raises ValueError for anything but 0-9 * # A-D.
        """
        return await self.audio.press(keys)

    # --- listening -------------------------------------------------------------------------------

    async def quiet(
        self, ms: int = 800, timeout_s: float = 30, *, since: float | None = None
    ) -> bool:
        """Wait until the other side has spoken (after `since`) and been quiet for `ms`.

        Returns False when the time is over or the call has ended before.
        """
        start = self.audio.begun if since is None else since
        end = time.monotonic() + timeout_s
        while time.monotonic() < end and not self.ended.is_set():
            heard = self.heard_since(start)
            pause = time.monotonic() - start - audio.speech_end(heard) / RATE
            if pause * 1000 >= ms and audio.onset(heard) is not None:
                return True
            await asyncio.sleep(_LOOK_S)
        return False

    def heard(self) -> Pcm:
        """What arrived, from the answer on; gaps are silence."""
        return self.audio.heard()

    def heard_since(self, moment: float) -> Pcm:
        return self.audio.timeline.since(moment)

    def first_speech_after(self, moment: float) -> float | None:
        """When the packet came with which the other side began to speak after `moment`, or None."""
        timeline = self.audio.timeline
        at = audio.onset(timeline.heard(), timeline.sample(moment))
        # the last sample of the first loud 20 ms: rather a packet too late than one too early
        return None if at is None else max(moment, timeline.arrival(at + FRAME - 1))

    # --- what was measured -----------------------------------------------------------------------

    @property
    def times(self) -> dict[str, float]:
        """invite, trying, ringing, answered, refused, ended, as far as they happened."""
        return self.leg.times

    @property
    def ended(self) -> asyncio.Event:
        return self.leg.ended

    @property
    def ended_by(self) -> str:
        """ "us" or "them"; empty while the call goes on."""
        return self.leg.ended_by

    @property
    def status(self) -> int:
        """The final SIP status of the INVITE: 200, 486, …; 0 if none came."""
        return self.leg.status

    @property
    def seconds(self) -> float:
        """Answer to end, or to now."""
        return self.times.get("ended", time.monotonic()) - self.times["answered"]

    def ms(self, name: str) -> float | None:
        """From the INVITE to what `times` calls `name`."""
        moment = self.times.get(name)
        return None if moment is None else (moment - self.times["invite"]) * 1000

    def greeting_ms(self) -> float | None:
        """From the answer to the first speech that arrived."""
        return self.reaction_ms(self.times["answered"])

    def reaction_ms(self, end: float) -> float | None:
        """Voice to voice: from `end`, which `say` returned, to the first speech that came after."""
        first = self.first_speech_after(end)
        return None if first is None else (first - end) * 1000

    def save(self, path: Path) -> None:
        """Both sides on one clock: left what we said, right what we heard."""
        audio.write_wav(path, self.audio.sent(), self.heard())


def _own_address(server: tuple[str, int]) -> str:
    """The address of this machine from which the server is reached."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(server)
        return str(probe.getsockname()[0])
