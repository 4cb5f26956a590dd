"""What we ask of egress, message by message."""

import pytest
from livekit.protocol.egress import (
    AUDIO_CHANNEL_LEFT,
    AUDIO_CHANNEL_RIGHT,
    EgressInfo,
    EncodedFileType,
    ParticipantEgressRequest,
    RoomCompositeEgressRequest,
    SegmentedFileProtocol,
    StartEgressRequest,
    StreamProtocol,
    TrackCompositeEgressRequest,
    TrackEgressRequest,
)
from livekit.protocol.models import AudioCodec, ParticipantInfo, TrackInfo, TrackType

from telephony import translate
from telephony.egress_requests import request, without_addresses
from telephony.live import CallerTracks, EgressWish, StoreAccess

pytestmark = pytest.mark.unit

CALLER = CallerTracks(identity="sip_1", audio="TR_sound", video="TR_picture")
KEY = "shop/2026/11/21/call_1.ogg"
STORE = StoreAccess(
    bucket="far", endpoint="https://s3.example.org", region="eu-1", path_style=False,
    access_key="AK", secret="the-secret", role_arn="arn:aws:iam::1:role/egress",
)  # fmt: skip


def asked(**wish):
    return request(EgressWish(**({"room": "call_1", "object_key": KEY} | wish)), CALLER)


def test_two_channels_are_caller_left_and_agent_right_by_kind():
    made = asked()
    assert isinstance(made, StartEgressRequest)
    kinds = ParticipantInfo.Kind
    assert [(r.participant_kind, r.channel) for r in made.media.audio.routes] == [
        (kinds.SIP, AUDIO_CHANNEL_LEFT), (kinds.AGENT, AUDIO_CHANNEL_RIGHT),
    ]  # fmt: skip
    [output] = made.outputs
    assert (output.file.filepath, output.file.file_type) == (KEY, EncodedFileType.OGG)
    assert output.file.disable_manifest
    assert not made.HasField("storage")


def test_mixed_sound_of_a_room_asks_for_no_layout_which_would_need_chrome():
    made = asked(two_channels=False, format="mp3")
    assert isinstance(made, RoomCompositeEgressRequest)
    assert (made.audio_only, made.layout) == (True, "")
    assert made.file_outputs[0].file_type == EncodedFileType.MP3


def test_a_room_with_video_has_a_layout():
    made = asked(two_channels=False, video=True, format="mp4", audio_codec="opus")
    assert (made.audio_only, made.layout) == (False, "grid")


@pytest.mark.parametrize("kind", ["room", "track_composite", "participant"])
@pytest.mark.parametrize("two", [True, False])
def test_mp4_is_asked_for_with_opus(kind, two):
    made = asked(kind=kind, two_channels=two and kind == "room", format="mp4", audio_codec="opus")
    assert made.advanced.audio_codec == AudioCodec.OPUS


def test_a_track_composite_names_the_callers_tracks():
    made = asked(kind="track_composite", two_channels=False)
    assert isinstance(made, TrackCompositeEgressRequest)
    assert (made.audio_track_id, made.video_track_id) == ("TR_sound", "")
    made = asked(kind="track_composite", two_channels=False, video=True, format="mp4")
    assert made.video_track_id == "TR_picture"


def test_a_track_goes_to_a_file_or_to_a_websocket():
    made = asked(kind="track", two_channels=False)
    assert isinstance(made, TrackEgressRequest)
    assert (made.track_id, made.file.filepath, made.websocket_url) == ("TR_sound", KEY, "")
    live = asked(kind="track", object_key="", websocket_url="wss://live.example.org/x")
    assert live.websocket_url == "wss://live.example.org/x"
    assert live.WhichOneof("output") == "websocket_url"


def test_a_participant_is_named():
    made = asked(kind="participant", two_channels=False, video=True, format="mp4")
    assert isinstance(made, ParticipantEgressRequest)
    assert made.identity == "sip_1"


@pytest.mark.parametrize("two", [True, False])
def test_hls_has_its_list_where_the_recording_is_and_its_pieces_beside_it(two):
    made = asked(two_channels=two, format="hls", object_key="shop/call_1.m3u8")
    pieces = made.outputs[0].segments if two else made.segment_outputs[0]
    assert (pieces.filename_prefix, pieces.playlist_name) == ("shop/call_1", "call_1.m3u8")
    assert pieces.protocol == SegmentedFileProtocol.HLS_PROTOCOL


