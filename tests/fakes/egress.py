"""LiveKit's egress service beside the fake LiveKit: how recordings end, by the rules measured.

| what happens                          | status   | file       | hooks                      |
|---------------------------------------|----------|------------|----------------------------|
| it is started                         | starting |            | started, without a status  |
| it records                            | active   |            | updated                    |
| stopped, or the room is deleted       | complete | whole      | updated (ending), ended    |
| the bucket does not exist             | failed   | none       | updated (ending), ended    |
| … and there is backup storage         | complete | in backup  | updated (ending), ended    |
| the service is stopped (SIGINT)       | failed   | up to then | ended                      |
| a codec is missing                    | failed   | none       | ended; the service exits   |
| its handler is killed                 | failed   | none       | ended                      |
| the service is killed                 | active   | none       | its participant left, 21 s |
|                                       |          |            | later; a stop: 408         |
| there is none, or no CPU is left      | –        |            | none; the start: 503       |
| a stop of one over, or unknown        | –        |            | none; 412, 404 are no fault |
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from google.protobuf.json_format import MessageToJson
from livekit import api
from livekit.protocol.egress import StartEgressRequest
from livekit.protocol.models import DisconnectReason

from telephony.errors import GatewayUnavailable
from telephony.live import EgressWish, LiveEgress, LiveParticipant
from tests.fakes import egress_rules
from tests.fakes.bucket import FakeBucket
from tests.fakes.livekit import RUNNING, FakeGateway

SOUND = b"OggS" + bytes(996)
LENGTH_MS = 8140


class EgressGateway(FakeGateway):
    """A LiveKit whose egress service writes into `bucket` and posts hooks to `post_hook`."""

    def __init__(
        self, bucket: FakeBucket, *, post_hook: Callable[[bytes], object], now: datetime
    ) -> None:
        super().__init__()
        self.bucket = bucket
        self.buckets: dict[str, FakeBucket] = {}  # of stores which a request names
        self.backup: dict[str, bytes] | None = None  # backup storage, if there is one
        self.post_hook = post_hook
        self.began = now
        self.starts = 0
        self.stops: list[str] = []
        self.service_runs = True
        self.places = 100  # how many it has CPU for
        self.stuck = False  # accepted, and never active
        self.loses_answers = False  # it starts, and its answer is lost on the way back

    def start_egress(self, wish: EgressWish) -> str:
        running = [e for e in self.egresses.values() if e.status in RUNNING]
        if not self.service_runs or len(running) >= self.places:
            raise GatewayUnavailable(egress_rules.NOBODY)
        egress_id = super().start_egress(wish)
        self.starts += 1
        self.post_hook(body_of("egress_started", self.egresses[egress_id]))
        if failure := egress_rules.failure(self.egress_requests[egress_id], self.egress_features):
            self.fail(egress_id, failure)
            self.shut_down()
        if self.loses_answers:
            self.loses_answers = False
            raise GatewayUnavailable("LiveKit cannot be reached.")
        return egress_id

    def list_egress(self, *, room: str = "") -> list[LiveEgress]:
        """Time has passed since it was started: it is active, and the hook got lost."""
        for egress in list(self.egresses.values()):
            if egress.status == "starting" and not self.stuck and self.service_runs:
                self._become_active(egress)
        return super().list_egress(room=room)

    def stop_egress(self, *, egress_id: str) -> None:
        self._reach()
        self.stops.append(egress_id)
        if not self.service_runs:
            raise GatewayUnavailable("LiveKit failed (deadline_exceeded: 408).")
        egress = self.egresses.get(egress_id)
        if egress and egress.status == "starting" and self.stuck:
            self._end(egress, "aborted", error="Stop called before pipeline could start")
        elif egress and egress.status in RUNNING:
            self.complete(egress_id)

    def delete_room(self, *, room: str) -> None:
        super().delete_room(room=room)
        for egress in list(self.egresses.values()):
            if egress.room == room and egress.status in RUNNING and self.service_runs:
                self.complete(egress.egress_id)

    # --- what happens to it ---------------------------------------------------------------------

    def activate(self, egress_id: str) -> None:
        active = self._become_active(self.egresses[egress_id])
        self.post_hook(body_of("egress_updated", active))

    def complete(self, egress_id: str, *, body: bytes = SOUND, hook: bool = True) -> None:
        egress = self.egresses[egress_id]
        bucket = self._bucket_of(egress_id)
        if hook:
            self.post_hook(body_of("egress_updated", egress, status="ending"))
        if not egress.object_key:  # it went to a WebSocket
            self._end(egress, "complete", hook=hook)
        elif bucket.exists:
            bucket.objects[egress.object_key] = body
            self._end(egress, "complete", hook=hook, size=len(SOUND), duration_ms=LENGTH_MS)
        elif self.backup is not None:
            self.backup[egress.object_key] = body
            kept = replace(egress, backup=True)
            self._end(kept, "complete", hook=hook, size=len(SOUND), duration_ms=LENGTH_MS)
        else:
            self._end(egress, "failed", hook=hook, error="NoSuchBucket")

    def interrupt(self, egress_id: str) -> None:
        """The service is asked to stop while it records: it says failed, and writes the file."""
        egress = self.egresses[egress_id]
        self._bucket_of(egress_id).objects[egress.object_key] = SOUND[:500]
        self._end(egress, "failed", error="server is shutting down")

    def shut_down(self) -> None:
        """The service exits, by itself after an inner error; its supervisor may start it again."""
        for egress in list(self.egresses.values()):
            if egress.status in RUNNING:
                self.interrupt(egress.egress_id)
        self.service_runs = False

    def kill(self) -> None:
        """No file, no hook, and LiveKit goes on saying active."""
        self.service_runs = False

    def miss(self, *, hook: bool = True) -> None:
        """21 s after it was killed, the rooms are without those who recorded in them."""
        for egress in list(self.egresses.values()):
            if egress.status in RUNNING and self._leave(egress) and hook:
                self.post_hook(left(egress))

    def kill_handler(self, egress_id: str) -> None:
        self.fail(egress_id, "signal: killed")

    def fail(self, egress_id: str, error: str) -> None:
        self._end(self.egresses[egress_id], "failed", error=error)

    def _become_active(self, egress: LiveEgress) -> LiveEgress:
        active = replace(egress, status="active", started_at=self.began)
        self.egresses[egress.egress_id] = active
        there = self.participants.setdefault(egress.room, [])
        there.append(LiveParticipant(identity=egress.egress_id, kind="egress"))
        return active

    def _leave(self, egress: LiveEgress) -> bool:
        there = self.participants.get(egress.room, [])
        stay = [who for who in there if who.identity != egress.egress_id]
        self.participants[egress.room] = stay
        return len(stay) < len(there)

    def _bucket_of(self, egress_id: str) -> FakeBucket:
        """As the request says, or the one in egress' own configuration."""
        request = self.egress_requests[egress_id]
        if isinstance(request, StartEgressRequest):
            named = request.storage.s3.bucket
        elif isinstance(request, api.TrackEgressRequest):
            named = request.file.s3.bucket
        else:
            named = request.file_outputs[0].s3.bucket  # type: ignore[attr-defined]
        return self.buckets[named] if named else self.bucket

    def _end(
        self, egress: LiveEgress, status: str, *, hook: bool = True, size: int = 0,
        duration_ms: int = 0, error: str = "",
    ) -> None:  # fmt: skip
        began = egress.started_at or self.began
        self._leave(egress)
        ended = replace(
            egress, status=status, size=size, duration_ms=duration_ms, error=error,
            started_at=egress.started_at, ended_at=began + timedelta(milliseconds=duration_ms),
        )  # fmt: skip
        self.egresses[egress.egress_id] = ended
        if hook:
            self.post_hook(body_of("egress_ended", ended))


