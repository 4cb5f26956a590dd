"""What livekit-server tells of a recorder which was killed: all one hears of a dead egress service.

Some 21 s later; at once if it was killed before its media stood.

The recorder is a participant of our own with the grants egress gives itself: hidden, recording,
named after its egress.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from telephony.gateway import LiveKitGateway
from tests.contract.egress_fixture import ROOM, Hook, eventually, hooks_into, talkers
from tests.contract.servers import media_plane

pytestmark = [pytest.mark.contract, pytest.mark.timeout(120)]

WHO = "EG_killed"
RECORDER = """
import asyncio, sys
from livekit import api, rtc
url, key, secret, room, identity = sys.argv[1:]
grants = api.VideoGrants(room_join=True, room=room, can_subscribe=True, can_publish=False,
                         can_publish_data=False, hidden=True, recorder=True)
token = api.AccessToken(key, secret).with_identity(identity).with_kind("egress").with_grants(grants)
async def main():
    room = rtc.Room()
    await room.connect(url, token.to_jwt())
    await asyncio.sleep(100)
asyncio.run(main())
"""


def test_it_is_missed_by_a_hook_and_in_the_lists(tmp_path: Path) -> None:
    told: list[Hook] = []
    with (
        hooks_into(told) as url, media_plane(tmp_path, hook_url=url) as media, talkers(media),
    ):  # fmt: skip
        gateway = LiveKitGateway(url=media.url, key=media.key, secret=media.secret, agent_name="x")

        def listed() -> bool:
            return WHO in {who.identity for who in gateway.list_participants(room=ROOM)}

        def held() -> bool:
            return gateway.is_present(room=ROOM, identity=WHO)

        def heard(event: str) -> list[Hook]:
            mine = [hook for hook in told if hook["event"] == event]
            return [hook for hook in mine if hook["participant"]["identity"] == WHO]

        process = subprocess.Popen(
            [sys.executable, "-c", RECORDER, media.url, media.key, media.secret, ROOM, WHO]
        )
        try:
            assert eventually(lambda: heard("participant_joined"))  # listed before it is there
            assert listed()
            assert held()
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
        [left] = eventually(lambda: heard("participant_left"))
        assert left["participant"]["kind"] == "EGRESS"
        assert not listed()
        assert not held()
