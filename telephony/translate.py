"""LiveKit's protobuf messages ↔ our values. Used by the gateway and the webhook only."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from livekit.protocol.agent_dispatch import RoomAgentDispatch
from livekit.protocol.egress import EgressInfo, EgressStatus, Output, SegmentedFileOutput
from livekit.protocol.models import ParticipantInfo, Room, TrackType
from livekit.protocol.room import CreateRoomRequest, RoomConfiguration
from livekit.protocol.sip import (
    CreateSIPParticipantRequest,
    SIPCodec,
    SIPDispatchRule,
    SIPDispatchRuleIndividual,
    SIPDispatchRuleInfo,
    SIPHeaderOptions,
    SIPInboundTrunkInfo,
    SIPMediaConfig,
    SIPMediaEncryption,
    SIPOutboundTrunkInfo,
    SIPTransport,
)

from telephony.egress_requests import without_addresses
from telephony.live import CallerTracks, LiveEgress, LiveParticipant, LiveRoom
from telephony.sync import (
    InboundTrunkSpec,
    LiveRule,
    LiveTrunk,
    OutboundTrunkSpec,
    RuleSpec,
    TrunkSpec,
)

# set by the server, or compared by us
_INBOUND = {
    "sip_trunk_id", "name", "metadata", "numbers", "allowed_addresses", "auth_username",
    "auth_password", "ringing_timeout", "created_at", "updated_at", "media", "include_headers",
    "headers_to_attributes",
}  # fmt: skip
_OUTBOUND = {
    "sip_trunk_id", "name", "metadata", "address", "transport", "numbers", "auth_username",
    "auth_password", "created_at", "updated_at", "media", "include_headers", "headers",
    "headers_to_attributes", "from_host", "destination_country",
}  # fmt: skip
_RULE = {
    "sip_dispatch_rule_id", "rule", "trunk_ids", "name", "room_config", "created_at", "updated_at",
}  # fmt: skip
_ROOM_CONFIG = {"empty_timeout", "departure_timeout", "agents"}
_AGENT = {"agent_name", "metadata"}
_MEDIA = {"encryption", "codecs", "only_listed_codecs"}
_HEADERS = {"none": "SIP_NO_HEADERS", "x": "SIP_X_HEADERS", "all": "SIP_ALL_HEADERS"}
CODEC_RATE = 8000  # as SDP names them; of G.722 too, though it sounds at 16 kHz


def _extras(message: Message, known: set[str], prefix: str = "") -> tuple[str, ...]:
    """Fields somebody has set beside those we set. An empty sub-message says nothing."""
    return tuple(
        f"{prefix}{field.name}"
        for field, value in message.ListFields()
        if field.name not in known and not (isinstance(value, Message) and not value.ListFields())
    )


def inbound_message(spec: InboundTrunkSpec) -> SIPInboundTrunkInfo:
    return SIPInboundTrunkInfo(
        name=spec.name,
        metadata=spec.tag,
        numbers=spec.numbers,
        allowed_addresses=spec.allowed_addresses,
        auth_username=spec.auth_username,
        auth_password=spec.auth_password,
        ringing_timeout=Duration(seconds=spec.ringing_timeout_s),
        **_media_message(spec),
    )


def outbound_message(spec: OutboundTrunkSpec) -> SIPOutboundTrunkInfo:
    return SIPOutboundTrunkInfo(
        name=spec.name,
        metadata=spec.tag,
        address=spec.address,
        transport=f"SIP_TRANSPORT_{spec.transport.upper()}",
        numbers=spec.numbers,
        auth_username=spec.auth_username,
        auth_password=spec.auth_password,
        headers=dict(spec.headers),
        from_host=spec.from_host,
        destination_country=spec.destination_country,
        **_media_message(spec),
    )


def _media_message(spec: TrunkSpec) -> dict[str, Any]:
    """Nothing is sent for what is as LiveKit has it anyway."""
    media = SIPMediaConfig(
        only_listed_codecs=bool(spec.codecs),
        codecs=[SIPCodec(name=name, rate=CODEC_RATE) for name in spec.codecs],
        **({} if spec.encryption == "disable" else {"encryption": _encryption(spec.encryption)}),
    )
    return {
        **({"media": media} if media.ListFields() else {}),
        "include_headers": _HEADERS[spec.include_headers],
        "headers_to_attributes": dict(spec.header_attributes),
    }


def _encryption(name: str) -> Any:
    return f"SIP_MEDIA_ENCRYPT_{name.upper()}"


def _live_media(info: SIPInboundTrunkInfo | SIPOutboundTrunkInfo) -> dict[str, Any]:
    media = info.media
    encryption = SIPMediaEncryption.Name(media.encryption)
    codecs = [codec.name.upper() for codec in media.codecs]
    return {
        "encryption": encryption.removeprefix("SIP_MEDIA_ENCRYPT_").lower(),
        # a list which only prefers is none of ours
        "codecs": tuple(codecs if media.only_listed_codecs else []),
        "include_headers": next(
            name for name, value in _HEADERS.items()
            if value == SIPHeaderOptions.Name(info.include_headers)
        ),
        "header_attributes": tuple(sorted(info.headers_to_attributes.items())),
    }  # fmt: skip


def _media_extras(info: SIPInboundTrunkInfo | SIPOutboundTrunkInfo) -> tuple[str, ...]:
    preferred = bool(info.media.codecs) and not info.media.only_listed_codecs
    return _extras(info.media, _MEDIA, "media.") + (("media.codecs",) if preferred else ())


def rule_message(spec: RuleSpec) -> SIPDispatchRuleInfo:
    individual = SIPDispatchRuleIndividual(room_prefix=spec.room_prefix)
    agent = RoomAgentDispatch(agent_name=spec.agent_name, metadata=spec.agent_metadata)
    return SIPDispatchRuleInfo(
        name=spec.tag,
        trunk_ids=spec.trunk_ids,
        rule=SIPDispatchRule(dispatch_rule_individual=individual),
        room_config=RoomConfiguration(
            empty_timeout=spec.empty_timeout_s,
            departure_timeout=spec.departure_timeout_s,
            agents=[agent] if spec.agent_name else [],
        ),
    )


def dial_message(
    *, room: str, identity: str, trunk_id: str, number: str, ring_s: int
) -> CreateSIPParticipantRequest:
    return CreateSIPParticipantRequest(
        sip_trunk_id=trunk_id,
        sip_call_to=number,
        room_name=room,
        participant_identity=identity,
        participant_name="overflow",
        play_dialtone=True,
        ringing_timeout=Duration(seconds=ring_s),
    )


def outbound_room(name: str, agent_name: str, metadata: str) -> CreateRoomRequest:
    """Closed soon after everybody has left, as the rooms of callers."""
    agent = RoomAgentDispatch(agent_name=agent_name, metadata=metadata)
    return CreateRoomRequest(name=name, empty_timeout=30, departure_timeout=3, agents=[agent])


def live_inbound(info: SIPInboundTrunkInfo) -> LiveTrunk:
    spec = InboundTrunkSpec(
        tag=info.metadata,
        name=info.name,
        numbers=tuple(info.numbers),
        allowed_addresses=tuple(info.allowed_addresses),
        auth_username=info.auth_username,
        auth_password=info.auth_password,
        ringing_timeout_s=info.ringing_timeout.seconds,
        extras=_extras(info, _INBOUND) + _media_extras(info),
        **_live_media(info),
    )
    return LiveTrunk(remote_id=info.sip_trunk_id, spec=spec)


def live_outbound(info: SIPOutboundTrunkInfo) -> LiveTrunk:
    spec = OutboundTrunkSpec(
        tag=info.metadata,
        name=info.name,
        address=info.address,
        transport=SIPTransport.Name(info.transport).removeprefix("SIP_TRANSPORT_").lower(),
        numbers=tuple(info.numbers),
        auth_username=info.auth_username,
        auth_password=info.auth_password,
        headers=tuple(sorted(info.headers.items())),
        from_host=info.from_host,
        destination_country=info.destination_country,
        extras=_extras(info, _OUTBOUND) + _media_extras(info),
        **_live_media(info),
    )
    return LiveTrunk(remote_id=info.sip_trunk_id, spec=spec)


def live_rule(info: SIPDispatchRuleInfo) -> LiveRule:
    config = info.room_config
    agent = config.agents[0] if config.agents else RoomAgentDispatch()
    individual = info.rule.dispatch_rule_individual
    extras = [
        *_extras(info, _RULE),
        *_extras(individual, {"room_prefix"}, "rule."),
        *_extras(config, _ROOM_CONFIG, "room_config."),
        *_extras(agent, _AGENT, "agent."),
    ]
    if info.rule.WhichOneof("rule") != "dispatch_rule_individual":
        extras.append("rule")
    if len(config.agents) > 1 or (config.agents and not agent.agent_name):
        extras.append("room_config.agents")
    spec = RuleSpec(
        tag=info.name,
        trunk_ids=tuple(info.trunk_ids),
        room_prefix=individual.room_prefix,
        agent_name=agent.agent_name,
        agent_metadata=agent.metadata,
        empty_timeout_s=config.empty_timeout,
        departure_timeout_s=config.departure_timeout,
        extras=tuple(extras),
    )
    return LiveRule(remote_id=info.sip_dispatch_rule_id, spec=spec)


def live_room(room: Room) -> LiveRoom:
    return LiveRoom(name=room.name, sid=room.sid, created_at=room_created_at(room))


def room_created_at(room: Room) -> datetime:
    return _moment(room.creation_time_ms or room.creation_time * 1000, per_second=1000)


def live_participant(info: ParticipantInfo) -> LiveParticipant:
    return LiveParticipant(
        identity=info.identity, kind=kind_name(info), attributes=dict(info.attributes)
    )


def kind_name(info: ParticipantInfo) -> str:
    """sip, agent, standard …; a kind newer than our SDK is named by its number."""
    kinds: Any = ParticipantInfo.Kind
    known: dict[int, str] = {number: name for name, number in kinds.items()}
    return known.get(info.kind, str(info.kind)).lower()


def live_egress(info: EgressInfo) -> LiveEgress:
    """`started` and `ended` come in ns. The location is no usable link; the key is ours."""
    file = info.file_results[0] if info.file_results else None
    pieces = info.segment_results[0] if info.segment_results else None
    said = info.error or (info.details if info.status >= EgressStatus.EGRESS_FAILED else "")
    ns = file.duration if file else pieces.duration if pieces else 0
    return LiveEgress(
        egress_id=info.egress_id,
        room=info.room_name,
        status=EgressStatus.Name(info.status).removeprefix("EGRESS_").lower(),
        object_key=requested_key(info) or (file.filename if file else ""),
        size=file.size if file else 0,
        duration_ms=ns // 1_000_000,
        started_at=_moment(info.started_at) if info.started_at else None,
        ended_at=_moment(info.ended_at) if info.ended_at else None,
        error=without_addresses(said),
        backup=info.backup_storage_used,
    )


def requested_key(info: EgressInfo) -> str:
    """The object we asked for: the result's name differs if the backup storage was used."""
    asked = info.WhichOneof("request")
    if asked is None:
        return ""
    request = getattr(info, asked)
    if asked == "egress":
        outputs = [output for output in request.outputs if not output.HasField("stream")]
        return _key_of(outputs[0]) if outputs else ""
    if asked == "track":
        return str(request.file.filepath)
    if asked in {"room_composite", "participant", "track_composite"}:
        files, pieces = request.file_outputs, request.segment_outputs
        return str(files[0].filepath) if files else _playlist(pieces[0]) if pieces else ""
    return ""


def _key_of(output: Output) -> str:
    return _playlist(output.segments) if output.HasField("segments") else str(output.file.filepath)


def _playlist(pieces: SegmentedFileOutput) -> str:
    return f"{pieces.filename_prefix}.m3u8"


def caller_tracks(participants: Iterable[ParticipantInfo]) -> CallerTracks:
    """Of the first participant who came by telephone."""
    for who in participants:
        if who.kind == ParticipantInfo.Kind.SIP:
            return CallerTracks(
                identity=who.identity,
                audio=_first_track(who, TrackType.AUDIO),
                video=_first_track(who, TrackType.VIDEO),
            )
    return CallerTracks()


def _first_track(who: ParticipantInfo, kind: "TrackType") -> str:
    return next((track.sid for track in who.tracks if track.type == kind), "")


def _moment(ticks: int, *, per_second: int = 1_000_000_000) -> datetime:
    return datetime.fromtimestamp(ticks / per_second, UTC)