def body_of(event: str, egress: LiveEgress, *, status: str = "", event_id: str = "") -> bytes:
    """A hook as LiveKit writes it: what is zero is left out, so a start has no status."""
    name = f"EGRESS_{(status or egress.status).upper()}"
    info = api.EgressInfo(
        egress_id=egress.egress_id, room_name=egress.room, status=name,
        error=egress.error, backup_storage_used=egress.backup,
    )  # fmt: skip
    if egress.size:
        info.file_results.add(
            filename=egress.object_key, size=egress.size, duration=egress.duration_ms * 1_000_000,
            location=f"https://wrong.invalid/{egress.object_key}",
        )  # fmt: skip
    info.egress.outputs.add().file.filepath = egress.object_key
    hook = api.WebhookEvent(
        id=event_id or f"EV_{event}_{egress.egress_id}_{name}",
        event=event, created_at=int(datetime.now(UTC).timestamp()), egress_info=info,
    )  # fmt: skip
    return MessageToJson(hook).encode()


def left(egress: LiveEgress) -> bytes:
    """Its connection broke, and nobody came back."""
    who = api.ParticipantInfo(
        identity=egress.egress_id, sid=f"PA_{egress.egress_id}",
        kind=api.ParticipantInfo.Kind.EGRESS,
        disconnect_reason=DisconnectReason.CONNECTION_TIMEOUT,
    )  # fmt: skip
    hook = api.WebhookEvent(
        id=f"EV_left_{egress.egress_id}", event="participant_left", participant=who,
        created_at=int(datetime.now(UTC).timestamp()), room=api.Room(name=egress.room),
    )  # fmt: skip
    return MessageToJson(hook).encode()
