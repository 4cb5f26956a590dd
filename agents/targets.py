"""Where a project's bot may send callers. Who keeps the directory registers itself here, because
agents must not know telephony."""

from collections.abc import Callable

from agents.models import Project
from agents.plan import Target

Offer = Callable[[Project], tuple[Target, ...]]

_offers: list[Offer] = []


def offered_by(offer: Offer) -> None:
    """`offer` names the destinations of a project."""
    if offer not in _offers:
        _offers.append(offer)


def targets_of(project: Project) -> tuple[Target, ...]:
    return tuple(target for offer in _offers for target in offer(project))
