"""The caller's life of a call against a telephone on the loopback, over real sockets."""

import asyncio

import numpy as np
import pytest

from telephony.caller import audio, leg
from telephony.caller.call import Call, CallFailed
from tests.fakes.uas import Telephone
from tests.telephony.test_caller_audio import silence, tone

pytestmark = pytest.mark.unit


async def test_a_call_is_answered_talks_and_ends_with_one_bye():
    async with Telephone() as phone:
        async with Call(phone.uri) as call:
            await call.answered(10)
            ended = await call.say(np.concatenate([silence(100), tone(300)]))
            assert await call.quiet(100, 10)
            echo = call.first_speech_after(call.times["answered"])
            await call.hang_up()
            await call.hang_up()
        await phone.wait_for("ACK")
        assert len(phone.seen("BYE")) == 1
    assert echo is not None
    assert abs(echo - (ended - 0.3)) < 0.1
    order = [call.times[name] for name in ("invite", "trying", "ringing", "answered", "ended")]
    assert order[:2] == sorted(order[:2])
    assert order == sorted(order)
    assert call.ended_by == "us"
    assert call.seconds > 0


async def test_digits_arrive_at_the_other_side():
    async with Telephone() as phone, Call(phone.uri) as call:
        await call.answered(10)
        await call.press("12")
        await asyncio.sleep(0.05)
        codes = [packet[12] for packet in phone.echo.packets if packet[1] & 0x7F == 101]
    assert codes == [1] * 7 + [2] * 7


async def test_both_sides_are_saved_on_one_clock(tmp_path):
    heard = np.concatenate([silence(200), tone(400)])
    async with Telephone(tone=heard) as phone, Call(phone.uri) as call:
        await call.answered(10)
        await call.say(tone(200, hz=1000))
        assert await call.quiet(100, 10)
        call.save(tmp_path / "both.wav")
    samples, _ = audio.read_wav(tmp_path / "both.wav")
    left, right = audio.onset(samples[0::2]), audio.onset(samples[1::2])
    assert left is not None
    assert right is not None
    assert left < 100 * 8
    assert 150 * 8 < right < 350 * 8


async def test_a_refusal_carries_its_status_and_is_acknowledged():
    async with Telephone(refuse=(486, "Busy Here")) as phone:
        async with Call(phone.uri) as call:
            with pytest.raises(CallFailed, match="486 Busy Here") as failure:
                await call.answered(10)
        await phone.wait_for("ACK")
        assert phone.seen("BYE") == phone.seen("CANCEL") == []
    assert failure.value.status == 486
    assert call.times["refused"] >= call.times["invite"]
    assert call.ended.is_set()


async def test_hanging_up_while_it_rings_cancels():
    async with Telephone(picks_up=False) as phone:
        async with Call(phone.uri) as call:
            with pytest.raises(CallFailed) as failure:
                await call.answered(0.3)
            await call.hang_up()
            with pytest.raises(CallFailed) as final:
                await call.answered(10)
        invite, cancel = phone.seen("INVITE")[0], phone.seen("CANCEL")[0]
        ack = await phone.wait_for("ACK")
        assert phone.seen("BYE") == []
    assert (failure.value.status, final.value.status) == (0, 487)
    assert cancel.get("via") == invite.get("via") == ack.get("via")
    assert cancel.cseq == (invite.cseq[0], "CANCEL")
    assert call.ended_by == "us"


async def test_an_answer_that_crosses_the_cancel_is_hung_up():
    async with Telephone(picks_up=False) as phone:
        async with Call(phone.uri) as call:
            invite = await phone.wait_for("INVITE")
            hanging_up = asyncio.create_task(call.hang_up())
            await asyncio.sleep(0)
            phone._pick_up(invite)
            await hanging_up
        await phone.wait_for("BYE")


async def test_the_other_side_hangs_up():
    async with Telephone() as phone:
        async with Call(phone.uri) as call:
            await call.answered(10)
            phone.hang_up()
            await asyncio.wait_for(call.ended.wait(), 10)
            assert not await call.quiet(100, 10)
        assert phone.seen("BYE") == []
    assert call.ended_by == "them"


async def test_nobody_there_is_no_answer(monkeypatch):
    monkeypatch.setattr(leg, "_GOODBYE_S", 0.3)  # nobody is there to take our leave of
    async with Telephone(silent=True) as phone:
        call = Call(phone.uri)
        async with call:
            with pytest.raises(CallFailed, match=r"no answer within 0\.2 s") as failure:
                await call.answered(0.2)
    assert failure.value.status == 0
    assert call.ended.is_set()


async def test_a_lost_invite_is_sent_again():
    async with Telephone(deaf_for=1) as phone, Call(phone.uri) as call:
        await call.answered(10)
        assert len(phone.seen("INVITE")) == 1
    assert call.times["answered"] - call.times["invite"] >= 0.4  # timer A


async def test_a_challenge_is_answered_once_with_the_password():
    async with Telephone(password="secret") as phone:
        async with Call(phone.uri, username="shop", password="secret") as call:
            await call.answered(10)
        first, second = phone.seen("INVITE")
    assert first.get("call-id") == second.get("call-id")
    assert second.cseq == (2, "INVITE")
    assert first.get("via") != second.get("via")


@pytest.mark.parametrize("username", ["", "shop"])
async def test_without_the_right_password_the_call_fails(username):
    async with Telephone(password="secret") as phone:
        async with Call(phone.uri, username=username, password="wrong") as call:
            with pytest.raises(CallFailed) as failure:
                await call.answered(10)
        assert len(phone.seen("INVITE")) == (2 if username else 1)
    assert failure.value.status == 407


async def test_an_answer_without_audio_fails_and_is_hung_up():
    async with Telephone(sdp="v=0\r\nc=IN IP4 127.0.0.1\r\n") as phone:
        async with Call(phone.uri) as call:
            with pytest.raises(CallFailed, match="no audio address"):
                await call.answered(10)
        await phone.wait_for("BYE")


@pytest.mark.parametrize(
    "noise",
    [
        b"\x00\x01",
        b"SIP/2.0 486 Busy Here\r\nCall-ID: another\r\nCSeq: 1 INVITE\r\n\r\n",
        b"SIP/2.0 486 Busy Here\r\nCall-ID: {}\r\nCSeq: one INVITE\r\n\r\n",
        b"SIP/2.0 486 Busy Here\r\nCall-ID: {}\r\nCSeq: 9 INVITE\r\n\r\n",
        b"SIP/2.0 486 Busy Here\r\nCall-ID: {}\r\n\r\n",
        b"BYE sip:a SIP/2.0\r\nCall-ID: another\r\n\r\n",
    ],
)
async def test_what_does_not_belong_to_the_call_does_not_end_it(noise):
    async with Telephone() as phone, Call(phone.uri) as call:
        await call.answered(10)
        own = phone.seen("INVITE")[0].get("call-id").encode()
        phone._line.sendto(noise.replace(b"{}", own), phone._caller)
        await call.say(tone(60))
        assert not call.ended.is_set()


@pytest.mark.parametrize("target", ["", "+12025550100", "sip:host", "sip:a@b;x=1", "sip:a@b:x"])
async def test_a_target_that_is_no_sip_address_is_named(target):
    with pytest.raises(ValueError, match="is no SIP address"):
        Call(target)
