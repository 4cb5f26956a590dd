"""A carrier with many telephones: what each number does is written on a list."""

import asyncio
from dataclasses import dataclass, field

from telephony.caller import sip
from telephony.caller.audio import Pcm
from telephony.caller.rtp import Audio
from tests.fakes.uas import Telephone


@dataclass
class Switchboard(Telephone):
    """`refusals` and `voices` by number; other numbers ring until CANCEL."""

    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    voices: dict[str, Pcm] = field(default_factory=dict)  # said by whoever answers
    talks_s: float = 12.0  # whoever answered hangs up so long after his words
    locked: str = ""  # the number which wants a password whatever it is shown
    lines: dict[str, Audio] = field(default_factory=dict)  # what they heard

    def _invited(self, invite: sip.Message) -> None:
        number = called(invite)
        self._say(invite, 100, "Trying")
        if number == self.locked or (self.password and not self._knows(invite)):
            self._demand(invite)
        elif number in self.refusals:
            self._say(invite, *self.refusals[number])
        else:
            self._say(invite, 180, "Ringing")
            if number in self.voices and number not in self.lines:
                self._playing.append(asyncio.create_task(self._answer(number, invite)))

    async def _answer(self, number: str, invite: sip.Message) -> None:
        audio = self.lines[number] = Audio()
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: audio, local_addr=("127.0.0.1", 0))
        self._say(invite, 200, "OK", sip.offer("127.0.0.1", audio.port))
        running = asyncio.create_task(audio.run(sip.media_address(invite.body)))
        try:
            await asyncio.sleep(0.3)
            await audio.play(self.voices[number])
            await asyncio.sleep(self.talks_s)
            self.hang_up(invite)
        finally:
            audio.stop()
            await running

    def numbers(self, method: str) -> list[str]:
        return [called(request) for request in self.seen(method)]


def called(request: sip.Message) -> str:
    return request.get("to").split("sip:")[1].split("@")[0]
