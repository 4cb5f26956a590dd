"""A call to the real media plane which nobody answers, and the rooms LiveKit made for it."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from telephony.caller.call import Call, CallFailed


def nothing(room: str) -> None:
    """Only look."""


@dataclass
class Outcome:
    status: int
    seconds: float
    rooms: set[str]
    provisional: bool  # 100 or 180 came


def ring(
    plane, gateway, number: str, *, wait_s: float, meanwhile: Callable[[str], None] = nothing
) -> Outcome:
    """Call a number, look at the rooms while it rings, and wait for a final answer."""

    async def run() -> Outcome:
        rooms: set[str] = set()

        async def look() -> None:
            while True:
                for room in await asyncio.to_thread(gateway.list_rooms):
                    if room.name not in rooms:
                        rooms.add(room.name)
                        await asyncio.to_thread(meanwhile, room.name)
                await asyncio.sleep(0.05)

        begun = time.monotonic()
        async with Call(f"sip:{number}@127.0.0.1:{plane.sip_port}") as call:
            looking = asyncio.create_task(look())
            with pytest.raises(CallFailed) as failure:
                await call.answered(wait_s)
            seconds = time.monotonic() - begun
            looking.cancel()
            provisional = bool({"trying", "ringing"} & set(call.times))
        print(f"{number}: {failure.value.status} after {seconds:.2f} s, rooms {rooms}")
        return Outcome(failure.value.status, seconds, rooms, provisional)

    outcome = asyncio.run(run())
    for room in gateway.list_rooms():
        gateway.delete_room(room=room.name)
    return outcome
