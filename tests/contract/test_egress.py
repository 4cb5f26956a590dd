"""Egress: the same cases against the fake and, if EGRESS_BIN names one, against a real service."""

import os
import shutil
import subprocess
from collections.abc import Iterator

import numpy as np
import pytest

from recordings.choices import Format, audio_codec
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.live import EgressWish, LiveEgress
from tests.contract.egress_fixture import (
    AGENT_HZ,
    CALLER_HZ,
    ROOM,
    EgressPlane,
    FakePlane,
    eventually,
    of,
    real_plane,
    size_of,
)

pytestmark = pytest.mark.contract

NO_EGRESS = "EGRESS_BIN is not set: these cases were not run against a real egress"


@pytest.fixture
def real(tmp_path) -> Iterator[EgressPlane]:
    if not os.environ.get("EGRESS_BIN"):
        pytest.skip(NO_EGRESS)
    with real_plane(tmp_path) as plane:
        yield plane


@pytest.fixture(params=["fake", "real"])
def plane(request) -> EgressPlane:
    if request.param == "fake":
        return FakePlane()
    return request.getfixturevalue("real")


def wish(key: str, **values) -> EgressWish:
    fmt = Format(values.get("format", "ogg"))
    return EgressWish(room=ROOM, object_key=key, audio_codec=audio_codec(fmt), **values)


def started(plane: EgressPlane, asked: EgressWish) -> str:
    """Its id once it is active. A service which has just begun may not be there yet."""
    found: list[str] = []

    def ask() -> bool:
        try:
            found.append(plane.gateway.start_egress(asked))
        except GatewayUnavailable:
            return False
        return True

    assert eventually(ask, timeout_s=60), "no egress took it"
    assert eventually(lambda: of(plane, found[0]).status == "active")
    return found[0]


def ended(plane: EgressPlane, egress_id: str) -> LiveEgress:
    over = {"complete", "failed", "aborted"}
    assert eventually(lambda: of(plane, egress_id).status in over)
    return of(plane, egress_id)


KINDS = [
    ("ogg", {}),
    ("mp4", {"format": "mp4"}),
    ("ogg", {"two_channels": False}),
    ("mp3", {"two_channels": False, "format": "mp3"}),
    ("ogg", {"kind": "track", "two_channels": False}),
    ("ogg", {"kind": "track_composite", "two_channels": False}),
    ("mp4", {"kind": "participant", "two_channels": False, "video": True, "format": "mp4"}),
]


@pytest.mark.parametrize(("extension", "values"), KINDS, ids=str)
def test_each_kind_a_profile_may_choose_is_recorded_and_lies_in_the_store(plane, extension, values):
    key = f"shop/2026/11/25/one.{extension}"
    egress_id = started(plane, wish(key, **values))
    plane.gateway.stop_egress(egress_id=egress_id)
    told = ended(plane, egress_id)
    assert (told.status, told.object_key, told.error) == ("complete", key, "")
    assert told.size == size_of(plane, key) > 0
    assert told.started_at


def test_hooks_tell_start_activity_and_end_and_the_start_has_no_status(plane):
    egress_id = started(plane, wish("hooks.ogg"))
    if not plane.is_real:  # its clock does not run by itself
        plane.gateway.activate(egress_id)
    assert eventually(lambda: len(plane.hooks(egress_id)) >= 2)
    plane.gateway.stop_egress(egress_id=egress_id)
    assert eventually(lambda: plane.hooks(egress_id)[-1]["event"] == "egress_ended")
    told = [(h["event"], h["egressInfo"].get("status")) for h in plane.hooks(egress_id)]
    assert told[0] == ("egress_started", None)
    assert ("egress_updated", "EGRESS_ACTIVE") in told
    assert ("egress_updated", "EGRESS_ENDING") in told
    assert told[-1] == ("egress_ended", "EGRESS_COMPLETE")


def test_a_stop_of_what_is_over_or_unknown_changes_nothing(plane):
    egress_id = started(plane, wish("twice.ogg"))
    for _ in range(2):
        plane.gateway.stop_egress(egress_id=egress_id)
        assert ended(plane, egress_id).status == "complete"
    plane.gateway.stop_egress(egress_id="EG_unknown")


def test_a_deleted_room_ends_its_egress_with_a_file(plane):
    egress_id = started(plane, wish("room.ogg"))
    plane.gateway.delete_room(room=ROOM)
    assert ended(plane, egress_id).status == "complete"
    assert size_of(plane, "room.ogg") > 0


