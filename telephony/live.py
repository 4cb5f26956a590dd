"""What LiveKit says about rooms, participants, jobs and egresses, in our own words. Pure."""

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveRoom:
    name: str
    sid: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveParticipant:
    identity: str
    kind: str  # sip, agent, standard, egress, …
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveJob:
    """A job which a worker has accepted for a room; whether its agent is there, is not said."""

    identity: str
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveEgress:
    egress_id: str
    room: str
    status: str  # starting, active, ending, complete, failed, aborted, limit_reached
    object_key: str
    size: int = 0  # bytes
    duration_ms: int = 0
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str = ""
