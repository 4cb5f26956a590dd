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
    backup: bool = False  # its store did not take the file, its backup storage did


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreAccess:
    """A store other than the one in egress' own configuration. Goes to LiveKit and nowhere else."""

    bucket: str
    endpoint: str = ""  # empty: AWS
    region: str = ""
    path_style: bool = True
    access_key: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    role_arn: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressWish:
    """What is to be recorded, and where to. `recordings.choices` says what goes together."""

    room: str
    object_key: str = ""  # empty: it is only sent live
    kind: str = "room"  # room, track_composite, track, participant
    video: bool = False
    two_channels: bool = True  # caller left, agent right
    format: str = "ogg"  # ogg, mp3, mp4, hls
    audio_codec: str = ""  # opus, or empty: the format's own
    store: StoreAccess | None = None  # None: the one in egress' own configuration
    rtmp_urls: tuple[str, ...] = field(default=(), repr=False)  # they carry stream keys
    websocket_url: str = field(default="", repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must be in no message."""
        held = (*self.rtmp_urls, self.websocket_url, self.store.secret if self.store else "")
        return tuple(secret for secret in held if secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerTracks:
    """Whose sound a track, track composite or participant egress takes."""

    identity: str = ""
    audio: str = ""  # track ids, empty if there is none
    video: str = ""