def test_a_participant_as_ogg_is_refused_and_nothing_starts(plane):
    eventually(lambda: _is_there(plane), timeout_s=60)
    with pytest.raises(GatewayRefused, match="no supported codec"):
        plane.gateway.start_egress(wish("p.ogg", kind="participant", two_channels=False))
    assert [e for e in plane.gateway.list_egress(room=ROOM) if e.object_key == "p.ogg"] == []


def _is_there(plane: EgressPlane) -> bool:
    """Whether a service takes requests at all."""
    if not plane.is_real:
        return True
    plane.gateway.stop_egress(egress_id=started(plane, wish("there.ogg")))
    return True


def test_a_room_which_does_not_exist_is_refused(plane):
    with pytest.raises(GatewayRefused, match="does not exist"):
        plane.gateway.start_egress(EgressWish(room="call_gone", object_key="x.ogg"))
    assert plane.gateway.list_egress(room="call_gone") == []


def test_what_the_store_does_not_take_is_in_backup_storage(plane):
    egress_id = started(plane, wish("lost.ogg", store=plane.elsewhere()))
    plane.gateway.stop_egress(egress_id=egress_id)
    told = ended(plane, egress_id)
    assert (told.status, told.backup, told.object_key) == ("complete", True, "lost.ogg")
    assert plane.kept("lost.ogg")
    assert size_of(plane, "lost.ogg") == 0


def test_a_killed_service_says_nothing_and_stays_active(plane):
    egress_id = started(plane, wish("killed.ogg"))
    before = len(plane.hooks(egress_id))
    plane.kill()
    with pytest.raises(GatewayUnavailable):
        plane.gateway.stop_egress(egress_id=egress_id)
    assert of(plane, egress_id).status == "active"
    assert len(plane.hooks(egress_id)) == before
    assert size_of(plane, "killed.ogg") == 0


def test_without_a_service_a_start_is_unavailable_and_leaves_nothing(plane):
    plane.kill()
    with pytest.raises(GatewayUnavailable):
        plane.gateway.start_egress(wish("nobody.ogg"))


def test_a_missing_codec_fails_at_once_and_ends_the_service(plane):
    """Asked for as no profile asks. An egress which has faac records it, and is let off."""
    asked = EgressWish(room=ROOM, object_key="aac.mp4", format="mp4")
    egress_id = plane.gateway.start_egress(asked) if not plane.is_real else started_once(plane)
    if plane.is_real and eventually(lambda: of(plane, egress_id).status == "active", timeout_s=5):
        pytest.skip("this egress has faac")
    told = ended(plane, egress_id)
    assert told.status == "failed"
    assert "faac" in told.error
    with pytest.raises(GatewayUnavailable):
        plane.gateway.start_egress(wish("after.ogg"))


def started_once(plane: EgressPlane) -> str:
    _is_there(plane)
    return plane.gateway.start_egress(EgressWish(room=ROOM, object_key="aac.mp4", format="mp4"))


def test_the_caller_is_left_and_the_agent_right(real, tmp_path):
    """Only a real one makes sound."""
    plane = real
    egress_id = started(plane, wish("tones.ogg"))
    eventually(lambda: False, timeout_s=3)  # that there is something to hear
    plane.gateway.stop_egress(egress_id=egress_id)
    assert ended(plane, egress_id).status == "complete"
    file = tmp_path / "tones.ogg"
    file.write_bytes(plane.bucket.read("tones.ogg", most=10_000_000))
    assert loudest(file) == pytest.approx([CALLER_HZ, AGENT_HZ], abs=10)


def loudest(file) -> list[float]:
    """The loudest pitch of each channel, in Hz."""
    assert shutil.which("ffmpeg")
    raw = subprocess.run(
        ["ffmpeg", "-loglevel", "error", "-i", str(file), "-f", "s16le", "-ac", "2", "-ar",
         "48000", "-"], check=True, capture_output=True,
    ).stdout  # fmt: skip
    sound = np.frombuffer(raw, np.int16).reshape(-1, 2)
    middle = sound[len(sound) // 3 : len(sound) // 3 + 48000].astype(float)
    spectra = np.abs(np.fft.rfft(middle, axis=0))
    return [float(np.argmax(spectra[:, n]) * 48000 / len(middle)) for n in range(2)]
