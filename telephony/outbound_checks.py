"""Whether a call may be made: asked when it is wished for, when it begins, and of whole lists."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from agents.models import Project
from telephony import caps, dialling, erased, services, shapes
from telephony.dialling import Destination
from telephony.errors import CallNotAllowed
from telephony.models import DestinationRule, DoNotCall, SyncState, Trunk
from telephony.models_outbound import OutboundProfile, profile_of
from telephony.numberlist import LONGEST_VARIABLE, MOST_VARIABLES


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A call which may be made, with what was left open filled in."""

    to: str
    project: Project
    profile: OutboundProfile
    trunk: Trunk
    caller_id: str
    price: int  # millionths a minute
    at: datetime  # when it is calling time for the callee


def check(
    *, to: str, project_id: int, trunk_id: int | None, caller_id: str, consent: bool, now: datetime
) -> Checked:
    """Everything that can be checked now. Raises CallNotAllowed."""
    try:
        number = shapes.e164(to[:64])
    except shapes.Misshapen as reason:
        raise CallNotAllowed(str(reason)) from reason
    price = _price_to(number)
    not_listed(number)
    project = Project.objects.select_related("published").filter(pk=project_id).first()
    if project is None or project.published is None:
        raise CallNotAllowed("The project is not published. Publish it first.")
    profile = profile_of(project)
    if profile.needs_consent and not consent:
        raise CallNotAllowed(
            f"“{project}” calls only people who agreed to it, and of {number} that is not noted. "
            f"Ask for consent first, and note it."
        )
    trunk = trunk_of(trunk_id)
    shown, at = caller_id_of(trunk, caller_id), _calling_time(number, profile, now)
    return Checked(
        to=number, project=project, profile=profile, trunk=trunk, caller_id=shown, price=price,
        at=at,
    )  # fmt: skip


def _price_to(number: str) -> int:
    rows = list(DestinationRule.objects.filter(prefix__in=dialling.prefixes(number)))
    rules = [Destination(prefix=r.prefix, allow=r.allow, premium=r.premium) for r in rows]
    if reason := dialling.hindrance(number, rules):
        raise CallNotAllowed(reason)
    best = max(rows, key=lambda row: len(row.prefix))
    return caps.millionths(best.price_per_minute)


def not_listed(number: str) -> None:
    if listed := DoNotCall.objects.filter(number=number).first():
        why = f": {listed.reason}" if listed.reason else ""
        raise CallNotAllowed(
            f"{number} is on the do-not-call list since {listed.since:%Y-%m-%d}{why}. "
            f"Do not call; take it off only if the person asks for it."
        )
    if since := erased.suppressed([number]).get(number):
        raise CallNotAllowed(
            f"{number} was on the do-not-call list since {since:%Y-%m-%d}, and its owner had "
            f"everything about him erased. Do not call."
        )


def trunk_of(trunk_id: int | None) -> Trunk:
    lines = Trunk.objects.filter(direction=Trunk.Direction.OUTBOUND, enabled=True).order_by("pk")
    trunk = lines.filter(pk=trunk_id).first() if trunk_id else lines.first()
    if trunk is None:
        raise CallNotAllowed(
            "There is no such outbound trunk, or it is switched off. Add one under Trunks."
        )
    if trunk.sync_state == SyncState.FAILED or not trunk.caller_ids:
        raise CallNotAllowed(
            f"Trunk “{trunk}” is not ready: {trunk.sync_error or 'it has no number to show.'}"
        )
    return trunk


def caller_id_of(trunk: Trunk, wanted: str) -> str:
    if not wanted:
        return str(trunk.caller_ids[0])
    number = services.as_e164(wanted[:64])
    if number not in trunk.caller_ids:
        raise CallNotAllowed(
            f"Trunk “{trunk}” may not show {wanted[:20]}. Choose one of its caller ids: "
            f"{', '.join(map(str, trunk.caller_ids[:10]))}."
        )
    return number


def _calling_time(number: str, profile: OutboundProfile, now: datetime) -> datetime:
    try:
        at = dialling.may_ring_at(
            number, now, expression=profile.hours, otherwise=settings.TIME_ZONE
        )
    except shapes.Misshapen as reason:
        raise CallNotAllowed(str(reason)) from reason
    if at is None:
        raise CallNotAllowed(
            f"There is no hour at which it is calling time ({profile.hours}) in all zones "
            f"{number} may be in. Widen the project's calling hours."
        )
    return at


def checked_variables(given: Mapping[str, str]) -> dict[str, str]:
    """Bounded, and text only. Raises CallNotAllowed."""
    if len(given) > MOST_VARIABLES:
        raise CallNotAllowed(f"At most {MOST_VARIABLES} variables are taken.")
    for name, value in given.items():
        if not str(name).isidentifier() or len(str(name)) > 40:
            raise CallNotAllowed(f"“{str(name)[:40]}” is no name for a variable. Write a word.")
        if len(str(value)) > LONGEST_VARIABLE:
            raise CallNotAllowed(
                f"The variable “{name}” is longer than {LONGEST_VARIABLE} characters. Shorten it."
            )
    return {str(name): " ".join(str(value).split()) for name, value in given.items()}
