"""Ending a caller's speech before the detector does, without losing what he says next."""

import pytest
from livekit.agents import vad

from agents.worker.chain.ears import Segment

pytestmark = pytest.mark.unit

Kind = vad.VADEventType
WINDOW_S = 0.032


class Detector:
    """The events of a detector with 50 ms of speech and 300 ms of silence, window by window."""

    def __init__(self, segment):
        self.segment = segment
        self.speech = self.raw_speech = self.raw_silence = 0.0
        self.speaking = False
        self.out = []

    def hears(self, loud, windows):
        for _ in range(windows):
            self.speech += WINDOW_S if self.speaking else 0.0
            self._send(Kind.INFERENCE_DONE)
            if loud:
                self.raw_speech, self.raw_silence = self.raw_speech + WINDOW_S, 0.0
                if not self.speaking and self.raw_speech >= 0.05:
                    self.speaking, self.speech = True, self.raw_speech
                    self._send(Kind.START_OF_SPEECH)
            else:
                self.raw_speech, self.raw_silence = 0.0, self.raw_silence + WINDOW_S
                if self.speaking and self.raw_silence >= 0.3:
                    self.speaking = False
                    self._send(Kind.END_OF_SPEECH)
        return self

    def _send(self, kind):
        event = vad.VADEvent(
            type=kind, samples_index=0, timestamp=0.0, speech_duration=self.speech,
            silence_duration=self.raw_silence, speaking=self.speaking,
            raw_accumulated_speech=self.raw_speech, raw_accumulated_silence=self.raw_silence,
        )  # fmt: skip
        self.out += self.segment.feed(event)

    def kinds(self):
        return [e.type for e in self.out if e.type != Kind.INFERENCE_DONE]


@pytest.fixture
def detector():
    return Detector(Segment(resume_s=0.05))


def test_left_alone_nothing_changes(detector):
    detector.hears(True, 20).hears(False, 20)
    assert detector.kinds() == [Kind.START_OF_SPEECH, Kind.END_OF_SPEECH]
    assert detector.segment.ended_after_s == pytest.approx(0.3, abs=WINDOW_S)


def test_an_early_end_is_the_only_one(detector):
    detector.hears(True, 20).hears(False, 4)
    ended = detector.segment.end(0.15)
    assert ended.type == Kind.END_OF_SPEECH
    assert ended.silence_duration == 0.15
    assert ended.speech_duration == pytest.approx(20 * WINDOW_S, abs=0.1)
    assert detector.segment.ended_after_s == 0.15
    assert detector.segment.end(0.15) is None
    detector.hears(False, 20)
    assert detector.kinds() == [Kind.START_OF_SPEECH]
    detector.hears(True, 5).hears(False, 20)
    assert detector.kinds()[1:] == [Kind.START_OF_SPEECH, Kind.END_OF_SPEECH]


def test_the_answer_is_not_interrupted_by_the_question_before_it(detector):
    """The detector still counts the speech which was ended as going on."""
    detector.hears(True, 40).hears(False, 4)
    detector.segment.end(0.15)
    detector.out.clear()
    detector.hears(False, 4)
    assert {(e.speaking, e.speech_duration) for e in detector.out} == {(False, 0.0)}


def test_whoever_goes_on_begins_anew(detector):
    detector.hears(True, 40).hears(False, 4)
    detector.segment.end(0.15)
    detector.out.clear()
    detector.hears(True, 10).hears(False, 12)
    assert detector.kinds() == [Kind.START_OF_SPEECH, Kind.END_OF_SPEECH]
    assert max(e.speech_duration for e in detector.out) < 25 * WINDOW_S


@pytest.mark.parametrize(("loud", "windows"), [(False, 5), (True, 1), (True, 20)])
def test_nobody_ends_who_did_not_begin_or_still_speaks(detector, loud, windows):
    detector.hears(loud, windows)
    assert detector.segment.end(0.15) is None


def test_a_new_segment_knows_nothing_of_the_old_one(detector):
    detector.hears(True, 20).hears(False, 4)
    detector.segment.forget()
    assert detector.segment.end(0.15) is None
