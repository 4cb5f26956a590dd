"""The table event → handlers, filled in each app's `ready()`. No handlers here.

Outside events carry the payload of `telephony.webhook`; `carrier_call` that of
`telephony.carrier_hooks`. Some are our own, emitted by `telephony.services` (and recordings)
inside the transaction of the change:

    call_opened, call_answered, call_handover_requested, recording_stored, transcript_ready,
    after_call_ready
                 {"call": id, "room": name}
    call_over    {"call": id, "room": name, "state": "ended" | "failed", "reason": text}

A handler runs inside a transaction: it writes to the database and queues tasks on commit,
it never waits for another system. It may be called again, and in any order.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Protocol


class Handler(Protocol):
    def __call__(self, *, payload: Mapping[str, Any]) -> object: ...


_table: dict[str, list[Handler]] = defaultdict(list)


def on(name: str, handler: Handler) -> None:
    """Call `handler(payload=…)` for every event of this name; a second registration is ignored."""
    if handler not in _table[name]:
        _table[name].append(handler)


def handlers(name: str) -> tuple[Handler, ...]:
    return tuple(_table.get(name, ()))


def emit(name: str, *, payload: Mapping[str, Any]) -> None:
    for handler in handlers(name):
        handler(payload=payload)
