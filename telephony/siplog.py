"""Calls which livekit-sip refused and tells nobody of, read from its log (JSON lines). Pure.

Seen on livekit-sip 1.8.0: a call which no trunk takes ends as “flood” (its metrics count it as
accepted, so they are of no use here), one with a wrong password is told by a warning.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

TAIL = 1_000_000  # bytes of the log looked at
LONGEST = 64  # of a number or address: both come from strangers


class Kind(StrEnum):
    NO_TRUNK = "No trunk takes this number from this address."
    WRONG_PASSWORD = "Wrong user name or password."  # noqa: S105 words
    NO_PASSWORD = "The carrier did not log in, which the trunk asks for."  # noqa: S105 words
    NO_CODEC = "No codec in common."


_ENDED = {"flood": Kind.NO_TRUNK, "no-common-codec": Kind.NO_CODEC}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    at: datetime
    address: str
    caller: str
    called: str
    kind: Kind


def read(path: Path) -> list[Refusal]:
    """Newest first; empty if there is no such log. Raises OSError if it may not be read."""
    if not path.is_file():
        return []
    with path.open("rb") as file:
        size = path.stat().st_size
        file.seek(max(0, size - TAIL))
        lines = file.read(TAIL).splitlines()
    return refusals(_parsed(lines[1:] if size > TAIL else lines))


def _parsed(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            told = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(told, dict) and isinstance(told.get("callID"), str):
            yield told


def refusals(entries: Iterable[dict[str, Any]]) -> list[Refusal]:
    """Newest first."""
    invites: dict[str, dict[str, Any]] = {}
    found: dict[str, Kind] = {}
    for entry in entries:
        call, words = entry["callID"], str(entry.get("msg", ""))
        if words == "processing invite":
            invites[call] = entry
        elif words.startswith("No Proxy header found"):
            found[call] = Kind.NO_PASSWORD
        elif words == "SIP invite authentication successful":
            found.pop(call, None)
        elif words.startswith("Authentication failed"):
            found[call] = Kind.WRONG_PASSWORD
        elif words == "SIP call ended" and entry.get("reason") in _ENDED:
            found[call] = _ENDED[entry["reason"]]
    known = [_refusal(invites[call], kind) for call, kind in found.items() if call in invites]
    return sorted(filter(None, known), key=lambda refusal: refusal.at, reverse=True)


def _refusal(invite: dict[str, Any], kind: Kind) -> Refusal | None:
    try:
        at = datetime.fromtimestamp(float(invite["ts"]), UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None
    return Refusal(
        at=at, kind=kind, address=_short(invite, "fromIP"), caller=_short(invite, "fromUser"),
        called=_short(invite, "toUser"),
    )  # fmt: skip


def _short(invite: dict[str, Any], name: str) -> str:
    return str(invite.get(name, ""))[:LONGEST]
