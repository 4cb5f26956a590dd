"""What is on the wire between two of our own ends, and how both sides lie on one clock."""

import asyncio
import itertools
import struct
from contextlib import asynccontextmanager

import numpy as np
import pytest

from telephony.caller import audio
from telephony.caller.audio import FRAME, RATE
from telephony.caller.rtp import Audio, payload_of
from telephony.caller.timeline import Timeline
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
        end.stop()
        await task


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
    assert {(b[2] - a[2]) & 0xFFFF for a, b in itertools.pairwise(heads)} == {1}
    assert {(b[3] - a[3]) & 0xFFFFFFFF for a, b in itertools.pairwise(heads)} == {FRAME}
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
    async with (
        open_end(one) as here,
        open_end(other) as there,
        sending(one, there),
        sending(other, here),
    ):
        told = await one.play(np.concatenate([silence(200), tone(300)]))
        await asyncio.sleep(0.1)
    heard, sent = other.timeline.heard(), one.sent()
    first, told_first = (int(np.flatnonzero(pcm)[0]) for pcm in (heard, sent))
    assert told_first == round((told + 0.2 - one.begun) * RATE) + 1  # a sine begins with 0
    assert abs(other.begun + first / RATE - (told + 0.2)) < 0.06
    assert np.array_equal(heard[first:][:2399], sent[told_first:][:2399])


def packet(stamp: int, payload: bytes, *, kind: int = 0, first: int = 0x80) -> bytes:
    return struct.pack("!BBHII", first, kind, 1, stamp & 0xFFFFFFFF, 7) + payload


LOUD = audio.encode(tone(20))


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"\x80" * 11,
        packet(0, b""),
        packet(0, LOUD, kind=101),
        packet(0, LOUD, first=0x00),
        packet(0, b"\x00" * 8, first=0x8F),  # 15 CSRC entries, of which two came
        packet(0, b"\x00\x00\xff\xff", first=0x90),  # an extension longer than the packet
        packet(0, LOUD[:-1] + b"\xff", first=0xA0),  # more padding than packet
        b"SIP/2.0 200 OK\r\n\r\n",
    ],
)
def test_what_is_no_audio_of_ours_is_not_heard(noise):
    end = Audio()
    end.timeline.begin(1.0)
    end.datagram_received(noise, ("127.0.0.1", 1))
    assert len(end.timeline.heard()) == 0
    assert end.timeline.first_packet is None


@pytest.mark.parametrize(
    "wrapped",
    [
        packet(0, b"\x00" * 8 + LOUD, first=0x82),
        packet(0, b"\xbe\xde\x00\x01" + b"\x00" * 4 + LOUD, first=0x90),
        packet(0, LOUD + b"\x00\x00\x03", first=0xA0),
    ],
    ids=["csrc", "extension", "padding"],
)
def test_only_the_payload_of_a_packet_is_audio(wrapped):
    assert payload_of(wrapped) == LOUD


def hearing(*packets: tuple[float, int]) -> Timeline:
    """What was heard since 1 s from (arrival in s, timestamp)."""
    timeline = Timeline()
    timeline.begin(1.0)
    for arrival, stamp in packets:
        timeline.add(arrival, stamp & 0xFFFFFFFF, LOUD)
    return timeline


def loud(timeline: Timeline) -> list[bool]:
    return [bool(frame) for frame in audio.loud_frames(timeline.heard())]


def test_packets_lie_by_their_timestamps_not_by_their_jitter():
    base = 0xFFFFFFFF - 100  # it wraps
    timeline = hearing((1.0, base), (1.055, base + 2 * FRAME), (1.06, base + FRAME))
    assert np.array_equal(timeline.heard(), np.tile(audio.decode(LOUD), 3))


def test_a_lost_packet_leaves_silence():
    assert loud(hearing((1.0, 0), (1.04, 2 * FRAME))) == [True, False, True]


def test_timestamps_that_jump_are_heard_when_they_arrive():
    assert loud(hearing((1.0, 0), (1.2, 5_000_000))) == [True] + [False] * 9 + [True]


def test_a_packet_is_dated_by_its_own_arrival_also_out_of_order():
    timeline = hearing((1.0, 0), (1.055, 2 * FRAME), (1.06, FRAME))
    assert [timeline.arrival(n * FRAME) for n in range(3)] == [1.0, 1.06, 1.055]


def test_what_came_before_the_beginning_is_not_heard():
    timeline = Timeline()
    for number in range(4):
        timeline.add(0.96 + number * 0.02, number * FRAME, LOUD)
    timeline.begin(1.0)
    assert timeline.packets == 4
    assert loud(timeline) == [True, True]


def test_a_long_call_is_heard_to_its_end():
    timeline = hearing((1.0, 0), (301.0, 300 * RATE))
    assert len(timeline.heard()) == 300 * RATE + FRAME
    assert loud(timeline)[-1]
