"""Asks the control plane whether a call may be sent somewhere now, and over which line."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from agents.plan import Target
from agents.worker.desk import Desk, DeskAway, DeskRefused

ANSWER_S = 2.0  # the caller waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Clearance:
    """`why` it is not allowed: closed or unavailable; empty if it is."""

    target: Target
    why: str = ""
    trunk: str = ""  # LiveKit's id; empty: nobody can be dialled
    caller_id: str = ""
    post_dial: str = ""


OpenDesk = Callable[[], Desk]
Ask = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


async def of_target(ask: Ask, room: str, target: Target) -> Clearance:
    """While the control plane is away: what a REFER needs is in the plan; hours and lines of our
    own are not."""
    try:
        said = await ask({"room": room, "destination": target.key})
    except (DeskAway, DeskRefused):
        can_refer = target.method != "dial" and not target.has_hours
        return Clearance(target=target, why="" if can_refer else "unavailable")
    return read(said, target) or Clearance(target=target, why="unavailable")


async def of_order(ask: Ask, room: str, order: int) -> Clearance | None:
    """Takes a supervisor's order; None if it was taken before. Raises DeskAway."""
    try:
        return read(await ask({"room": room, "order": order}))
    except DeskRefused:
        return None


def read(said: dict[str, Any], known: Target | None = None) -> Clearance | None:
    """None for an answer nobody can read."""
    try:
        target = Target(**said["target"]) if said.get("target") else known
        why = str(said.get("why") or "")
        if target is None:
            return None
        return Clearance(
            target=target,
            why=why if said.get("allowed") is not True else "",
            trunk=str(said.get("trunk") or ""),
            caller_id=str(said.get("caller_id") or ""),
            post_dial=str(said.get("post_dial") or ""),
        )
    except TypeError:  # of a release which knows more
        return None
