"""The audio of one call: sends a 20 ms frame by the clock, whatever happens. G.711 µ-law, RFC 4733.

Times are seconds of `time.monotonic()`. Sample 0 of both sides lies at `begun`.
"""

import asyncio
import secrets
import struct
import time
from collections import deque
from dataclasses import dataclass
from typing import cast

import numpy as np

from telephony.caller.audio import FRAME, RATE, Pcm, decode, encode
from telephony.caller.timeline import Timeline

_SILENCE = encode(np.zeros(FRAME, np.int16))
_KEYS = {key: code for code, key in enumerate("0123456789*#ABCD")}
_EVENT = 101
_KEY_FRAMES = 5  # 100 ms a key, and as long a pause after it
_FRAME_S = FRAME / RATE


@dataclass(slots=True)
class _Key:
    """A key being pressed; `code` -1 is the pause after one."""

    code: int
    stamp: int = 0
    frames: int = 0


class Audio(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.late_ms: list[float] = []  # how late each frame was sent
        self.timeline = Timeline()
        self._sent: list[bytes] = []
        self._queue: deque[bytes] = deque()
        self._keys: deque[_Key] = deque()
        self._idle = asyncio.Event()
        self._idle.set()
        self._over = False
        self._transport: asyncio.DatagramTransport | None = None
        self._peer: tuple[str, int] | None = None
        self._sequence = secrets.randbelow(1 << 15)
        self._stamp = secrets.randbits(32)
        self._source = secrets.randbits(32)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    @property
    def begun(self) -> float:
        return self.timeline.begun

    @begun.setter
    def begun(self, moment: float) -> None:
        self.timeline.begin(moment)

    @property
    def first_packet(self) -> float | None:
        """When the first packet of the other side came."""
        return self.timeline.first_packet

    @property
    def port(self) -> int:
        assert self._transport
        return int(self._transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Anything but an RTP packet with µ-law is ignored."""
        now = time.monotonic()
        if payload := payload_of(data):
            (stamp,) = struct.unpack_from("!I", data, 4)
            self.timeline.add(now, stamp, payload)

    # --- sending ---------------------------------------------------------------------------------

    async def run(self, peer: tuple[str, int]) -> None:
        """Send a frame each 20 ms until `stop`; a late one is followed by the next at once."""
        self._peer = peer
        self.begun = time.monotonic()
        number = 0
        while not self._over:
            due = self.begun + number * _FRAME_S
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self.late_ms.append((time.monotonic() - due) * 1000)
            self._send_frame(first=number == 0)
            number += 1

    def _send_frame(self, *, first: bool) -> None:
        payload = _SILENCE
        if self._keys:
            self._send_key(self._keys[0])
        else:
            payload = self._queue.popleft() if self._queue else _SILENCE
            self._packet(payload, kind=0, stamp=self._stamp, marker=first)
        self._sent.append(payload)
        self._stamp = (self._stamp + FRAME) & 0xFFFFFFFF
        if not self._queue and not self._keys:
            self._idle.set()

    def _send_key(self, key: _Key) -> None:
        """RFC 4733: one timestamp a key, a growing duration, the end three times."""
        begins = key.frames == 0
        if begins:
            key.stamp = self._stamp
        key.frames += 1
        over = key.frames >= _KEY_FRAMES
        if key.code < 0:
            self._packet(_SILENCE, kind=0, stamp=self._stamp, marker=False)
        else:
            body = struct.pack("!BBH", key.code, 0x8A if over else 0x0A, key.frames * FRAME)
            for _ in range(3 if over else 1):
                self._packet(body, kind=_EVENT, stamp=key.stamp, marker=begins)
        if over:
            self._keys.popleft()

    def _packet(self, payload: bytes, *, kind: int, stamp: int, marker: bool) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFF
        head = struct.pack(
            "!BBHII", 0x80, kind | (0x80 if marker else 0), self._sequence, stamp, self._source
        )
        if self._transport and not self._transport.is_closing():
            self._transport.sendto(head + payload, self._peer)

    async def play(self, pcm: Pcm) -> float:
        """Send a stretch of audio; return, when it has left, the moment of its first sample."""
        padded = np.concatenate([pcm, np.zeros(-len(pcm) % FRAME, np.int16)])
        data = encode(padded)
        begins = self.begun + (len(self._sent) + len(self._queue)) * _FRAME_S
        self._queue.extend(data[i : i + FRAME] for i in range(0, len(data), FRAME))
        await self._drained()
        return begins

    async def press(self, keys: str) -> float:
        """100 ms a key, 100 ms between; return, after the last pause, the moment it began.

        Raises ValueError for anything but 0-9 * # A-D.
        """
        if unknown := set(keys) - set(_KEYS):
            raise ValueError(f"{''.join(sorted(unknown))!r} is no key of a telephone.")
        for key in keys:
            self._keys.extend((_Key(_KEYS[key]), _Key(-1)))
        ends = self.begun + (len(self._sent) + len(self._keys) * _KEY_FRAMES) * _FRAME_S
        await self._drained()
        return ends - _KEY_FRAMES * _FRAME_S

    async def _drained(self) -> None:
        if self._queue or self._keys:
            self._idle.clear()
        if not self._over:
            await self._idle.wait()

    def stop(self) -> None:
        """Send no more; whoever waits in `play` or `press` goes on."""
        self._over = True
        self._queue.clear()
        self._keys.clear()
        self._idle.set()

    def sent(self) -> Pcm:
        return decode(b"".join(self._sent))

    def heard(self) -> Pcm:
        """What arrived, from `begun` on; gaps are silence."""
        return self.timeline.heard()

    def close(self) -> None:
        if self._transport:
            self._transport.close()


def payload_of(data: bytes) -> bytes:
    """The µ-law bytes of one RTP packet; b"" for anything else, however broken."""
    if len(data) < 12 or data[0] >> 6 != 2 or data[1] & 0x7F != 0:
        return b""
    begin, end = 12 + 4 * (data[0] & 0x0F), len(data)
    if data[0] & 0x10 and len(data) >= begin + 4:  # header extension, in words of four bytes
        begin += 4 + 4 * int.from_bytes(data[begin + 2 : begin + 4], "big")
    if data[0] & 0x20:  # padding; its last byte is its length
        end -= data[-1]
    return data[begin:end] if begin < end else b""
