"""Who is who in the room: the caller, and telephones which were dialled into his call."""

import asyncio

from livekit import rtc

from agents.entrance import SIDE_PREFIX

_SIP = rtc.ParticipantKind.PARTICIPANT_KIND_SIP


def is_side(who: rtc.Participant) -> bool:
    """A telephone we dialled: whom the caller talks with, or will."""
    return who.kind == _SIP and who.identity.startswith(SIDE_PREFIX)


def is_main(who: rtc.Participant) -> bool:
    return who.kind == _SIP and not who.identity.startswith(SIDE_PREFIX)


def telephones(room: rtc.Room) -> list[rtc.RemoteParticipant]:
    return [who for who in room.remote_participants.values() if who.kind == _SIP]


def side_leg(room: rtc.Room) -> rtc.RemoteParticipant | None:
    return next((who for who in telephones(room) if is_side(who)), None)


def another_agent(room: rtc.Room) -> bool:
    """A watchdog asked twice because the first agent was slow: two must not talk at once."""
    agent = rtc.ParticipantKind.PARTICIPANT_KIND_AGENT
    return any(who.kind == agent for who in room.remote_participants.values())


async def caller(room: rtc.Room) -> rtc.RemoteParticipant:
    """The call's own telephone, once it is there. Whoever was dialled into the call may have come
    before we did."""
    found: asyncio.Future[rtc.RemoteParticipant] = asyncio.get_running_loop().create_future()

    def look(who: rtc.RemoteParticipant) -> None:
        if is_main(who) and not found.done():
            found.set_result(who)

    room.on("participant_active", look)
    try:
        for who in list(room.remote_participants.values()):
            if who.state == rtc.ParticipantState.PARTICIPANT_STATE_ACTIVE:
                look(who)
        return await found
    finally:
        room.off("participant_active", look)