def test_live_rtmp_is_an_output_beside_the_file():
    address = "rtmp://live.example.org/app/key"
    made = asked(format="hls", object_key="a.m3u8", rtmp_urls=(address,))
    assert made.outputs[1].stream.urls == [address]
    assert made.outputs[1].stream.protocol == StreamProtocol.RTMP
    older = asked(two_channels=False, format="hls", object_key="a.m3u8", rtmp_urls=(address,))
    assert older.stream_outputs[0].urls == [address]


WISHES = [
    {}, {"two_channels": False}, {"kind": "track", "two_channels": False},
    {"kind": "track_composite", "two_channels": False},
    {"kind": "participant", "two_channels": False, "video": True, "format": "mp4"},
    {"format": "hls", "object_key": "a/b.m3u8"},
    {"format": "hls", "object_key": "a/b.m3u8", "two_channels": False},
]  # fmt: skip


def s3_of(made):
    if isinstance(made, StartEgressRequest):
        return made.storage.s3
    if isinstance(made, TrackEgressRequest):
        return made.file.s3
    return (made.file_outputs or made.segment_outputs)[0].s3


@pytest.mark.parametrize("wish", WISHES, ids=str)
def test_keys_travel_only_if_the_store_is_not_the_one_egress_has(wish):
    assert s3_of(asked(**wish)).secret == ""
    told = s3_of(asked(**wish, store=STORE))
    assert (told.bucket, told.endpoint, told.region) == ("far", "https://s3.example.org", "eu-1")
    assert (told.access_key, told.secret, told.force_path_style) == ("AK", "the-secret", False)
    assert told.assume_role_arn == "arn:aws:iam::1:role/egress"


@pytest.mark.parametrize("wish", WISHES, ids=str)
def test_the_object_we_asked_for_is_read_back_from_what_livekit_lists(wish):
    made = asked(**wish)
    name = {
        StartEgressRequest: "egress", RoomCompositeEgressRequest: "room_composite",
        TrackCompositeEgressRequest: "track_composite", TrackEgressRequest: "track",
        ParticipantEgressRequest: "participant",
    }[type(made)]  # fmt: skip
    info = EgressInfo(egress_id="EG_1", **{name: made})
    info.file_results.add(filename="/backup/elsewhere.ogg", location="https://wrong.invalid/x")
    assert translate.live_egress(info).object_key == wish.get("object_key", KEY)


def test_the_caller_is_who_came_by_telephone():
    agent = ParticipantInfo(identity="agent", kind=ParticipantInfo.Kind.AGENT)
    agent.tracks.append(TrackInfo(sid="TR_agent", type=TrackType.AUDIO))
    sip = ParticipantInfo(identity="sip_1", kind=ParticipantInfo.Kind.SIP)
    assert translate.caller_tracks([agent]) == CallerTracks()
    assert translate.caller_tracks([agent, sip]) == CallerTracks(identity="sip_1")
    sip.tracks.append(TrackInfo(sid="TR_caller", type=TrackType.AUDIO))
    found = translate.caller_tracks([agent, sip])
    assert (found.identity, found.audio, found.video) == ("sip_1", "TR_caller", "")


# --- what must be in no message -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("invalid url: rtmp://a.example/app/KEY", "invalid url: rtmp://a.example/…"),
        ("(rtmps://me:KEY@a.example:443/x?k=KEY) failed", "(rtmps://a.example:443/… failed"),
        ("wss://a.example?token=KEY", "wss://a.example/…"),
        ("nothing of the kind", "nothing of the kind"),
    ],
)
def test_a_live_address_is_cut_to_its_host(text, shown):
    assert without_addresses(text) == shown
    assert "KEY" not in without_addresses(text)


def test_what_egress_says_of_a_live_address_is_cut_too():
    info = EgressInfo(egress_id="EG_1", error="could not reach rtmp://a.example/app/KEY")
    assert translate.live_egress(info).error == "could not reach rtmp://a.example/…"


def test_a_wish_shows_neither_keys_nor_addresses():
    wish = EgressWish(
        room="r", store=STORE, rtmp_urls=("rtmp://a/KEY",), websocket_url="wss://a/KEY"
    )
    assert "KEY" not in repr(wish)
    assert "the-secret" not in repr(wish)
    assert wish.secrets == ("rtmp://a/KEY", "wss://a/KEY", "the-secret")
