"""Chains of real plugins against their emulators."""

from typing import Any

from agents.plan import Stage
from agents.providers import PROVIDERS, Role
from agents.worker.chain.members import Carefree, Chain, Member
from tests.emulators.server import Emulators
from tests.worker.engines import AT, engine_of


class Diary(Carefree):
    """A health which remembers what it was told, and what moved."""

    def __init__(self) -> None:
        self.down: set[str] = set()
        self.switches: list[tuple[str, str, str]] = []

    def is_down(self, member: Member) -> bool:
        return member.stage.provider in self.down

    def failed(self, member: Member, reason: str) -> None:
        self.down.add(member.stage.provider)

    def moved(self, switch: Any) -> None:
        after = switch.after.stage.provider if switch.after else ""
        self.switches.append((switch.before.stage.provider, after, switch.reason))


def chain_of(emulators: Emulators, folder: Any, diary: Diary, *slugs: str) -> Chain:
    members = [
        Member(
            PROVIDERS[slug].role,
            Stage(provider=slug, options={"base_url": emulators.base + AT.get(slug, "")}),
            engine_of(slug, emulators, folder),
        )
        for slug in slugs
    ]
    return Chain(PROVIDERS[slugs[0]].role, members, diary, diary.moved)


def asked_of(emulators: Emulators, role: Role) -> list[str]:
    """Which providers were asked, in order."""
    found: list[str] = []
    for line in emulators.board.log:
        if line["role"] == str(role) and line["provider"] not in {"*", *found}:
            found.append(line["provider"])
    return found
