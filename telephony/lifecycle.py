"""The life of one call, as a table. Knows nothing of Django or LiveKit."""

from enum import StrEnum


class CallState(StrEnum):
    RINGING = "ringing"
    TALKING = "talking"
    ENDED = "ended"
    FAILED = "failed"


_NEXT: dict[CallState, frozenset[CallState]] = {
    CallState.RINGING: frozenset({CallState.TALKING, CallState.ENDED, CallState.FAILED}),
    CallState.TALKING: frozenset({CallState.ENDED, CallState.FAILED}),
    CallState.ENDED: frozenset(),
    CallState.FAILED: frozenset(),
}

OPEN_STATES = frozenset(state for state, targets in _NEXT.items() if targets)


def sources(target: CallState) -> list[CallState]:
    """States from which `target` may be entered."""
    return [state for state, targets in _NEXT.items() if target in targets]


class LegState(StrEnum):
    """In the order in which a telephone goes through them."""

    DIALING = "dialing"
    RINGING = "ringing"
    ACTIVE = "active"
    ENDED = "ended"
    FAILED = "failed"


OPEN_LEG_STATES = frozenset({LegState.DIALING, LegState.RINGING, LegState.ACTIVE})
