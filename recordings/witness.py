"""Whether an egress is alive: one whose service was killed goes on being called active by LiveKit.

Egress records from inside the room, under its own id. The server misses a killed one after 21 s
(measured); then it is neither listed nor held.
"""

from dataclasses import replace

from recordings.services import Recorder
from telephony.live import LiveEgress

KILLED = "The egress service was killed while it recorded; it left no file."


def checked(egress: LiveEgress, *, recorder: Recorder) -> LiveEgress:
    """As LiveKit says, or failed if it is active and not in its room.

    Only for a call which goes on: with the room everybody is gone. Looks twice, a second apart,
    since one which lost its connection may be on its way back. Raises GatewayUnavailable.
    """
    if egress.status != "active" or _is_listed(egress, recorder):
        return egress
    # Redis may have lost the listing; the server has it, or says so after a second
    if recorder.is_present(room=egress.room, identity=egress.egress_id):
        return egress
    return (
        egress if _is_listed(egress, recorder) else replace(egress, status="failed", error=KILLED)
    )


def _is_listed(egress: LiveEgress, recorder: Recorder) -> bool:
    people = recorder.list_participants(room=egress.room)
    return any(who.identity == egress.egress_id for who in people)
