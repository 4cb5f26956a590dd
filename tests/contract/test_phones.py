"""Phones of others at the real livekit-sip: UDP, TCP, TLS, with SRTP and without.

A participant in the room plays a tone and listens; the phone does the same from the other end.
"""

import asyncio
import threading
import wave
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from livekit import api, rtc

from tests.contract.servers import MediaPlane, free_port, media_plane, self_signed
from tests.e2e.stack import eventually
from tests.phones import Line, baresip, linphone, pitch

pytestmark = [pytest.mark.contract, pytest.mark.timeout(120)]

ROOM, OPEN, SECURE = "phones", "+12025550300", "+12025550301"
HERS, HIS = 440, 1000  # Hz: the room's tone, the phone's
PHONES = {"baresip": baresip, "linphone": linphone}


@dataclass
class Tls:
    port: int
    certificate: Path


@dataclass
class Plane:
    media: MediaPlane
    tls: Tls
    tone: Path
    heard: list[np.ndarray] = field(default_factory=list)  # 16 kHz, what the phone said
    listening: set[str] = field(default_factory=set)  # tracks of phones which are in the call


@pytest.fixture(scope="module")
def plane(tmp_path_factory) -> Iterator[Plane]:
    folder = tmp_path_factory.mktemp("phones")
    key, certificate = self_signed(folder)
    tls = Tls(free_port(), certificate)
    certs = [{"cert_file": str(certificate), "key_file": str(key)}]
    more = {"tls": {"port": tls.port, "port_listen": tls.port, "certs": certs}}
    with media_plane(folder, sip=True, sip_more=more) as media:
        plane = Plane(media, tls, tone(folder / "tone.wav"))
        asyncio.run(make_rules(media))
        with talker(plane):
            yield plane


def tone(path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(sine(HIS, 8000, 8).tobytes())
    return path


def sine(hz: int, rate: int, seconds: float) -> np.ndarray:
    moments = np.arange(int(rate * seconds)) / rate
    return (8000 * np.sin(2 * np.pi * hz * moments)).astype(np.int16)


async def make_rules(media: MediaPlane) -> None:
    async with api.LiveKitAPI(media.url, media.key, media.secret) as lk:
        ids = []
        for number, wish in ((OPEN, "ALLOW"), (SECURE, "REQUIRE")):
            trunk = api.SIPInboundTrunkInfo(
                name=wish, numbers=[number], allowed_addresses=["127.0.0.1/32", "198.18.0.1/32"],
                media_encryption=f"SIP_MEDIA_ENCRYPT_{wish}",
            )  # fmt: skip
            made = await lk.sip.create_inbound_trunk(api.CreateSIPInboundTrunkRequest(trunk=trunk))
            ids.append(made.sip_trunk_id)
        direct = api.SIPDispatchRuleDirect(room_name=ROOM)
        rule = api.SIPDispatchRuleInfo(
            trunk_ids=ids, rule=api.SIPDispatchRule(dispatch_rule_direct=direct)
        )
        await lk.sip.create_dispatch_rule(api.CreateSIPDispatchRuleRequest(dispatch_rule=rule))


class talker:
    """Somebody in the room, in a thread with a loop of its own."""

    def __init__(self, plane: Plane) -> None:
        self._plane, self._there, self._stop = plane, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._talk()))

    def __enter__(self) -> None:
        self._thread.start()
        assert self._there.wait(20)

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join(20)

    async def _talk(self) -> None:
        media, room = self._plane.media, rtc.Room()
        grants = api.VideoGrants(room_join=True, room=ROOM)
        token = api.AccessToken(media.key, media.secret).with_identity("talker").with_grants(grants)
        tasks: dict[str, asyncio.Task[None]] = {}

        def begin(track: rtc.Track, *_: object) -> None:
            self._plane.listening.add(track.sid)
            tasks[track.sid] = self._listen(track)

        def end(track: rtc.Track, *_: object) -> None:
            tasks.pop(track.sid).cancel()
            self._plane.listening.discard(track.sid)

        room.on("track_subscribed", begin)
        room.on("track_unsubscribed", end)
        await room.connect(media.url, token.to_jwt())
        source = rtc.AudioSource(48000, 1)
        track = rtc.LocalAudioTrack.create_audio_track("tone", source)
        await room.local_participant.publish_track(track)
        self._there.set()
        samples = sine(HERS, 48000, 1)
        at = 0
        while not self._stop.is_set():
            piece = np.take(samples, range(at, at + 480), mode="wrap")
            await source.capture_frame(rtc.AudioFrame(piece.tobytes(), 48000, 1, 480))
            at = (at + 480) % len(samples)
        for task in tasks.values():
            task.cancel()
        await room.disconnect()

    def _listen(self, track: rtc.Track) -> asyncio.Task[None]:
        async def listen() -> None:
            stream = rtc.AudioStream(track, sample_rate=16000, num_channels=1)
            async for event in stream:
                self._plane.heard.append(np.frombuffer(event.frame.data, np.int16))

        return asyncio.get_running_loop().create_task(listen())


def called(plane: Plane, folder: Path, phone: str, number: str, line: Line):
    eventually(lambda: not plane.listening, 30)  # the phone of the test before has gone
    plane.heard.clear()
    port = plane.tls.port if line.transport == "tls" else plane.media.sip_port
    address = f"{number}@127.0.0.1:{port}"
    heard = PHONES[phone](folder, address, plane.tone, 4, line)
    said = np.concatenate(plane.heard) if plane.heard else np.zeros(0, np.int16)
    return heard, said


WAYS = [  # linphone's other ways were tried too; each call takes some seconds of CI
    ("baresip", "udp", False), ("baresip", "tcp", False), ("baresip", "tls", False),
    ("baresip", "udp", True), ("baresip", "tls", True),
    ("linphone", "udp", False), ("linphone", "tcp", True), ("linphone", "tls", True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("phone", "transport", "srtp"),
    WAYS,
    ids=[f"{phone}-{kind}-{'srtp' if srtp else 'rtp'}" for phone, kind, srtp in WAYS],
)
def test_both_hear_each_other(plane, tmp_path, phone, transport, srtp):
    line = Line(transport=transport, srtp=srtp, authorities=str(plane.tls.certificate))
    heard, said = called(plane, tmp_path, phone, SECURE if srtp else OPEN, line)
    assert heard.answered, heard.log
    assert pitch(heard.sound, 8000) == pytest.approx(HERS, abs=5)
    assert pitch(said, 16000) == pytest.approx(HIS, abs=5)


def test_where_srtp_is_required_a_call_without_is_refused(plane, tmp_path):
    heard, said = called(plane, tmp_path, "baresip", SECURE, Line())
    assert not heard.answered
    assert pitch(said, 16000) == 0


def test_a_phone_which_does_not_trust_the_certificate_does_not_call(plane, tmp_path):
    heard, _ = called(plane, tmp_path, "linphone", OPEN, Line(transport="tls"))
    assert not heard.answered
