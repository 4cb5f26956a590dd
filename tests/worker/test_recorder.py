import time

import av
import numpy as np
import pytest

from agents.worker import recorder as module
from agents.worker.recorder import FROM_CALLER_S, RATE, TO_CALLER_S, Recorder

pytestmark = pytest.mark.worker


def tone(hertz, seconds):
    steps = np.arange(round(seconds * RATE))
    return (8000 * np.sin(2 * np.pi * hertz * steps / RATE)).astype(np.int16)


def channels(path):
    with av.open(str(path)) as file:
        rate = file.streams.audio[0].rate
        blocks = [
            frame.to_ndarray() if frame.format.is_planar else frame.to_ndarray().reshape(-1, 2).T
            for frame in file.decode(audio=0)
        ]
    return np.concatenate(blocks, axis=1), rate


def spans(samples, rate):
    """When it is loud: [(from, to)] in seconds."""
    step = rate // 100
    count = len(samples) // step
    loud = np.abs(samples[: count * step].reshape(count, step)).max(axis=1) > 0.05
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.astype(int), [0]])))
    return [(a / 100, b / 100) for a, b in edges.reshape(-1, 2) if b - a > 5]


def pitch(samples, rate):
    return np.argmax(np.abs(np.fft.rfft(samples))) * rate / len(samples)


@pytest.fixture
def began():
    return time.monotonic()


def test_the_caller_is_left_the_agent_right_and_the_length_is_the_call(tmp_path, began):
    recorder = Recorder(tmp_path / "a.ogg", began=began)
    recorder.caller(began + 0.2 + FROM_CALLER_S, tone(400, 0.3))
    recorder.agent(began + 0.6 - TO_CALLER_S, tone(1000, 0.3))
    assert recorder.close(began + 1.2) == 1200
    (left, right), rate = channels(tmp_path / "a.ogg")
    assert abs(len(left) / rate - 1.2) < 0.03
    assert spans(left, rate)[0] == pytest.approx((0.2, 0.5), abs=0.03)
    assert spans(right, rate)[0] == pytest.approx((0.6, 0.9), abs=0.03)
    assert len(spans(left, rate)) == len(spans(right, rate)) == 1
    assert pitch(left[int(0.25 * rate) : int(0.45 * rate)], rate) == pytest.approx(400, abs=15)
    assert pitch(right[int(0.65 * rate) : int(0.85 * rate)], rate) == pytest.approx(1000, abs=15)


def test_what_an_interruption_took_back_is_not_in_the_recording(tmp_path, began):
    recorder = Recorder(tmp_path / "a.ogg", began=began)
    recorder.agent(began + 0.1 - TO_CALLER_S, tone(1000, 1.0))
    recorder.agent_cut(began + 0.4 - TO_CALLER_S)
    recorder.close(began + 1.2)
    (_, right), rate = channels(tmp_path / "a.ogg")
    assert spans(right, rate)[0] == pytest.approx((0.1, 0.4), abs=0.03)


def test_the_file_grows_while_the_call_runs_and_can_be_read_at_any_moment(tmp_path, began):
    recorder = Recorder(tmp_path / "a.ogg", began=began)
    recorder.caller(began, tone(400, 1.6))
    time.sleep(1.6)
    (left, _), rate = channels(tmp_path / "a.ogg")
    assert len(left) / rate >= 1.6 - 1.0, "a crash loses at most a second"
    recorder.close(began + 1.6)


def test_an_end_noticed_late_is_cut_to_where_it_was(tmp_path, began):
    recorder = Recorder(tmp_path / "a.ogg", began=began - 5)
    time.sleep(2 * module.STEP_S)
    assert recorder.close(began - 3) == 2000
    (left, _), rate = channels(tmp_path / "a.ogg")
    assert abs(len(left) / rate - 2.0) < 0.06
