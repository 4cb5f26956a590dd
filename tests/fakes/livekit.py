"""LiveKit in memory, with its rules kept; tests/contract holds it to the real one."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

from google.protobuf.message import Message

from telephony import egress_requests, sync
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.ingress import IngressSpec, LiveIngress
from telephony.live import (
    CallerTracks,
    EgressWish,
    LiveEgress,
    LiveJob,
    LiveParticipant,
    LiveRoom,
)
from telephony.sync import InboundTrunkSpec, LiveRule, LiveTrunk, RuleSpec, TrunkSpec
from tests.fakes import egress_rules

RUNNING = {"starting", "active", "ending"}


class FakeGateway:
    """Trunks, rules, rooms and egresses. `away` and `refusing` make it fail."""

    def __init__(self) -> None:
        self.trunks: dict[str, TrunkSpec] = {}
        self.rules: dict[str, RuleSpec] = {}
        self.rooms: dict[str, LiveRoom] = {}
        self.participants: dict[str, list[LiveParticipant]] = {}
        self.jobs: dict[str, list[LiveJob]] = {}
        self.dispatched: list[tuple[str, str]] = []
        self.sent: list[tuple[str, str, bytes]] = []  # data packets to agents
        self.egresses: dict[str, LiveEgress] = {}
        self.egress_requests: dict[str, Message] = {}
        self.egress_features: frozenset[str] = frozenset()  # chrome, aac
        self.callers_have_sound = True
        self.ingresses: dict[str, LiveIngress] = {}
        self.ingress_service = True  # whether one runs: only URL inputs need it at once
        self.writes: list[str] = []
        self.away = False
        self.refusing = ""
        self.forgetful: set[str] = set()  # rooms which Redis has lost, the server has not
        self._ids = count(1)

    # --- what a test sees of it -----------------------------------------------------------------

    @property
    def lines(self) -> dict[str, TrunkSpec]:
        """The trunks without the one for unknown numbers."""
        return {i: spec for i, spec in self.trunks.items() if spec.tag != sync.UNKNOWN_TRUNK}

    @property
    def answers(self) -> dict[str, RuleSpec]:
        """The rules of rows: without those which refuse."""
        refusing = {sync.UNKNOWN_RULE, sync.NO_RULE}
        return {i: spec for i, spec in self.rules.items() if spec.tag not in refusing}

    # --- what a test does to it -----------------------------------------------------------------

    def flushall(self) -> None:
        """Redis is emptied: trunks, rules and every listing are gone, calls go on."""
        self.trunks.clear()
        self.rules.clear()
        self.ingresses.clear()
        self.forgetful |= set(self.rooms)

    def ring(
        self, room: str, *, caller: str = "+12025550123", called: str = "+12025550100",
        trunk: str = "", at: datetime | None = None, status: str = "ringing",
    ) -> None:  # fmt: skip
        """A caller's leg enters a room of its own."""
        now = at or datetime.now(UTC)
        self.rooms[room] = LiveRoom(name=room, sid=f"RM_{next(self._ids)}", created_at=now)
        attributes = {
            "sip.callID": f"SCL_{next(self._ids)}",
            "sip.phoneNumber": caller,
            "sip.trunkPhoneNumber": called,
            "sip.trunkID": trunk,
            "sip.callStatus": status,
        }
        leg = LiveParticipant(identity=f"sip_{caller}", kind="sip", attributes=attributes)
        self.participants[room] = [leg]

    def answer(self, room: str, *, identity: str = "agent-AJ_1") -> None:
        """An agent joins."""
        self.participants[room].append(LiveParticipant(identity=identity, kind="agent"))

    def accept_job(self, room: str, *, at: datetime, identity: str = "agent-AJ_1") -> None:
        """A worker accepts a job; its agent has not joined yet."""
        self.jobs.setdefault(room, []).append(LiveJob(identity=identity, started_at=at))

    def leave(self, room: str, *, kind: str) -> None:
        self.participants[room] = [p for p in self.participants[room] if p.kind != kind]

    # --- the gateway ----------------------------------------------------------------------------

    def list_trunks(self) -> list[LiveTrunk]:
        self._reach()
        return [LiveTrunk(remote_id=i, spec=spec) for i, spec in sorted(self.trunks.items())]

    def put_trunk(self, spec: TrunkSpec, *, remote_id: str) -> str:
        self._reach()
        self._may()
        known = remote_id
        if known and type(self.trunks.get(known)) is not type(spec):
            raise GatewayRefused("LiveKit does not know it: requested sip trunk does not exist.")
        if isinstance(spec, InboundTrunkSpec) and not (
            spec.numbers or spec.allowed_addresses or spec.auth_username
        ):
            raise GatewayRefused("LiveKit refused: for security, one of the fields must be set.")
        for other, held in self.trunks.items():
            if other != known and sync.trunk_keys(held) & sync.trunk_keys(spec):
                raise GatewayRefused(f"LiveKit refused: Conflicting inbound SIP Trunks: {other}.")
        return self._write("trunk", self.trunks, known or f"ST_{next(self._ids)}", spec)

    def delete_trunk(self, *, remote_id: str) -> None:
        self._reach()
        self.writes.append("delete trunk")
        self.trunks.pop(remote_id, None)

    def list_rules(self) -> list[LiveRule]:
        self._reach()
        return [LiveRule(remote_id=i, spec=spec) for i, spec in sorted(self.rules.items())]

    def put_rule(self, spec: RuleSpec, *, remote_id: str) -> str:
        self._reach()
        self._may()
        known = remote_id
        if known and known not in self.rules:
            raise GatewayRefused("LiveKit does not know it: requested rule does not exist.")
        for other, held in self.rules.items():
            if other != known and sync.rule_keys(held) & sync.rule_keys(spec):
                raise GatewayRefused(f"LiveKit refused: Dispatch rule … already exists in {other}.")
        return self._write("rule", self.rules, known or f"SDR_{next(self._ids)}", spec)

    def delete_rule(self, *, remote_id: str) -> None:
        self._reach()
        self.writes.append("delete rule")
        self.rules.pop(remote_id, None)

    def list_rooms(self) -> list[LiveRoom]:
        self._reach()
        return [room for name, room in self.rooms.items() if name not in self.forgetful]

    def list_participants(self, *, room: str) -> list[LiveParticipant]:
        self._reach()
        return [] if room in self.forgetful else list(self.participants.get(room, []))

    def list_jobs(self, *, room: str) -> list[LiveJob] | None:
        self._reach()
        return list(self.jobs.get(room, [])) if room in self.rooms else None

    def is_present(self, *, room: str, identity: str) -> bool:
        self._reach()
        return any(p.identity == identity for p in self.participants.get(room, []))

    def create_dispatch(self, *, room: str, metadata: str) -> None:
        self._reach()
        if room not in self.rooms:
            self.rooms[room] = LiveRoom(name=room, sid="RM_new", created_at=datetime.now(UTC))
        self.dispatched.append((room, metadata))

    def dial(self, *, room: str, identity: str, trunk_id: str, number: str, ring_s: int) -> None:
        """The other telephone rings; the caller is answered meanwhile."""
        self._reach()
        self._may()
        if trunk_id not in self.trunks:
            raise GatewayRefused("LiveKit does not know it: requested sip trunk does not exist.")
        attributes = {
            "sip.callID": f"SCL_{next(self._ids)}",
            "sip.phoneNumber": number,
            "sip.trunkID": trunk_id,
            "sip.callStatus": "ringing",
        }
        leg = LiveParticipant(identity=identity, kind="sip", attributes=attributes)
        self.participants[room].append(leg)

    def create_room(self, *, room: str, metadata: str) -> None:
        self._reach()
        self._may()
        self.rooms[room] = LiveRoom(
            name=room, sid=f"RM_{next(self._ids)}", created_at=datetime.now(UTC)
        )
        self.dispatched.append((room, metadata))

    def remove_participant(self, *, room: str, identity: str) -> None:
        self._reach()
        left = [p for p in self.participants.get(room, []) if p.identity != identity]
        self.participants[room] = left

    def delete_room(self, *, room: str) -> None:
        self._reach()
        self.rooms.pop(room, None)
        self.participants.pop(room, None)

    def send_to_agents(self, *, room: str, topic: str, data: bytes) -> None:
        self._reach()
        if any(p.kind == "agent" for p in self.participants.get(room, [])):
            self.sent.append((room, topic, data))

    def start_egress(self, wish: EgressWish) -> str:
        self._reach()
        self._may()
        if wish.room not in self.rooms:
            raise GatewayRefused("LiveKit does not know it: requested room does not exist.")
        caller = self._caller(wish.room) if egress_requests.needs_caller(wish) else CallerTracks()
        request = egress_requests.request(wish, caller)
        if refusal := egress_rules.refusal(request, self.egress_features):
            raise refusal
        running = [e for e in self.list_egress(room=wish.room) if e.status in RUNNING]
        assert wish.object_key not in {e.object_key for e in running} - {""}, (
            "one object, one egress"
        )
        egress_id = f"EG_{next(self._ids)}"
        self.egress_requests[egress_id] = request
        self.egresses[egress_id] = LiveEgress(
            egress_id=egress_id, room=wish.room, status="starting", object_key=wish.object_key
        )
        return egress_id

    def _caller(self, room: str) -> CallerTracks:
        for who in self.participants.get(room, []):
            if who.kind == "sip" and self.callers_have_sound:
                return CallerTracks(identity=who.identity, audio=f"TR_{who.identity}")
        raise GatewayUnavailable("The caller has no sound in the room yet. It is tried again.")

    def list_egress(self, *, room: str = "") -> list[LiveEgress]:
        self._reach()
        return [e for e in self.egresses.values() if room in ("", e.room)]

    def stop_egress(self, *, egress_id: str) -> None:
        self._reach()

    def _write(self, noun: str, store: dict[str, Any], remote_id: str, spec: object) -> str:
        self.writes.append(f"put {noun}")
        store[remote_id] = spec
        return remote_id

    def _reach(self) -> None:
        if self.away:
            raise GatewayUnavailable("LiveKit cannot be reached.")

    def _may(self) -> None:
        if self.refusing:
            raise GatewayRefused(self.refusing)

    # --- ingress --------------------------------------------------------------------------------

    def list_ingress(self) -> list[LiveIngress]:
        self._reach()
        return list(self.ingresses.values())

    def create_ingress(self, spec: IngressSpec) -> LiveIngress:
        self._reach()
        self._may()
        self.writes.append("create ingress")
        if spec.kind == "url" and not self.ingress_service:
            raise GatewayRefused("No ingress service answered. Start one.")
        number = next(self._ids)
        made = LiveIngress(
            remote_id=f"IN_{number}", tag=spec.tag, kind=spec.kind, name=spec.name,
            room=spec.room, identity=spec.identity,
            address=spec.url or f"{spec.kind}://127.0.0.1/x",
            stream_key="" if spec.kind == "url" else f"stream-key-{number}", status="inactive",
        )  # fmt: skip
        self.ingresses[made.remote_id] = made
        return made

    def update_ingress(self, spec: IngressSpec, *, remote_id: str) -> LiveIngress:
        self._reach()
        self._may()
        self.writes.append("update ingress")
        if remote_id not in self.ingresses:
            raise GatewayRefused("LiveKit does not know it: ingress does not exist.")
        self.ingresses[remote_id] = replace(
            self.ingresses[remote_id], name=spec.name, room=spec.room, identity=spec.identity
        )
        return self.ingresses[remote_id]

    def delete_ingress(self, *, remote_id: str) -> None:
        self._reach()
        self._may()
        self.writes.append("delete ingress")
        self.ingresses.pop(remote_id, None)
