"""The life of one recording, as a table. Pure.

Worker recorder:  WANTED → UPLOADING → STORED
Egress recorder:  WANTED → STARTING → RUNNING → UPLOADING → STORED
                  and from any of the first three to PAUSED, and from there to WANTED again
"""

from enum import StrEnum


class RecordingState(StrEnum):
    WANTED = "wanted"  # the call should be recorded; nobody has begun
    STARTING = "starting"  # claimed by a task which is asking LiveKit
    RUNNING = "running"  # egress says it is active
    PAUSED = "paused"  # nothing is to be recorded until it goes on
    UPLOADING = "uploading"  # complete, on its way to the store
    STORED = "stored"  # in the store, size and checksum verified
    SKIPPED = "skipped"  # the call was never answered: nothing to record
    FAILED = "failed"


_S = RecordingState
_NEXT: dict[RecordingState, frozenset[RecordingState]] = {
    _S.WANTED: frozenset({_S.STARTING, _S.PAUSED, _S.UPLOADING, _S.SKIPPED, _S.FAILED}),
    _S.STARTING: frozenset({_S.WANTED, _S.RUNNING, _S.PAUSED, _S.UPLOADING, _S.SKIPPED, _S.FAILED}),
    _S.RUNNING: frozenset({_S.WANTED, _S.PAUSED, _S.UPLOADING, _S.FAILED}),
    _S.PAUSED: frozenset({_S.WANTED, _S.UPLOADING, _S.SKIPPED, _S.FAILED}),
    _S.UPLOADING: frozenset({_S.STORED, _S.FAILED}),
    _S.FAILED: frozenset({_S.UPLOADING}),  # a late file is better than none
    _S.STORED: frozenset(),
    _S.SKIPPED: frozenset({_S.UPLOADING}),
}

OPEN_STATES = frozenset({_S.WANTED, _S.STARTING, _S.RUNNING, _S.PAUSED, _S.UPLOADING})


def sources(target: RecordingState) -> list[RecordingState]:
    """States from which `target` may be entered."""
    return [state for state, targets in _NEXT.items() if target in targets]
