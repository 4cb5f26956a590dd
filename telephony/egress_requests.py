"""What we want of egress as LiveKit's messages. Pure.

Two channels are asked for by the newer request, by kind of participant: caller left, agent right.
The older one's own dual channel puts the agent left. Everything else is asked for in the older
requests, each of which was run against the real service (guide, `egress.md` §2).
"""

import re

from livekit.protocol import egress
from livekit.protocol.egress import (
    AudioConfig,
    AudioRoute,
    DirectFileOutput,
    EncodedFileOutput,
    EncodedFileType,
    EncodingOptions,
    FileOutput,
    MediaSource,
    Output,
    ParticipantEgressRequest,
    RoomCompositeEgressRequest,
    S3Upload,
    SegmentedFileOutput,
    SegmentedFileProtocol,
    StartEgressRequest,
    StorageConfig,
    StreamOutput,
    StreamProtocol,
    TrackCompositeEgressRequest,
    TrackEgressRequest,
)
from livekit.protocol.models import AudioCodec, ParticipantInfo

from telephony.live import CallerTracks, EgressWish, StoreAccess

Request = (
    StartEgressRequest
    | RoomCompositeEgressRequest
    | TrackCompositeEgressRequest
    | TrackEgressRequest
    | ParticipantEgressRequest
)
Older = RoomCompositeEgressRequest | TrackCompositeEgressRequest | ParticipantEgressRequest
SEGMENT_S = 6
_ADDRESS = re.compile(r"\b((?:rtmps?|wss?|srt|mux|twitch)://)(?:[^/\s@]*@)?([^/\s?#]*)[^\s,;\"']*")


def needs_caller(wish: EgressWish) -> bool:
    """Whether it is about the caller alone, who has to be looked up first."""
    return wish.kind != "room"


def request(wish: EgressWish, caller: CallerTracks) -> Request:
    if wish.kind == "track":
        return _track(wish, caller)
    if wish.kind == "track_composite":
        return _with_outputs(
            TrackCompositeEgressRequest(
                room_name=wish.room,
                audio_track_id=caller.audio,
                video_track_id=caller.video if wish.video else "",
            ),
            wish,
        )
    if wish.kind == "participant":
        return _with_outputs(
            ParticipantEgressRequest(room_name=wish.room, identity=caller.identity), wish
        )
    if wish.two_channels:
        return _by_kind(wish)
    return _with_outputs(
        RoomCompositeEgressRequest(
            # a layout, even with sound only, would ask for Chrome
            room_name=wish.room, audio_only=not wish.video, layout="grid" if wish.video else "",
        ),
        wish,
    )  # fmt: skip


def without_addresses(text: str) -> str:
    """Stream addresses end in their key: what egress says of them is cut to the host."""
    return _ADDRESS.sub(r"\1\2/…", text)


def _by_kind(wish: EgressWish) -> StartEgressRequest:
    kinds = ParticipantInfo.Kind
    routes = [
        AudioRoute(participant_kind=kinds.SIP, channel=egress.AUDIO_CHANNEL_LEFT),
        AudioRoute(participant_kind=kinds.AGENT, channel=egress.AUDIO_CHANNEL_RIGHT),
    ]
    made = StartEgressRequest(
        room_name=wish.room, media=MediaSource(audio=AudioConfig(routes=routes))
    )
    if wish.format == "hls":
        made.outputs.append(Output(segments=_segments(wish)))
    else:
        file = FileOutput(
            file_type=_file_type(wish), filepath=wish.object_key, disable_manifest=True
        )
        made.outputs.append(Output(file=file))
    if wish.rtmp_urls:
        made.outputs.append(Output(stream=_stream(wish)))
    if wish.store:
        made.storage.CopyFrom(StorageConfig(s3=_s3(wish.store)))
    if wish.audio_codec:
        made.advanced.CopyFrom(_codec(wish))
    return made


def _track(wish: EgressWish, caller: CallerTracks) -> TrackEgressRequest:
    """A file or a WebSocket: one egress has one of them."""
    made = TrackEgressRequest(room_name=wish.room, track_id=caller.audio)
    if wish.websocket_url:
        made.websocket_url = wish.websocket_url
        return made
    made.file.CopyFrom(DirectFileOutput(filepath=wish.object_key, disable_manifest=True))
    if wish.store:
        made.file.s3.CopyFrom(_s3(wish.store))
    return made


def _with_outputs(made: Older, wish: EgressWish) -> Older:
    if wish.format == "hls":
        made.segment_outputs.append(_segments(wish))
        output: EncodedFileOutput | SegmentedFileOutput = made.segment_outputs[0]
    else:
        made.file_outputs.append(
            EncodedFileOutput(
                file_type=_file_type(wish), filepath=wish.object_key, disable_manifest=True
            )
        )
        output = made.file_outputs[0]
    if wish.store:
        output.s3.CopyFrom(_s3(wish.store))
    if wish.rtmp_urls:
        made.stream_outputs.append(_stream(wish))
    if wish.audio_codec:
        made.advanced.CopyFrom(_codec(wish))
    return made


def _file_type(wish: EgressWish) -> "EncodedFileType":
    return {
        "ogg": EncodedFileType.OGG, "mp3": EncodedFileType.MP3, "mp4": EncodedFileType.MP4,
    }[wish.format]  # fmt: skip


def _segments(wish: EgressWish) -> SegmentedFileOutput:
    """The pieces lie beside the list which names them."""
    return SegmentedFileOutput(
        protocol=SegmentedFileProtocol.HLS_PROTOCOL,
        filename_prefix=wish.object_key.removesuffix(".m3u8"),
        playlist_name=wish.object_key.rpartition("/")[2],
        segment_duration=SEGMENT_S,
        disable_manifest=True,
    )


def _stream(wish: EgressWish) -> StreamOutput:
    return StreamOutput(protocol=StreamProtocol.RTMP, urls=wish.rtmp_urls)


def _codec(wish: EgressWish) -> EncodingOptions:
    return EncodingOptions(audio_codec=AudioCodec.OPUS)


def _s3(store: StoreAccess) -> S3Upload:
    return S3Upload(
        access_key=store.access_key,
        secret=store.secret,
        assume_role_arn=store.role_arn,
        region=store.region,
        endpoint=store.endpoint,
        bucket=store.bucket,
        force_path_style=store.path_style,
    )
