"""The only module that speaks to LiveKit's server API."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Protocol, TypeVar

import aiohttp
from asgiref.sync import async_to_sync
from livekit import api
from livekit.api.egress_service import EgressService

from telephony import egress_requests, translate
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.gateway_ingress import IngressCalls
from telephony.ingress import IngressDoor
from telephony.live import CallerTracks, EgressWish, LiveEgress, LiveJob, LiveParticipant, LiveRoom
from telephony.sync import InboundTrunkSpec, LiveRule, LiveTrunk, RuleSpec, TrunkSpec

T = TypeVar("T")
# answered by a server which does not have what we ask for
_ABSENT = {api.ServerErrorCode.NOT_FOUND}
# HTTP: a service did not answer in time, or has no room for more at the moment
_PASSING = {408, 429}
# psrpc's words for “no server holds this room”
_NOBODY = {api.ServerErrorCode.UNAVAILABLE, api.ServerErrorCode.NOT_FOUND}
# said, as an unknown error, of a room which Redis has lost while the server still holds it
_FORGOTTEN = "could not find object"


class Gateway(IngressDoor, Protocol):
    def list_trunks(self) -> list[LiveTrunk]: ...
    def put_trunk(self, spec: TrunkSpec, *, remote_id: str) -> str: ...
    def delete_trunk(self, *, remote_id: str) -> None: ...
    def list_rules(self) -> list[LiveRule]: ...
    def put_rule(self, spec: RuleSpec, *, remote_id: str) -> str: ...
    def delete_rule(self, *, remote_id: str) -> None: ...
    def list_rooms(self) -> list[LiveRoom]: ...
    def list_participants(self, *, room: str) -> list[LiveParticipant]: ...
    def list_jobs(self, *, room: str) -> list[LiveJob] | None: ...
    def is_present(self, *, room: str, identity: str) -> bool: ...
    def create_dispatch(self, *, room: str, metadata: str) -> None: ...
    def dial(
        self, *, room: str, identity: str, trunk_id: str, number: str, ring_s: int
    ) -> None: ...
    def create_room(self, *, room: str, metadata: str) -> None: ...
    def remove_participant(self, *, room: str, identity: str) -> None: ...
    def delete_room(self, *, room: str) -> None: ...
    def send_to_agents(self, *, room: str, topic: str, data: bytes) -> None: ...
    def start_egress(self, wish: EgressWish) -> str: ...
    def list_egress(self, *, room: str = "") -> list[LiveEgress]: ...
    def stop_egress(self, *, egress_id: str) -> None: ...


class LiveKitGateway(IngressCalls):
    """One connection a call, each with a deadline: the client's own time-out has no effect."""

    def __init__(
        self, *, url: str, key: str, secret: str, agent_name: str, timeout_s: float = 5
    ) -> None:
        self._url, self._key, self._secret = url, key, secret
        self._agent_name = agent_name
        self._timeout_s = timeout_s

    # --- trunks ---------------------------------------------------------------------------------

    def list_trunks(self) -> list[LiveTrunk]:
        async def send(lk: api.LiveKitAPI) -> list[LiveTrunk]:
            inbound = await lk.sip.list_inbound_trunk(api.ListSIPInboundTrunkRequest())
            outbound = await lk.sip.list_outbound_trunk(api.ListSIPOutboundTrunkRequest())
            return [
                *(translate.live_inbound(info) for info in inbound.items),
                *(translate.live_outbound(info) for info in outbound.items),
            ]

        return self._call(send)

    def put_trunk(self, spec: TrunkSpec, *, remote_id: str) -> str:
        """Replace one trunk, or create it if there is no id; return its LiveKit id.

        Whoever has no id lists first: an earlier push may have been heard by LiveKit and its
        answer lost on the way back.
        """
        if isinstance(spec, InboundTrunkSpec):
            return self._put_inbound(spec, remote_id)
        info = translate.outbound_message(spec)

        async def send(lk: api.LiveKitAPI) -> api.SIPOutboundTrunkInfo:
            if remote_id:
                return await lk.sip.update_outbound_trunk(remote_id, info)
            return await lk.sip.create_outbound_trunk(api.CreateSIPOutboundTrunkRequest(trunk=info))

        return self._call(send).sip_trunk_id

    def _put_inbound(self, spec: InboundTrunkSpec, known: str) -> str:
        info = translate.inbound_message(spec)

        async def send(lk: api.LiveKitAPI) -> api.SIPInboundTrunkInfo:
            if known:
                return await lk.sip.update_inbound_trunk(known, info)
            return await lk.sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=info))

        return self._call(send).sip_trunk_id

    def delete_trunk(self, *, remote_id: str) -> None:
        self._forget(
            lambda lk: lk.sip.delete_trunk(api.DeleteSIPTrunkRequest(sip_trunk_id=remote_id))
        )

    # --- dispatch rules -------------------------------------------------------------------------

    def list_rules(self) -> list[LiveRule]:
        listing = self._call(lambda lk: lk.sip.list_dispatch_rule(api.ListSIPDispatchRuleRequest()))
        return [translate.live_rule(info) for info in listing.items]

    def put_rule(self, spec: RuleSpec, *, remote_id: str) -> str:
        """Replace one dispatch rule, or create it if there is no id; return its LiveKit id."""
        info = translate.rule_message(spec)

        async def send(lk: api.LiveKitAPI) -> api.SIPDispatchRuleInfo:
            if remote_id:
                return await lk.sip.update_dispatch_rule(remote_id, info)
            return await lk.sip.create_dispatch_rule(
                api.CreateSIPDispatchRuleRequest(dispatch_rule=info)
            )

        return self._call(send).sip_dispatch_rule_id

    def delete_rule(self, *, remote_id: str) -> None:
        request = api.DeleteSIPDispatchRuleRequest(sip_dispatch_rule_id=remote_id)
        self._forget(lambda lk: lk.sip.delete_dispatch_rule(request))

    # --- rooms ----------------------------------------------------------------------------------

    def list_rooms(self) -> list[LiveRoom]:
        listing = self._call(lambda lk: lk.room.list_rooms(api.ListRoomsRequest()))
        return [translate.live_room(room) for room in listing.rooms]

    def list_participants(self, *, room: str) -> list[LiveParticipant]:
        """Who is in a room; nobody if there is no such room."""
        request = api.ListParticipantsRequest(room=room)
        try:
            listing = self._call(lambda lk: lk.room.list_participants(request))
        except _Absent:
            return []
        return [translate.live_participant(info) for info in listing.participants]

    def list_jobs(self, *, room: str) -> list[LiveJob] | None:
        """Jobs accepted for a room, or None if no server holds the room.

        Asks the media server itself. Rooms and participants are listed from Redis, which may
        have been emptied under a running call.
        """
        try:
            dispatches = self._call(
                lambda lk: lk.agent_dispatch.list_dispatch(room), absent=_NOBODY
            )
        except _Absent:
            return None
        states = [job.state for dispatch in dispatches for job in dispatch.state.jobs]
        return [
            LiveJob(
                identity=state.participant_identity,
                started_at=datetime.fromtimestamp(state.started_at / 1e9, UTC),
            )
            for state in states
        ]

    def is_present(self, *, room: str, identity: str) -> bool:
        """Whether the media server itself has this participant, whatever Redis says.

        An update of no subscriptions: answered within ms by the server which has the participant,
        by nobody if there is none.
        """
        request = api.UpdateSubscriptionsRequest(room=room, identity=identity, subscribe=True)
        try:
            self._call(lambda lk: lk.room.update_subscriptions(request), timeout_s=1)
        except (GatewayUnavailable, _Absent):
            return False
        return True

    def create_dispatch(self, *, room: str, metadata: str) -> None:
        """Ask for our agent in a room once more. Beware: LiveKit creates a room that is missing."""
        request = api.CreateAgentDispatchRequest(
            agent_name=self._agent_name, room=room, metadata=metadata
        )
        self._call(lambda lk: lk.agent_dispatch.create_dispatch(request))

    def dial(self, *, room: str, identity: str, trunk_id: str, number: str, ring_s: int) -> None:
        """Call a number into a room; whoever waits there hears ringing. Does not wait."""
        request = translate.dial_message(
            room=room, identity=identity, trunk_id=trunk_id, number=number, ring_s=ring_s
        )
        self._call(lambda lk: lk.sip.create_sip_participant(request))

    def create_room(self, *, room: str, metadata: str) -> None:
        """A room for a call we make, with our agent on the way into it."""
        request = translate.outbound_room(room, self._agent_name, metadata)
        self._call(lambda lk: lk.room.create_room(request))

    def remove_participant(self, *, room: str, identity: str) -> None:
        request = api.RoomParticipantIdentity(room=room, identity=identity)
        self._forget(lambda lk: lk.room.remove_participant(request))

    def delete_room(self, *, room: str) -> None:
        """End a call. A caller who is still ringing gets 486.

        Of a room which Redis has lost LiveKit knows nothing: it ends by its own time-outs.
        """
        self._forget(lambda lk: lk.room.delete_room(api.DeleteRoomRequest(room=room)))

    def send_to_agents(self, *, room: str, topic: str, data: bytes) -> None:
        """A data packet for the agents of a room. Nobody says whether it was heard."""
        agents = [who.identity for who in self.list_participants(room=room) if who.kind == "agent"]
        if not agents:
            return
        request = api.SendDataRequest(
            room=room, data=data, kind=api.DataPacket.Kind.RELIABLE, topic=topic,
            destination_identities=agents,
        )  # fmt: skip
        self._forget(lambda lk: lk.room.send_data(request))

    # --- recording ------------------------------------------------------------------------------

    def start_egress(self, wish: EgressWish) -> str:
        """Record as wished; return the egress id.

        Unless the wish names a store, bucket and keys are in egress' own configuration, so that no
        secret travels. On GatewayUnavailable it may have started all the same: list before another.
        """
        needs_caller = egress_requests.needs_caller(wish)
        caller = self._caller(wish) if needs_caller else CallerTracks()
        request = egress_requests.request(wish, caller)

        async def send(lk: api.LiveKitAPI) -> api.EgressInfo:
            return await _STARTS[type(request)](lk.egress, request)

        # without an egress service LiveKit needs 22 s to say so; a working one starts within 1.1 s
        try:
            return self._call(send, timeout_s=10).egress_id
        except _Absent:
            raise
        except GatewayRefused as refusal:
            raise GatewayRefused(_told(refusal, wish)) from None  # its cause has the addresses
        except GatewayUnavailable as trouble:
            raise GatewayUnavailable(_told(trouble, wish)) from None

    def _caller(self, wish: EgressWish) -> CallerTracks:
        """The caller's identity and tracks. Raises GatewayUnavailable while he has no sound yet."""
        request = api.ListParticipantsRequest(room=wish.room)
        listing = self._call(lambda lk: lk.room.list_participants(request))
        found = translate.caller_tracks(listing.participants)
        if not found.audio:
            raise GatewayUnavailable("The caller has no sound in the room yet. It is tried again.")
        return found

    def list_egress(self, *, room: str = "") -> list[LiveEgress]:
        """Egresses of a room, or of all; LiveKit remembers them for 24 h."""
        request = api.ListEgressRequest(room_name=room)
        listing = self._call(lambda lk: lk.egress.list_egress(request))
        return [translate.live_egress(info) for info in listing.items]

    def stop_egress(self, *, egress_id: str) -> None:
        """Stop an egress; one that is unknown or over already is fine."""
        request = api.StopEgressRequest(egress_id=egress_id)
        self._forget(
            lambda lk: lk.egress.stop_egress(request),
            absent={*_ABSENT, api.ServerErrorCode.FAILED_PRECONDITION},
        )

    # --- the wire -------------------------------------------------------------------------------

    def _forget(
        self,
        send: Callable[[api.LiveKitAPI], Awaitable[object]],
        *,
        absent: set[str] = _ABSENT,
    ) -> None:
        """Remove something; that it is gone already is what we want."""
        try:
            self._call(send, absent=absent)
        except _Absent:
            return

    def _call(
        self,
        send: Callable[[api.LiveKitAPI], Awaitable[T]],
        *,
        timeout_s: float | None = None,
        absent: set[str] = _ABSENT,
    ) -> T:
        async def run() -> T:
            async with api.LiveKitAPI(self._url, self._key, self._secret) as lk:
                return await asyncio.wait_for(send(lk), timeout_s or self._timeout_s)

        try:
            return async_to_sync(run)()
        except api.ServerError as refusal:
            if refusal.code in absent or refusal.message == _FORGOTTEN:
                raise _Absent(f"LiveKit does not know it: {refusal.message}.") from refusal
            if refusal.status >= 500 or refusal.status in _PASSING:
                raise GatewayUnavailable(
                    f"LiveKit failed ({refusal.code}: {refusal.message}). It is tried again."
                ) from refusal
            raise GatewayRefused(f"LiveKit refused: {refusal.message}.") from refusal
        except (aiohttp.ClientError, TimeoutError, OSError) as trouble:
            raise GatewayUnavailable(
                f"LiveKit cannot be reached at {self._url}. "
                f"Check that it runs and that LIVEKIT_URL is right."
            ) from trouble


class _Absent(GatewayRefused):
    """What was asked for does not exist on LiveKit."""


_STARTS: dict[type, Callable[..., Awaitable[api.EgressInfo]]] = {
    api.StartEgressRequest: EgressService.start_egress,
    api.RoomCompositeEgressRequest: EgressService.start_room_composite_egress,
    api.TrackCompositeEgressRequest: EgressService.start_track_composite_egress,
    api.TrackEgressRequest: EgressService.start_track_egress,
    api.ParticipantEgressRequest: EgressService.start_participant_egress,
}


def _told(error: Exception, wish: EgressWish) -> str:
    """LiveKit repeats addresses it does not like, and they end in stream keys."""
    text = str(error)
    for secret in wish.secrets:
        text = text.replace(secret, "…")
    has_live = wish.rtmp_urls or wish.websocket_url
    return egress_requests.without_addresses(text) if has_live else text
