"""The length of an Ogg file is told from its ends, and what was cut off is noticed."""

import io

import av
import pytest

from agents.worker.recorder import Recorder
from recordings import ogg
from tests.oggs import ogg as make

pytestmark = pytest.mark.unit


def read(data: bytes) -> ogg.Sound | None:
    return ogg.read(data[: ogg.HEAD], data[-ogg.TAIL :])


def decoded_ms(data: bytes) -> int:
    with av.open(io.BytesIO(data), "r") as file:
        samples = sum(frame.samples for frame in file.decode(audio=0))
        return round(samples * 1000 / file.streams.audio[0].rate)


@pytest.mark.parametrize("ms", [100, 1000, 12_345, 60_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_the_length_is_what_decoding_gives(ms, channels):
    data = make(ms, channels=channels)
    found = read(data)
    assert found
    assert abs(found.duration_ms - decoded_ms(data)) <= 60
    assert abs(found.duration_ms - ms) <= 200
    assert (found.channels, found.whole) == (channels, True)


def test_three_hours_are_read_from_their_ends():
    found = read(make(3 * 3600 * 1000))
    assert found
    assert abs(found.duration_ms - 3 * 3600 * 1000) <= 200


def test_what_the_recorder_writes_has_the_length_it_tells(tmp_path):
    recorder = Recorder(tmp_path / "call.ogg", began=0.0)
    told = recorder.close(2.5)
    found = read((tmp_path / "call.ogg").read_bytes())
    assert found
    assert abs(found.duration_ms - told) <= 200


@pytest.mark.parametrize("cut", [1, 100, 3000])
def test_a_file_which_ends_within_a_page_is_not_whole(cut):
    found = read(make(12_345)[:-cut])
    assert found
    assert not found.whole
    assert found.duration_ms < 12_345


def test_a_file_cut_between_pages_is_shorter_but_whole():
    data = make(60_000)
    last = data.rfind(b"OggS")
    found = read(data[:last])
    assert found
    assert found.whole
    assert found.duration_ms < 60_000


@pytest.mark.parametrize(
    "data", [b"", b"OggS", b"x" * 5000, b"OggS" + bytes(60), b"RIFF" + bytes(100)]
)
def test_what_is_no_ogg_has_no_length(data):
    assert read(data) is None


def test_bytes_which_look_like_a_page_do_no_harm():
    data = make(1000) + b"OggS\x07" + b"\xff" * 40
    found = read(data)
    assert found
    assert not found.whole
