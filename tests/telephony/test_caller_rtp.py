"""What is on the wire between two of our own ends, and how both sides lie on one clock."""

import asyncio
import struct
from contextlib import asynccontextmanager

import numpy as np
import pytest

from telephony.caller import audio
from telephony.caller.audio import FRAME, RATE
from telephony.caller.rtp import Audio
from tests.telephony.test_caller_audio import silence, tone

pytestmark = pytest.mark.unit


class Tap(asyncio.DatagramProtocol):
    """Keeps (head, payload) of each packet."""

    def __init__(self) -> None:
        self.packets: list[tuple[tuple[int, ...], bytes]] = []

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.packets.append((struct.unpack("!BBHII", data[:12]), data[12:]))


@asynccontextmanager
async def open_end(protocol):
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: protocol, local_addr=("127.0.0.1", 0)
    )
    try:
        yield transport.get_extra_info("sockname")
    finally:
        transport.close()


@asynccontextmanager
async def sending(end: Audio, peer: tuple[str, int]):
    task = asyncio.create_task(end.run(peer))
    await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def tapped():
    """One of our ends which sends, and what it sends."""
    end, tap = Audio(), Tap()
    async with open_end(end), open_end(tap) as peer, sending(end, peer):
        yield end, tap


async def test_audio_is_a_frame_of_160_bytes_with_rising_numbers(tapped):
    end, tap = tapped
    await end.play(tone(100))
    await asyncio.sleep(0.05)
    heads = [head for head, _ in tap.packets]
    assert {len(payload) for _, payload in tap.packets} == {FRAME}
    assert {head[0] for head in heads} == {0x80}
    assert [head[1] for head in heads[:2]] == [0x80, 0x00]  # the marker begins the stream
    assert {(b[2] - a[2]) & 0xFFFF for a, b in zip(heads, heads[1:], strict=False)} == {1}
    assert {(b[3] - a[3]) & 0xFFFFFFFF for a, b in zip(heads, heads[1:], strict=False)} == {FRAME}
    assert len({head[4] for head in heads}) == 1


async def test_a_digit_is_one_event_which_grows_and_ends_three_times(tapped):
    end, tap = tapped
    await end.press("5#")
    await asyncio.sleep(0.05)
    events = [(head, payload) for head, payload in tap.packets if head[1] & 0x7F == 101]
    for index, code in enumerate((5, 11)):
        seven = events[index * 7 : index * 7 + 7]
        bodies = [struct.unpack("!BBH", payload) for _, payload in seven]
        assert {body[0] for body in bodies} == {code}
        assert [body[1] for body in bodies] == [0x0A] * 4 + [0x8A] * 3
        assert [body[2] for body in bodies] == [160, 320, 480, 640, 800, 800, 800]
        assert len({head[3] for head, _ in seven}) == 1
        assert [head[1] >> 7 for head, _ in seven] == [1, 0, 0, 0, 0, 0, 0]
    assert len(events) == 14
    assert (events[7][0][3] - events[0][0][3]) & 0xFFFFFFFF == 10 * FRAME  # 100 ms pause


async def test_no_audio_is_sent_during_a_digit(tapped):
    end, tap = tapped
    await end.press("1")
    first, last = (
        next(i for i, (head, _) in enumerate(packets) if head[1] & 0x7F == 101)
        for packets in (tap.packets, tap.packets[::-1])
    )
    kinds = {head[1] & 0x7F for head, _ in tap.packets[first : len(tap.packets) - last]}
    assert kinds == {101}


async def test_a_key_no_telephone_has_is_named(tapped):
    end, _ = tapped
    with pytest.raises(ValueError, match="'x' is no key"):
        await end.press("1x")


async def test_what_one_end_says_the_other_hears_on_its_own_clock():
    one, other = Audio(), Audio()
    async with open_end(one) as here, open_end(other) as there:
        async with sending(one, there), sending(other, here):
            told = await one.play(np.concatenate([silence(200), tone(300)]))
            await asyncio.sleep(0.1)
    begins = audio.onset(other.heard())
    assert begins is not None
    at_ear = other.begun + begins / RATE
    assert abs(at_ear - (told + 0.2)) < 0.06
    assert audio.onset(one.sent()) == round((told + 0.2 - one.begun) * RATE)
    sent = one.sent()[audio.onset(one.sent()) :][: 300 * RATE // 1000]
    assert np.array_equal(other.heard()[begins : begins + len(sent)], sent)


def packet(stamp: int, payload: bytes, *, kind: int = 0, first: int = 0x80) -> bytes:
    return struct.pack("!BBHII", first, kind, 1, stamp & 0xFFFFFFFF, 7) + payload


LOUD = audio.encode(tone(20))


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"\x80" * 11,
        packet(0, LOUD, kind=101),
        packet(0, LOUD, first=0x00),
        b"SIP/2.0 200 OK\r\n\r\n",
    ],
)
async def test_what_is_no_audio_of_ours_is_not_heard(noise, monkeypatch):
    end = Audio()
    end.begun = 1.0
    monkeypatch.setattr("telephony.caller.rtp.time.monotonic", lambda: 1.0)
    end.datagram_received(noise, ("127.0.0.1", 1))
    assert len(end.heard()) == 0
    assert end.first_packet is None


@pytest.fixture
def clock(monkeypatch):
    """Time stands still until a test moves it: clock[0] is now (s)."""
    now = [1.0]
    monkeypatch.setattr("telephony.caller.rtp.time.monotonic", lambda: now[0])
    return now


def hearing(clock, *packets: tuple[float, int]) -> audio.Pcm:
    """What an end heard which began at 1 s and got (arrival in s, timestamp)."""
    end = Audio()
    end.begun = 1.0
    for arrival, stamp in packets:
        clock[0] = arrival
        end.datagram_received(packet(stamp, LOUD), ("127.0.0.1", 1))
    return end.heard()


def loud(pcm: audio.Pcm) -> list[bool]:
    return audio.loud_frames(pcm).tolist()


def test_packets_lie_by_their_timestamps_not_by_their_jitter(clock):
    base = 0xFFFFFFFF - 100  # it wraps
    heard = hearing(clock, (1.0, base), (1.055, base + 2 * FRAME), (1.06, base + FRAME))
    assert loud(heard) == [True, True, True]


def test_a_lost_packet_leaves_silence(clock):
    assert loud(hearing(clock, (1.0, 0), (1.04, 2 * FRAME))) == [True, False, True]


def test_timestamps_that_jump_are_heard_when_they_arrive(clock):
    heard = hearing(clock, (1.0, 0), (1.2, 5_000_000))
    assert loud(heard) == [True] + [False] * 9 + [True]


def test_csrc_entries_are_not_audio(clock):
    end = Audio()
    end.begun = 1.0
    end.datagram_received(packet(0, b"\x00" * 8 + LOUD, first=0x82), ("127.0.0.1", 1))
    assert np.array_equal(end.heard(), tone_back())


def tone_back() -> audio.Pcm:
    return audio.decode(LOUD)


def test_a_long_call_is_heard_to_its_end(clock):
    heard = hearing(clock, (1.0, 0), (301.0, 300 * RATE))
    assert len(heard) == 300 * RATE + FRAME
    assert loud(heard)[-1]
