"""What the real egress service can do of what a profile may ask for, and why not. Pure.

Measured with egress 1.14.0, except where it says “read”: then it is from its source. A choice it
refuses or fails at is refused in the form, before a call is lost by it; what can be made right
without changing what was asked for is made right (`audio_codec`).

| kind            | sound it has          | files           | channels   |
|-----------------|-----------------------|-----------------|------------|
| room            | of everybody          | OGG MP3 MP4 HLS | mixed, two |
| track composite | the caller's track    | OGG MP3 MP4 HLS | mixed      |
| track           | the caller's track    | OGG             | mixed      |
| participant     | the caller, + picture | MP4 HLS         | mixed      |
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    ROOM = "room"
    TRACK_COMPOSITE = "track_composite"
    TRACK = "track"
    PARTICIPANT = "participant"


class Format(StrEnum):
    OGG = "ogg"
    MP3 = "mp3"
    MP4 = "mp4"
    HLS = "hls"


CHROME, AAC = "chrome", "aac"  # what an egress service may have besides the rest
FEATURES = frozenset({CHROME, AAC})
CONTENT_TYPES = {
    Format.OGG: "audio/ogg",
    Format.MP3: "audio/mpeg",
    Format.MP4: "video/mp4",  # egress says so of sound alone as well
    Format.HLS: "application/vnd.apple.mpegurl",
}
EXTENSIONS = {Format.OGG: "ogg", Format.MP3: "mp3", Format.MP4: "mp4", Format.HLS: "m3u8"}
SOUND_ONLY = {Format.OGG, Format.MP3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    kind: Kind = Kind.ROOM
    video: bool = False
    two_channels: bool = True
    format: Format = Format.OGG
    rtmp: bool = False  # it is also sent live to RTMP addresses
    websocket: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    field: str  # of the form
    reason: str


def refusals(choice: Choice, *, features: frozenset[str] = frozenset()) -> list[Refusal]:
    """Why egress would not do this; empty if it does."""
    return [*_of_kind(choice, features), *_of_format(choice, features), *_of_live(choice, features)]


def audio_codec(fmt: Format) -> str:
    """The codec to ask for, or empty for the format's own.

    MP4's own is AAC by the element faac, which is often missing; Opus in MP4 works everywhere.
    """
    return "opus" if fmt is Format.MP4 else ""


def _of_kind(choice: Choice, features: frozenset[str]) -> Iterator[Refusal]:
    kind = choice.kind
    if kind is Kind.ROOM and choice.video and CHROME not in features:
        yield Refusal(
            "video",
            "A whole room with video is drawn by Chrome, which this egress service does not have: "
            "the start would be refused after 24 s. Record sound only, or run an egress with "
            "Chrome and PulseAudio and name “chrome” in EGRESS_FEATURES.",
        )
    if kind is Kind.TRACK and choice.video:
        yield Refusal(
            "video",
            "A track is either sound or picture, and the caller's sound is what is recorded. "
            "Choose sound only, or the kind “Track composite”.",
        )
    if kind is Kind.PARTICIPANT and not choice.video:
        yield Refusal(
            "video",
            "Egress of a participant always has a picture, a black one if there is none. "
            "Choose “with video”, or the kind “Track” for the caller's sound alone.",
        )
    if choice.two_channels and kind is not Kind.ROOM:
        yield Refusal(
            "channels",
            "Only the whole room has caller and agent to put into two channels. "
            "Choose mixed, or the kind “Whole room”.",
        )
    if choice.two_channels and kind is Kind.ROOM and choice.video:
        yield Refusal(
            "channels",
            "With a layout the service mixes both sides and ignores the channels. "
            "Choose mixed, or sound only.",
        )


def _of_format(choice: Choice, features: frozenset[str]) -> Iterator[Refusal]:
    if choice.kind is Kind.TRACK and choice.format is not Format.OGG:
        yield Refusal("format", "A track is written as it comes, which is Opus. Choose OGG.")
    elif choice.format in SOUND_ONLY and (
        choice.kind is Kind.PARTICIPANT or (choice.video and choice.kind is not Kind.TRACK)
    ):
        yield Refusal(
            "format",
            f"{choice.format.upper()} holds no picture: egress refuses it with “no supported codec "
            f"is compatible with all outputs”. Choose MP4, or sound only.",
        )
    elif choice.format is Format.HLS and AAC not in features:
        yield Refusal("format", _needs_aac("HLS"))


def _of_live(choice: Choice, features: frozenset[str]) -> Iterator[Refusal]:
    if choice.websocket and choice.kind is not Kind.TRACK:
        yield Refusal(
            "websocket",
            "Egress sends only a track to a WebSocket. Choose the kind “Track”, or RTMP.",
        )
    if choice.rtmp and choice.kind is Kind.TRACK:
        yield Refusal("rtmp", "Egress sends no track to RTMP. Choose another kind, or a WebSocket.")
    elif choice.rtmp and AAC not in features:
        yield Refusal("rtmp", _needs_aac("RTMP"))
    elif choice.rtmp and choice.format in {Format.OGG, Format.MP3, Format.MP4}:
        yield Refusal(
            "format",
            f"One egress has one codec: RTMP needs AAC, the {choice.format.upper()} file "
            f"{'MP3' if choice.format is Format.MP3 else 'Opus'}. Choose HLS for the recording.",
        )


def _needs_aac(what: str) -> str:
    return (
        f"{what} needs AAC by the GStreamer element faac. Without it the recording fails and takes "
        f"the whole egress service with it. Run an egress which has faac and name “aac” in "
        f"EGRESS_FEATURES, or choose another."
    )
