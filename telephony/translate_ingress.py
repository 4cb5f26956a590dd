"""LiveKit's ingress messages ↔ our values. Used by the gateway and the webhook only."""

from livekit.protocol.ingress import (
    CreateIngressRequest,
    IngressInfo,
    IngressInput,
    IngressState,
    UpdateIngressRequest,
)

from telephony.ingress import IngressSpec, LiveIngress

_KINDS = {
    "rtmp": IngressInput.RTMP_INPUT,
    "whip": IngressInput.WHIP_INPUT,
    "url": IngressInput.URL_INPUT,
}


def create_message(spec: IngressSpec) -> CreateIngressRequest:
    """Transcoded always: telephones need Opus whatever comes."""
    return CreateIngressRequest(
        input_type=_KINDS[spec.kind],
        url=spec.url,
        name=spec.name,
        room_name=spec.room,
        participant_identity=spec.identity,
        participant_name=spec.name,
        participant_metadata=spec.tag,
        enable_transcoding=True,
    )


def update_message(spec: IngressSpec, remote_id: str) -> UpdateIngressRequest:
    return UpdateIngressRequest(
        ingress_id=remote_id,
        name=spec.name,
        room_name=spec.room,
        participant_identity=spec.identity,
        participant_name=spec.name,
        participant_metadata=spec.tag,
    )


def live_ingress(info: IngressInfo) -> LiveIngress:
    state = info.state
    kinds = {number: kind for kind, number in _KINDS.items()}
    return LiveIngress(
        remote_id=info.ingress_id,
        tag=info.participant_metadata,
        kind=kinds.get(info.input_type, str(info.input_type)),
        name=info.name,
        room=info.room_name,
        identity=info.participant_identity,
        address=info.url,
        stream_key=info.stream_key,
        status=status_name(state.status),
        error=state.error,
        at_ns=max(state.updated_at, state.ended_at, state.started_at),
    )


def status_name(status: int) -> str:
    known = {number: name for name, number in IngressState.Status.items()}
    return known.get(status, str(status)).removeprefix("ENDPOINT_").lower()
