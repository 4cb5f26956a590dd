"""What LiveKit should hold, as values, and how it differs from what it holds. Pure.

Ours on LiveKit is a trunk whose metadata is our tag, and a rule whose name is our tag. (A rule's
metadata would be handed to every participant.) Whatever carries no tag of ours is foreign: it is
never touched.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields

OWNER = "contactcenter"
# of the trunk and the rule which refuse calls to numbers nobody here has
UNKNOWN_TRUNK, UNKNOWN_RULE = f"{OWNER}:trunk:unknown", f"{OWNER}:rule:unknown"
# of the rule which refuses calls to trunks which no rule of a row names
NO_RULE = f"{OWNER}:rule:none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One object on LiveKit. No ids, no ORM, no SDK types."""

    tag: str
    extras: tuple[str, ...] = ()  # fields somebody else has set: we want none

    def fingerprint(self) -> str:
        """One-way: secrets go in, none can be read from it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaSpec(Spec):
    """What a trunk of either direction may say of sound and headers."""

    encryption: str = "disable"  # allow, require
    codecs: tuple[str, ...] = ()  # PCMU, PCMA, G722; empty: any
    include_headers: str = "none"  # x, all
    header_attributes: tuple[tuple[str, str], ...] = ()  # header, name of the attribute; sorted


@dataclass(frozen=True, slots=True, kw_only=True)
class InboundTrunkSpec(MediaSpec):
    name: str
    numbers: tuple[str, ...]
    allowed_addresses: tuple[str, ...]
    ringing_timeout_s: int
    auth_username: str = ""
    auth_password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundTrunkSpec(MediaSpec):
    name: str
    address: str
    transport: str  # auto, udp, tcp or tls
    numbers: tuple[str, ...]
    auth_username: str = ""
    auth_password: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = ()  # of each INVITE, sorted
    from_host: str = ""  # empty: LiveKit's own address
    destination_country: str = ""


TrunkSpec = InboundTrunkSpec | OutboundTrunkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSpec(Spec):
    trunk_ids: tuple[str, ...]  # never empty: a rule without trunks answers strangers
    room_prefix: str
    agent_name: str  # empty: no agent
    agent_metadata: str
    empty_timeout_s: int = 30
    departure_timeout_s: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTrunk:
    remote_id: str
    spec: TrunkSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRule:
    remote_id: str
    spec: RuleSpec


def trunk_tag(pk: int) -> str:
    return f"{OWNER}:trunk:{pk}"


def rule_tag(pk: int) -> str:
    return f"{OWNER}:rule:{pk}"


def is_our_tag(text: str) -> bool:
    return text.startswith((f"{OWNER}:trunk:", f"{OWNER}:rule:"))


def written_forms(e164: str) -> tuple[str, str]:
    """Providers send a number with and without the plus; LiveKit compares some as plain text."""
    return e164, e164.removeprefix("+")


def plan_metadata(digest: str, *, again: bool = False) -> str:
    """What a job is told: which published plan to run; `again`: the caller talks already."""
    return json.dumps({"plan": digest} | ({"again": True} if again else {}))


def differences(wanted: Spec, live: Spec) -> list[str]:
    """Names of the fields which differ; values stay out, they may be secret."""
    if type(wanted) is not type(live):
        return ["kind"]
    names = [f.name for f in fields(wanted) if getattr(wanted, f.name) != getattr(live, f.name)]
    return [*(name for name in names if name != "extras"), *live.extras]


def normalised(number: str) -> str:
    """A number as LiveKit's own conflict check sees it."""
    digits = number.translate({ord(c): None for c in " -()"})
    if not digits.removeprefix("+").isdigit():
        return number
    return digits if digits.startswith("+") else f"+{digits}"


def trunk_keys(spec: TrunkSpec) -> set[tuple[str, str]]:
    """What may exist once among inbound trunks: called number × caller (ours allow any caller)."""
    if isinstance(spec, OutboundTrunkSpec):
        return set()
    return {(normalised(number), "") for number in spec.numbers or ("",)}


def rule_keys(spec: RuleSpec) -> set[tuple[str, str, str, str]]:
    """What may exist once among rules: PIN × trunk × caller × called (ours differ by trunk)."""
    return {("", trunk, "", "") for trunk in spec.trunk_ids or ("",)}
