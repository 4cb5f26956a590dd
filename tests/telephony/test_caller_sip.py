"""The caller reads and writes SIP as RFC 3261 and RFC 2617 have it; noise does not disturb it."""

import re

import pytest

from telephony.caller import sip

pytestmark = pytest.mark.unit

REQUEST = (
    b"BYE sip:caller@127.0.0.1:5070 SIP/2.0\r\n"
    b"v: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bKone\r\n"
    b"Via: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKtwo\r\n"
    b"f: <sip:bot@10.0.0.1>;tag=a\r\n"
    b"t: <sip:caller@10.0.0.9>;tag=b\r\n"
    b"i: one-call\r\n"
    b"CSeq: 7 BYE\r\n"
    b"m: <sip:bot@10.0.0.1:5060>\r\n"
    b"l: 0\r\n\r\n"
)


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"\r\n\r\n",
        b"\x00" * 40,
        b"\xff\xfe\xfd",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"SIP/2.0 2x0 OK\r\n\r\n",
        b"SIP/2.0 20\r\n\r\n",
        b"invite sip:a SIP/2.0\r\n\r\n",
        b"INVITE sip:a\r\n\r\n",
        b"INVITE  SIP/2.0\r\n\r\n",
    ],
)
def test_what_is_not_sip_is_none(noise):
    assert sip.parse(noise) is None


def test_compact_headers_have_their_long_names():
    message = sip.parse(REQUEST)
    assert message is not None
    assert (message.method, message.uri) == ("BYE", "sip:caller@127.0.0.1:5070")
    assert message.get("call-id") == "one-call"
    assert message.get("contact") == "<sip:bot@10.0.0.1:5060>"
    assert message.get("content-length") == "0"
    assert [via[-3:] for via in message.all("via")] == ["one", "two"]


def test_lines_which_are_no_headers_are_left_out_and_bad_letters_replaced():
    message = sip.parse(b"SIP/2.0 180\r\nno header here\r\nX-A : \xff\r\nEmpty:\r\n\r\n")
    assert message is not None
    assert message.status == 180
    assert message.headers == (("x-a", "\ufffd"), ("empty", ""))
    assert message.get("to") == ""


def test_what_is_rendered_is_read_back_with_its_length_in_bytes():
    data = sip.render("SIP/2.0 200 OK", [("To", "<sip:a@b>"), ("X", "1: 2")], "grüß\r\n")
    message = sip.parse(data)
    assert message is not None
    assert message.get("x") == "1: 2"
    assert message.body == "grüß\r\n"
    assert int(message.get("content-length")) == len("grüß\r\n".encode())


def test_an_answer_keeps_what_identifies_the_request():
    request = sip.parse(REQUEST)
    assert request is not None
    reply = sip.parse(sip.answer(request, 200, "OK", "mine"))
    assert reply is not None
    for name in ("from", "to", "call-id", "cseq"):
        assert reply.get(name) == request.get(name)
    assert reply.all("via") == request.all("via")


def test_an_answer_adds_our_tag_where_there_is_none():
    request = sip.parse(b"OPTIONS sip:a SIP/2.0\r\nTo: <sip:a@b>\r\n\r\n")
    assert request is not None
    assert b"To: <sip:a@b>;tag=mine\r\n" in sip.answer(request, 200, "OK", "mine")


def test_requests_of_a_dialog_follow_the_contact_and_the_route_reversed():
    dialog = sip.Dialog("sip:1@10.0.0.1:5060", "2", "127.0.0.1", 5070)
    before = sip.parse(dialog.request("INVITE", branch="b", cseq=1))
    ok = sip.parse(
        b"SIP/2.0 200 OK\r\nTo: <sip:1@10.0.0.1>;tag=far\r\n"
        b"Contact: <sip:bot@10.0.0.5:5080>;expires=1\r\n"
        b"Record-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>\r\n\r\n"
    )
    assert before is not None
    assert ok is not None
    dialog.establish(ok)
    after = sip.parse(dialog.request("BYE", branch="b", cseq=2))
    assert after is not None
    assert (before.uri, before.get("to")) == ("sip:1@10.0.0.1:5060", "<sip:1@10.0.0.1:5060>")
    assert (after.uri, after.get("to")) == ("sip:bot@10.0.0.5:5080", "<sip:1@10.0.0.1>;tag=far")
    assert after.all("route") == ["<sip:p2;lr>", "<sip:p1;lr>"]
    assert after.get("from") == before.get("from")
    assert after.get("call-id") == before.get("call-id")


def test_an_offer_names_its_own_audio_address():
    assert sip.media_address(sip.offer("127.0.0.1", 40_000)) == ("127.0.0.1", 40_000)


@pytest.mark.parametrize(
    "sdp",
    [
        "",
        "v=0\r\nc=IN IP4 127.0.0.1\r\nm=video 4000 RTP/AVP 96\r\n",
        "v=0\r\nm=audio 4000 RTP/AVP 0\r\n",
        "v=0\r\nc=IN IP6 ::1\r\nm=audio 4000 RTP/AVP 0\r\n",
        "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/SAVP 0\r\n",
    ],
)
def test_an_answer_without_an_audio_address_is_refused(sdp):
    with pytest.raises(sip.NoMedia, match="no audio address"):
        sip.media_address(sdp)


def test_an_answer_with_an_address_that_is_none_names_it():
    with pytest.raises(sip.NoMedia, match=r"'999\.0\.0\.1'"):
        sip.media_address("c=IN IP4 999.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n")


def test_an_answer_without_g711_is_refused():
    with pytest.raises(sip.NoMedia, match="does not accept"):
        sip.media_address("c=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 8 101\r\n")


def test_a_header_folded_over_two_lines_is_one():
    message = sip.parse(b"SIP/2.0 200 OK\r\nTo: <sip:a@b>\r\n ;tag=one\r\n\r\n")
    assert message is not None
    assert message.get("to") == "<sip:a@b> ;tag=one"


def test_a_port_of_zero_and_one_beyond_the_range_are_no_audio_address():
    for port in (0, 65_536, 999_999):
        with pytest.raises(sip.NoMedia, match="no audio address"):
            sip.media_address(f"c=IN IP4 127.0.0.1\r\nm=audio {port} RTP/AVP 0\r\n")


# The example of RFC 2617, section 3.5.
CHALLENGE = (
    'Digest realm="testrealm@host.com", qop="auth,auth-int", '
    'nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc069c403ebaf9f0171e9517f40e41"'
)


def example(challenge: str) -> dict[str, str]:
    value = sip.digest(
        challenge,
        method="GET",
        uri="/dir/index.html",
        username="Mufasa",
        password="Circle Of Life",
    )
    assert value.startswith("Digest ")
    return dict(re.findall(r'(\w+)="?([^",]+)', value))


def test_digest_is_that_of_rfc_2617(monkeypatch):
    monkeypatch.setattr("telephony.caller.sip.secrets.token_hex", lambda _: "0a4f113b")
    fields = example(CHALLENGE)
    assert fields["response"] == "6629fae49393a05397450978507c4ef1"
    assert fields["opaque"] == "5ccc069c403ebaf9f0171e9517f40e41"
    assert (fields["nc"], fields["qop"], fields["cnonce"]) == ("00000001", "auth", "0a4f113b")


def test_digest_without_qop_is_that_of_rfc_2069():
    fields = example(CHALLENGE.replace('qop="auth,auth-int", ', ""))
    # RFC 2069's formula, as erratum 749 corrects its example
    assert fields["response"] == "670fd8c2df070c60b045671b8b24ff02"
    assert "cnonce" not in fields
