"""LiveKit's egress service beside the fake LiveKit: how recordings end, by the rules measured.

| what happens                    | status   | file         | hook |
|---------------------------------|----------|--------------|------|
| stopped, or the room is deleted | complete | whole        | yes  |
| the bucket does not exist       | failed   | none         | yes  |
| the service is stopped (SIGINT) | failed   | up to then   | yes  |
| the service is killed           | active   | none         | no   |
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from google.protobuf.json_format import MessageToJson
from livekit import api

from telephony.errors import GatewayUnavailable
from telephony.live import LiveEgress
from tests.fakes.bucket import FakeBucket
from tests.fakes.livekit import FakeGateway

SOUND = b"OggS" + bytes(996)


class EgressGateway(FakeGateway):
    """A LiveKit whose egress service writes into `bucket` and posts hooks to `post_hook`."""

    def __init__(
        self, bucket: FakeBucket, *, post_hook: Callable[[bytes], object], now: datetime
    ) -> None:
        super().__init__()
        self.bucket = bucket
        self.post_hook = post_hook
        self.began = now
        self.starts = 0
        self.stops: list[str] = []
        self.service_runs = True
        self.loses_answers = False  # it starts, and its answer is lost on the way back

    def start_egress(self, *, room: str, object_key: str) -> str:
        if not self.service_runs:
            raise GatewayUnavailable("LiveKit failed (unavailable: no response from servers).")
        egress_id = super().start_egress(room=room, object_key=object_key)
        self.starts += 1
        self.egresses[egress_id] = replace(self.egresses[egress_id], started_at=self.began)
        if self.loses_answers:
            self.loses_answers = False
            raise GatewayUnavailable("LiveKit cannot be reached.")
        return egress_id

    def stop_egress(self, *, egress_id: str) -> None:
        self._reach()
        self.stops.append(egress_id)
        if not self.service_runs:
            raise GatewayUnavailable("LiveKit failed (deadline_exceeded: 408).")
        if self.egresses[egress_id].status == "active":
            self.complete(egress_id)

    # --- endings --------------------------------------------------------------------------------

    def complete(self, egress_id: str, *, body: bytes = SOUND, hook: bool = True) -> None:
        egress = self.egresses[egress_id]
        if not self.bucket.exists:
            self._end(egress, "failed", hook=hook, error="NoSuchBucket")
            return
        self.bucket.objects[egress.object_key] = body
        self._end(egress, "complete", hook=hook, size=len(SOUND), duration_ms=8140)

    def interrupt(self, egress_id: str) -> None:
        """The service is asked to stop while it records: it says failed, and writes the file."""
        egress = self.egresses[egress_id]
        self.bucket.objects[egress.object_key] = SOUND[:500]
        self._end(egress, "failed", error="server is shutting down")

    def kill(self) -> None:
        """No file, no hook, and LiveKit goes on saying active."""
        self.service_runs = False

    def fail(self, egress_id: str, error: str) -> None:
        self._end(self.egresses[egress_id], "failed", error=error)

    def _end(
        self, egress: LiveEgress, status: str, *, hook: bool = True, size: int = 0,
        duration_ms: int = 0, error: str = "",
    ) -> None:  # fmt: skip
        ended = replace(
            egress, status=status, size=size, duration_ms=duration_ms, error=error,
            ended_at=self.began + timedelta(milliseconds=duration_ms),
        )  # fmt: skip
        self.egresses[egress.egress_id] = ended
        if hook:
            self.post_hook(body_of("egress_ended", ended))


def body_of(event: str, egress: LiveEgress, *, status: str = "", event_id: str = "") -> bytes:
    """A hook as LiveKit writes it: what is zero is left out, so a start has no status."""
    name = f"EGRESS_{(status or egress.status).upper()}"
    info = api.EgressInfo(
        egress_id=egress.egress_id, room_name=egress.room, status=name,
        error=egress.error,
    )  # fmt: skip
    if egress.size:
        info.file_results.add(
            filename=egress.object_key, size=egress.size, duration=egress.duration_ms * 1_000_000,
            location=f"https://wrong.invalid/{egress.object_key}",
        )  # fmt: skip
    else:
        info.egress.outputs.add().file.filepath = egress.object_key
    hook = api.WebhookEvent(
        id=event_id or f"EV_{event}_{egress.egress_id}_{name}",
        event=event, created_at=int(datetime.now(UTC).timestamp()), egress_info=info,
    )  # fmt: skip
    return MessageToJson(hook).encode()
