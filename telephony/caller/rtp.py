"""The audio of one call: sends 20 ms frames by the clock, keeps what arrives on the same clock.

Times are seconds of `time.monotonic()`. Sample 0 of both sides of the recording lies at `begun`.
"""

import asyncio
import secrets
import struct
import time
from collections import deque
from typing import cast

import numpy as np

from telephony.caller.audio import FRAME, RATE, Pcm, decode, encode

_SILENCE = encode(np.zeros(FRAME, np.int16))
_DIGITS = {digit: code for code, digit in enumerate("0123456789*#")}
_EVENT = 101
_REANCHOR_S = 0.1


class Audio(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.begun = 0.0
        self.first_packet: float | None = None
        self.late_ms: list[float] = []  # how late each frame was sent
        self._sent: list[bytes] = []
        self._arrived: list[tuple[float, bytes]] = []
        self._anchor: tuple[float, int] | None = None
        self._queue: deque[bytes] = deque()
        self._digits: deque[tuple[int, bool]] = deque()
        self._idle = asyncio.Event()
        self._idle.set()
        self._transport: asyncio.DatagramTransport | None = None
        self._peer: tuple[str, int] | None = None
        self._sequence = secrets.randbelow(1 << 15)
        self._stamp = secrets.randbelow(1 << 31)
        self._source = secrets.randbits(32)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    @property
    def port(self) -> int:
        assert self._transport
        return int(self._transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) < 12 or data[0] >> 6 != 2 or data[1] & 0x7F != 0:
            return
        now = time.monotonic()
        if self.first_packet is None:
            self.first_packet = now
        (stamp,) = struct.unpack_from("!I", data, 4)
        self._arrived.append((self._playout(now, stamp), data[12 + 4 * (data[0] & 0x0F) :]))

    def _playout(self, now: float, stamp: int) -> float:
        """Where this packet belongs: by its timestamp, unless that drifts from its arrival."""
        if self._anchor is not None:
            at, anchor = self._anchor
            due = at + ((stamp - anchor) & 0xFFFFFFFF) / RATE
            if abs(due - now) < _REANCHOR_S:
                return due
        self._anchor = (now, stamp)
        return now

    async def run(self, peer: tuple[str, int]) -> None:
        """Send a frame each 20 ms until cancelled."""
        self._peer = peer
        self.begun = time.monotonic()
        number = 0
        while True:
            due = self.begun + number * 0.02
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self.late_ms.append((time.monotonic() - due) * 1000)
            self._send_frame(first=number == 0)
            number += 1

    def _send_frame(self, *, first: bool) -> None:
        if self._digits:
            self._send_event()
            payload = _SILENCE
        else:
            payload = self._queue.popleft() if self._queue else _SILENCE
            self._packet(payload, kind=0, stamp=self._stamp, marker=first)
        self._sent.append(payload)
        self._stamp = (self._stamp + FRAME) & 0xFFFFFFFF
        if not self._queue and not self._digits:
            self._idle.set()

    def _send_event(self) -> None:
        """RFC 4733: one timestamp a digit, a growing duration, the end three times."""
        code, begins = self._digits[0]
        if begins:
            self._digits[0] = (code, False)
            self._event_stamp, self._event_frames = self._stamp, 0
        self._event_frames += 1
        over = self._event_frames >= 5
        if code >= 0:
            body = struct.pack("!BBH", code, 0x8A if over else 0x0A, self._event_frames * FRAME)
            for _ in range(3 if over else 1):
                self._packet(body, kind=_EVENT, stamp=self._event_stamp, marker=begins)
        if over:
            self._digits.popleft()

    def _packet(self, payload: bytes, *, kind: int, stamp: int, marker: bool) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFF
        head = struct.pack(
            "!BBHII", 0x80, kind | (0x80 if marker else 0), self._sequence, stamp, self._source
        )
        if self._transport and not self._transport.is_closing():
            self._transport.sendto(head + payload, self._peer)

    async def play(self, pcm: Pcm) -> float:
        """Send a stretch of audio; return when its first sample left."""
        padded = np.concatenate([pcm, np.zeros(-len(pcm) % FRAME, np.int16)])
        self._idle.clear()
        begins = self.begun + (len(self._sent) + len(self._queue)) * 0.02
        data = encode(padded)
        self._queue.extend(data[i : i + FRAME] for i in range(0, len(data), FRAME))
        await self._idle.wait()
        return begins

    async def press(self, digits: str) -> None:
        """100 ms a digit, 100 ms between. Raises ValueError for anything but 0-9 * #."""
        if unknown := set(digits) - set(_DIGITS):
            raise ValueError(f"{''.join(sorted(unknown))!r} is no key of a telephone.")
        self._idle.clear()
        for digit in digits:
            self._digits.append((_DIGITS[digit], True))
            self._digits.append((-1, True))
        await self._idle.wait()

    def sent(self) -> Pcm:
        return decode(b"".join(self._sent))

    def heard(self) -> Pcm:
        """What arrived, from `begun` on; gaps are silence."""
        end = max((at for at, _ in self._arrived), default=self.begun) + 0.02
        timeline = np.zeros(max(0, round((end - self.begun) * RATE)) + 2 * FRAME, np.int16)
        for at, payload in self._arrived:
            first = round((at - self.begun) * RATE)
            samples = decode(payload)
            if first >= 0 and first + len(samples) <= len(timeline):
                timeline[first : first + len(samples)] = samples
        return timeline

    def close(self) -> None:
        if self._transport:
            self._transport.close()
