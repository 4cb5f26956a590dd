"""The kinds of events telephony tells others of."""

from telephony import outgoing
from telephony.outgoing import Kind


def register() -> None:
    outgoing.register(
        Kind("call.started", "A call rings", at=lambda call: call.started_at), on="call_opened"
    )
    outgoing.register(
        Kind("call.answered", "A call was answered", at=lambda call: call.answered_at),
        on="call_answered",
    )
    outgoing.register(
        Kind("call.handover_requested", "A caller asked for a person"),
        on="call_handover_requested",
    )
    outgoing.register(
        Kind("call.ended", "A call is over", at=lambda call: call.ended_at), on="call_over"
    )
