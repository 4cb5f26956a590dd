"""One number connected: trunk, number and rule made together, or those which fit used again."""

from dataclasses import dataclass
from ipaddress import ip_address

from django.conf import settings
from django.db import transaction
from django.db.models import Model

from agents import seal
from agents.models import Project
from telephony import push, tasks
from telephony.carriers_known import CARRIERS, Carrier
from telephony.later import after_commit
from telephony.models import DispatchRule, Number, Trunk

NAME_LENGTH = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What the guide has asked."""

    carrier: str
    e164: str
    label: str = ""
    addresses: tuple[str, ...] = ()
    username: str = ""
    sealed_password: str = ""
    encryption: str = "disable"
    project_id: int = 0

    @property
    def known(self) -> Carrier:
        return CARRIERS[self.carrier]


def place() -> dict[str, str]:
    """Where carriers send calls: host and port of SIP_PUBLIC_ADDRESS."""
    host, _, port = settings.SIP_PUBLIC_ADDRESS.rpartition(":")
    return {"host": host or settings.SIP_PUBLIC_ADDRESS, "port": port if host else "5060"}


def told(line: Line) -> dict[str, tuple[str, ...]]:
    """What to enter at the carrier, with our values; and what often goes wrong there."""
    values = place() | {
        "number": line.e164 or "your number", "user": line.username or "the user name",
    }  # fmt: skip
    return {"steps": line.known.told(**values), "traps": line.known.warned(**values)}


def hindrance(carrier: Carrier) -> str:
    """Why a carrier cannot call this installation as it is, or empty. A PBX may stand beside us."""
    host = place()["host"]
    try:
        is_near = not ip_address(host).is_global
    except ValueError:
        is_near = host == "localhost"  # any other name is believed
    if carrier.is_near or not is_near:
        return ""
    return (
        f"{carrier.label} cannot reach {host}. Set SIP_PUBLIC_ADDRESS to the public address of "
        f"livekit-sip, as 203.0.113.7:5060, and open its ports; then enter that there."
    )


def reusable(line: Line) -> Trunk | None:
    """A trunk of the same carrier and credentials whose calls this project answers, or nobody."""
    same = Trunk.objects.filter(
        direction=Trunk.Direction.INBOUND, enabled=True, template=line.carrier,
        auth_username=line.username, media_encryption=line.encryption,
    ).order_by("pk")  # fmt: skip
    for trunk in same.prefetch_related("rules"):
        answering = {rule.project_id for rule in trunk.rules.all() if rule.enabled}
        if (
            set(trunk.allowed_addresses) == set(line.addresses)
            and _password(trunk.sealed_auth_password) == _password(line.sealed_password)
            and answering <= {line.project_id}
        ):
            return trunk
    return None


def answering(trunk: Trunk | None) -> DispatchRule | None:
    return trunk.rules.filter(enabled=True).first() if trunk else None


def _password(sealed: str) -> str:
    try:
        return seal.unseal(sealed, keys=settings.SEAL_KEYS)
    except seal.SealBroken:
        return f"unreadable {sealed}"  # equal to nothing but itself


@transaction.atomic
def create(line: Line) -> Number:
    """All or nothing; then it is pushed. Raises IntegrityError if the number was taken by now."""
    trunk = reusable(line) or _new_trunk(line)
    number = Number.objects.create(e164=line.e164, label=line.label, trunk=trunk)
    rule = answering(trunk) or _new_rule(line, trunk)
    push.mark_pending(Trunk.objects.filter(pk=trunk.pk))
    push.mark_pending(DispatchRule.objects.filter(pk=rule.pk))
    after_commit(tasks.push_now.delay)
    return number


def _new_trunk(line: Line) -> Trunk:
    return Trunk.objects.create(
        name=free_name(Trunk, line.known.label), template=line.carrier,
        allowed_addresses=list(line.addresses), auth_username=line.username,
        sealed_auth_password=line.sealed_password, media_encryption=line.encryption,
        codecs=list(line.known.codecs), include_headers=line.known.include_headers,
    )  # fmt: skip


def _new_rule(line: Line, trunk: Trunk) -> DispatchRule:
    project = Project.objects.get(pk=line.project_id)
    rule = DispatchRule.objects.create(
        name=free_name(DispatchRule, f"{trunk.name} → {project.name}"), project=project
    )
    rule.trunks.add(trunk)
    return rule


def free_name(model: type[Model], wanted: str) -> str:
    """`wanted`, or with the next number behind it."""
    rows = model._default_manager
    name, n = wanted[:NAME_LENGTH], 1
    while rows.filter(name=name).exists():
        n += 1
        name = f"{wanted[: NAME_LENGTH - 6]} {n}"
    return name
