"""G.711 as the ITU has it, and where the caller says that speech begins and ends."""

import numpy as np
import pytest

from telephony.caller import audio
from telephony.caller.audio import FRAME, RATE

pytestmark = pytest.mark.unit

LEVELS = np.arange(-32768, 32768, dtype=np.int16)


def tone(ms: int, dbfs: float = -20, rate: int = RATE, hz: float = 440) -> audio.Pcm:
    """A sine whose RMS lies at `dbfs`."""
    at = np.arange(rate * ms // 1000) / rate
    peak = 32768 * 10 ** (dbfs / 20) * np.sqrt(2)
    return np.asarray(np.sin(2 * np.pi * hz * at) * peak, np.int16)


def silence(ms: int) -> audio.Pcm:
    return np.zeros(RATE * ms // 1000, np.int16)


@pytest.mark.parametrize(
    ("code", "level"),
    [
        (0xFF, 0), (0x7F, 0), (0xFE, 8), (0x7E, -8), (0xF0, 120), (0xEF, 132), (0x70, -120),
        (0xC0, 1884), (0x8F, 16764), (0x80, 32124), (0x00, -32124),
    ],
)  # fmt: skip
def test_codes_have_the_levels_of_g711(code, level):
    assert audio.decode(bytes([code])).tolist() == [level]


def test_every_code_survives_the_way_to_a_level_and_back():
    codes = bytes(code for code in range(256) if code != 0x7F)  # -0 comes back as 0
    assert audio.encode(audio.decode(codes)) == codes


def test_every_level_comes_back_within_half_a_step_of_its_segment():
    back = audio.decode(audio.encode(LEVELS)).astype(np.int32)
    level = LEVELS.astype(np.int32)
    size = np.minimum(np.abs(level), 32635) + 132
    half_step = 2.0 ** (np.floor(np.log2(size)) - 5)  # 16 steps a segment; the lowest is 8 wide
    clipped = np.clip(level, -32635, 32635)
    assert np.all(np.abs(back - clipped) <= half_step)
    assert np.all(np.diff(back) >= 0)


def test_onset_is_the_frame_in_which_speech_begins():
    pcm = np.concatenate([silence(400), tone(200), silence(200)])
    assert audio.onset(pcm) == 400 * RATE // 1000
    assert audio.speech_end(pcm) == 600 * RATE // 1000


def test_an_onset_between_two_frames_is_found_within_one_frame():
    begins = 3 * FRAME + 70
    pcm = np.concatenate([np.zeros(begins, np.int16), tone(300)])
    found = audio.onset(pcm)
    assert found is not None
    assert abs(found - begins) <= FRAME


def test_onset_looks_only_from_its_start_on():
    pcm = np.concatenate([tone(200), silence(400), tone(200)])
    assert audio.onset(pcm) == 0
    assert audio.onset(pcm, start=300 * RATE // 1000) == 600 * RATE // 1000
    assert audio.onset(pcm, start=800 * RATE // 1000) is None


@pytest.mark.parametrize(("dbfs", "is_speech"), [(-46, False), (-44, True)])
def test_speech_is_what_is_louder_than_45_dbfs(dbfs, is_speech):
    pcm = np.concatenate([silence(100), tone(200, dbfs), silence(100)])
    assert (audio.onset(pcm) is not None) == is_speech
    assert (audio.speech_end(pcm) > 0) == is_speech


def test_a_click_of_40_ms_is_no_onset():
    assert audio.onset(np.concatenate([silence(100), tone(40), silence(100)])) is None


@pytest.mark.parametrize("samples", [0, 1, FRAME - 1])
def test_less_than_a_frame_is_silence(samples):
    pcm = np.full(samples, 20_000, np.int16)
    assert audio.onset(pcm) is None
    assert audio.speech_end(pcm) == 0


def test_down_to_telephone_rate_keeps_the_voice_and_nothing_folds():
    low = audio.to_telephone(tone(500, hz=1000, rate=16_000), 16_000)
    folded = audio.to_telephone(tone(500, hz=6000, rate=16_000), 16_000)
    assert len(low) == 500 * RATE // 1000
    rms = [float(np.sqrt(np.mean(pcm[400:-400].astype(float) ** 2))) for pcm in (low, folded)]
    assert rms[0] == pytest.approx(3277, rel=0.05)
    assert rms[1] < 33  # 40 dB below


def test_audio_at_telephone_rate_is_left_as_it_is():
    pcm = tone(100)
    assert audio.to_telephone(pcm, RATE) is pcm


def test_a_stereo_file_has_the_caller_left_and_silence_behind_the_shorter_side(tmp_path):
    left, right = tone(100), tone(60, hz=1000)
    audio.write_wav(tmp_path / "both.wav", left, right)
    samples, rate = audio.read_wav(tmp_path / "both.wav")
    assert rate == RATE
    assert np.array_equal(samples[0::2], left)
    assert np.array_equal(samples[1::2], np.concatenate([right, silence(40)]))
