"""What egress refuses or fails at is known before a call is lost by it."""

import itertools
from datetime import UTC, datetime

import pytest

from recordings import layout
from recordings.choices import AAC, CHROME, FEATURES, Choice, Format, Kind, audio_codec, refusals

pytestmark = pytest.mark.unit

K, F = Kind, Format
# kind, video, two channels, format, live → the fields which are refused; none: it is recorded
TABLE = [
    (K.ROOM, False, True, F.OGG, "", []),  # the default
    (K.ROOM, False, False, F.OGG, "", []),
    (K.ROOM, False, False, F.MP3, "", []),
    (K.ROOM, False, True, F.MP3, "", []),
    (K.ROOM, False, True, F.MP4, "", []),  # made right: with Opus
    (K.ROOM, False, True, F.HLS, "", ["format"]),
    (K.ROOM, True, False, F.MP4, "", ["video"]),
    (K.ROOM, True, True, F.OGG, "", ["video", "channels", "format"]),
    (K.ROOM, False, True, F.OGG, "rtmp", ["rtmp"]),
    (K.ROOM, False, True, F.OGG, "websocket", ["websocket"]),
    (K.TRACK_COMPOSITE, False, False, F.OGG, "", []),
    (K.TRACK_COMPOSITE, True, False, F.MP4, "", []),
    (K.TRACK_COMPOSITE, True, False, F.OGG, "", ["format"]),
    (K.TRACK_COMPOSITE, False, True, F.OGG, "", ["channels"]),
    (K.TRACK_COMPOSITE, False, False, F.OGG, "websocket", ["websocket"]),
    (K.TRACK, False, False, F.OGG, "", []),
    (K.TRACK, False, False, F.OGG, "websocket", []),
    (K.TRACK, False, False, F.OGG, "rtmp", ["rtmp"]),
    (K.TRACK, False, False, F.MP4, "", ["format"]),
    (K.TRACK, True, False, F.OGG, "", ["video"]),
    (K.TRACK, False, True, F.OGG, "", ["channels"]),
    (K.PARTICIPANT, True, False, F.MP4, "", []),
    (K.PARTICIPANT, False, False, F.OGG, "", ["video", "format"]),
    (K.PARTICIPANT, True, False, F.OGG, "", ["format"]),
    (K.PARTICIPANT, True, True, F.MP4, "", ["channels"]),
]


def choice(kind, video, two, fmt, live) -> Choice:
    return Choice(
        kind=kind, video=video, two_channels=two, format=fmt,
        rtmp=live == "rtmp", websocket=live == "websocket",
    )  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=lambda row: " ".join(str(each) for each in row[:5]))
def test_what_the_plain_service_does_and_refuses(row):
    *asked, fields = row
    assert [refusal.field for refusal in refusals(choice(*asked))] == fields


@pytest.mark.parametrize(
    ("asked", "features"),
    [
        ((K.ROOM, True, False, F.MP4, ""), {CHROME}),
        ((K.ROOM, False, True, F.HLS, ""), {AAC}),
        ((K.ROOM, False, True, F.HLS, "rtmp"), {AAC}),
        ((K.ROOM, True, False, F.HLS, "rtmp"), {AAC, CHROME}),
    ],
)
def test_what_an_egress_with_more_in_it_does(asked, features):
    assert refusals(choice(*asked), features=frozenset(features)) == []


@pytest.mark.parametrize("fmt", [F.OGG, F.MP3, F.MP4])
def test_rtmp_and_a_file_of_another_codec_do_not_go_together(fmt):
    found = refusals(choice(K.ROOM, False, True, fmt, "rtmp"), features=FEATURES)
    assert [refusal.field for refusal in found] == ["format"]
    assert "HLS" in found[0].reason


def test_every_refusal_says_what_to_do():
    for row in itertools.product(K, (False, True), (False, True), F, ("", "rtmp", "websocket")):
        for refusal in refusals(choice(*row)):
            assert any(word in refusal.reason for word in ("Choose", "Record", "Run")), refusal
            assert refusal.reason.endswith(".")


def test_mp4_is_asked_for_with_opus_and_the_rest_with_its_own_codec():
    assert {fmt: audio_codec(fmt) for fmt in F} == {
        F.OGG: "", F.MP3: "", F.MP4: "opus", F.HLS: "",
    }  # fmt: skip


# --- names in the store -------------------------------------------------------------------------

AT = datetime(2026, 3, 7, 5, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("template", "name"),
    [
        (layout.DEFAULT, "shop/2026/03/07/call_1_abc.ogg"),
        ("audio/{project}/{call}", "audio/shop/call_1_abc.ogg"),
        ("{yyyy}-{mm}-{dd}T{hh}/{project}_{call}", "2026-03-07T05/shop_call_1_abc.ogg"),
    ],
)
def test_a_template_makes_the_name(template, name):
    assert layout.fault(template) == ""
    made = layout.key(template, project="shop", at=AT, call="call_1_abc", extension="ogg")
    assert made == name


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{project}/{yyyy}", "{call}"),
        ("{caller}/{call}", "“{caller}” means nothing"),
        ("{}/{call}", "“{}” means nothing"),
        ("/{call}", "neither begins"),
        ("a//{call}", "neither begins"),
        ("../{call}", "neither begins"),
        ("{call}/", "neither begins"),
        ("a b/{call}", "Write letters"),
        ("{project/{call}", "Write letters"),
        ("{call}?x=1", "Write letters"),
        ("", "{call}"),
    ],
)
def test_a_template_which_cannot_be_used_is_refused_with_the_reason(template, words):
    assert words in layout.fault(template)


def test_a_call_whose_name_looks_like_a_template_stays_as_it_is():
    made = layout.key("{call}", project="p", at=AT, call="call_{dd}_x", extension="ogg")
    assert made == "call_{dd}_x.ogg"


def test_other_parts_lie_beside_the_first():
    assert layout.beside("a.b/c.ogg", "2") == "a.b/c-2.ogg"
