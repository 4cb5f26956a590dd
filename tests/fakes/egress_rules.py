"""What the real egress service says to a request, as measured: refused, or accepted and failing.

| request                                            | what comes of it                           |
|----------------------------------------------------|--------------------------------------------|
| room composite with video or a layout, no Chrome   | 503 after 24 s, no egress, no hook         |
| participant egress, or any picture, as OGG or MP3  | 400 no supported codec …, no egress        |
| MP4 without Opus, HLS, RTMP, where faac is missing | FAILED at once; then the service exits     |
"""

from google.protobuf.message import Message
from livekit.protocol.egress import (
    EncodedFileType,
    ParticipantEgressRequest,
    RoomCompositeEgressRequest,
    StartEgressRequest,
    TrackCompositeEgressRequest,
    TrackEgressRequest,
)
from livekit.protocol.models import AudioCodec

from telephony.errors import GatewayRefused, GatewayUnavailable, TelephonyError

NOBODY = "LiveKit failed (unavailable: no response from servers). It is tried again."
NO_CODEC = "LiveKit refused: no supported codec is compatible with all outputs."
NO_FAAC = "could not create element: faac"
_SOUND_ONLY = {EncodedFileType.OGG, EncodedFileType.MP3}


def refusal(request: Message, features: frozenset[str]) -> TelephonyError | None:
    """Why nothing starts, or None."""
    if isinstance(request, RoomCompositeEgressRequest):
        drawn = not request.audio_only or request.layout or request.custom_base_url
        if drawn and "chrome" not in features:
            return GatewayUnavailable(NOBODY)
    if _has_picture(request) and set(_file_types(request)) & _SOUND_ONLY:
        return GatewayRefused(NO_CODEC)
    if _streams(request) and set(_file_types(request)):
        return GatewayRefused(NO_CODEC)
    return None


def failure(request: Message, features: frozenset[str]) -> str:
    """Why it fails right after it was accepted, or nothing."""
    needs_aac = (
        EncodedFileType.MP4 in _file_types(request) and _codec(request) != AudioCodec.OPUS
    ) or _streams(request) or _segments(request)  # fmt: skip
    return NO_FAAC if needs_aac and "aac" not in features else ""


def _has_picture(request: Message) -> bool:
    if isinstance(request, TrackCompositeEgressRequest):
        return bool(request.video_track_id)
    if isinstance(request, RoomCompositeEgressRequest):
        return not request.audio_only
    return isinstance(request, ParticipantEgressRequest)


def _file_types(request: Message) -> list[int]:
    if isinstance(request, StartEgressRequest):
        return [out.file.file_type for out in request.outputs if out.HasField("file")]
    if isinstance(request, TrackEgressRequest):
        return []
    return [file.file_type for file in request.file_outputs]  # type: ignore[attr-defined]


def _streams(request: Message) -> bool:
    if isinstance(request, StartEgressRequest):
        return any(out.HasField("stream") for out in request.outputs)
    return bool(getattr(request, "stream_outputs", None))


def _segments(request: Message) -> bool:
    if isinstance(request, StartEgressRequest):
        return any(out.HasField("segments") for out in request.outputs)
    return bool(getattr(request, "segment_outputs", None))


def _codec(request: Message) -> int:
    return int(request.advanced.audio_codec)  # type: ignore[attr-defined]
