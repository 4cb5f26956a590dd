"""What LiveKit should hold for an ingress, and what it says of one. Pure, no SDK types."""

from dataclasses import dataclass
from typing import Protocol

TAG = "contactcenter:ingress:"
# after these a source which was fetched is over
ENDED = frozenset({"error", "complete"})


@dataclass(frozen=True, slots=True, kw_only=True)
class IngressSpec:
    tag: str  # metadata of its participant, by which we know it again
    kind: str  # rtmp, whip, url
    name: str
    room: str
    identity: str
    url: str = ""  # of the source
    audio_only: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveIngress:
    remote_id: str
    tag: str
    kind: str
    name: str
    room: str
    identity: str
    address: str  # where to send to; the source's own address for url
    stream_key: str
    status: str  # inactive, buffering, publishing, error, complete
    error: str = ""
    at_ns: int = 0  # when LiveKit learnt of the status

    def __repr__(self) -> str:
        """Without key and addresses: whoever logs it must not show them."""
        return f"LiveIngress({self.remote_id}, {self.status})"


class IngressDoor(Protocol):
    """The part of the gateway which is about ingress."""

    def list_ingress(self) -> list[LiveIngress]: ...
    def create_ingress(self, spec: IngressSpec) -> LiveIngress: ...
    def update_ingress(self, spec: IngressSpec, *, remote_id: str) -> LiveIngress: ...
    def delete_ingress(self, *, remote_id: str) -> None: ...


def tag(pk: int) -> str:
    return f"{TAG}{pk}"


def differs(spec: IngressSpec, live: LiveIngress) -> bool:
    """Whether LiveKit holds something else. Its address is the source of a URL only."""
    told = (live.kind, live.name, live.room, live.identity)
    wrong_source = spec.kind == "url" and live.address != spec.url
    return told != (spec.kind, spec.name, spec.room, spec.identity) or wrong_source
