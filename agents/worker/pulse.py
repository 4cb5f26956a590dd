"""Notices a caller who is gone although the room still lists him.

livekit-sip leaves the room and closes its connection at once; now and then (3 of 10 hang-ups on
loopback) the server sees the connection close first, takes it for a broken network and keeps the
caller for 20 s. So: no packet for a moment → ask livekit-sip (any answer to a remote procedure
call is a sign of life) → no sign for seconds, however often asked → gone, since the last one.

Not sooner: whoever is taken for gone is hung up on, and a machine or a network which stands still
for a moment looks the same.
"""

import asyncio
import time
from collections.abc import Callable

from livekit import rtc

LOOK_S = 0.4
STALLED_S = 0.8
ANSWER_S = 0.8
GONE_S = 4.0
ASKED = 3  # at least: we may have stood still ourselves


async def gone(
    room: rtc.Room,
    caller: rtc.RemoteParticipant,
    track: rtc.Track,
    *,
    on_packets: Callable[[], None] = lambda: None,
) -> float:
    """Returns when he is gone: the moment (monotonic) of his last sign of life. `on_packets` is
    called whenever new packets have come."""
    count, last, asked = -1, time.monotonic(), 0
    while asked < ASKED or time.monotonic() - last < GONE_S:
        await asyncio.sleep(LOOK_S)
        seen, age = await _packets(track)
        now = time.monotonic()
        if seen != count:
            count, last, asked = seen, now - age, 0
            if seen:
                on_packets()
        elif now - last > STALLED_S:
            if await _is_alive(room, caller.identity):
                last, asked = time.monotonic(), 0
            elif room.connection_state == rtc.ConnectionState.CONN_CONNECTED:  # else ours is broken
                asked += 1
    return last


async def _packets(track: rtc.Track) -> tuple[int, float]:
    """How many arrived, and how long ago the last one did (seconds)."""
    for stats in await track.get_stats():
        if stats.HasField("inbound_rtp"):
            at = stats.inbound_rtp.inbound.last_packet_received_timestamp / 1000
            age = time.time() - at
            return stats.inbound_rtp.received.packets_received, age if 0 <= age < 60 else 0.0
    return 0, 0.0


async def _is_alive(room: rtc.Room, identity: str) -> bool:
    """A leg on hold sends nothing either, but answers."""
    call = room.local_participant.perform_rpc(
        destination_identity=identity, method="contactcenter.alive", payload=""
    )
    try:
        await asyncio.wait_for(call, ANSWER_S)
    except TimeoutError:
        return False
    except rtc.RpcError as answer:
        return bool(answer.code == rtc.RpcError.ErrorCode.UNSUPPORTED_METHOD)
    return True
