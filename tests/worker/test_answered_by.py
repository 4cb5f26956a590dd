"""Who answered: scripted sound, from flite and from arithmetic, through G.711."""

import numpy as np
import pytest

from agents.worker.answered_by import RATE, AnsweredBy, Verdict, pure_tone
from tests.worker.plan import on_the_phone

pytestmark = pytest.mark.worker

FRAME = RATE // 50
MAILBOX = (
    "Hello, you have reached the Miller family, we are not at home at the moment, "
    "so please tell us what it is about and we will ring you"
)


def silence(seconds: float) -> np.ndarray:
    return np.random.default_rng(1).normal(0, 15, int(seconds * RATE)).astype(np.int16)


def beep(hz: float = 1000, seconds: float = 0.4) -> np.ndarray:
    wave = np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)
    return (9000 * wave).astype(np.int16)


async def voice(text: str, who: str = "slt") -> np.ndarray:
    return np.frombuffer(await on_the_phone(text, voice=who), dtype=np.int16)


def played(*sounds: np.ndarray, detector: AnsweredBy | None = None) -> AnsweredBy:
    """The detector, once it has a verdict or has heard everything."""
    detector = detector or AnsweredBy()
    sound = np.concatenate(sounds)
    for begin in range(0, len(sound) - FRAME + 1, FRAME):
        detector.hear(sound[begin : begin + FRAME])
        if detector.verdict:
            break
    return detector


def verdict(*sounds: np.ndarray) -> Verdict:
    found = played(*sounds).verdict
    assert found is not None
    return found


@pytest.mark.parametrize("who", ["slt", "rms", "awb"])
@pytest.mark.parametrize("text", ["Hello?", "Yes, Miller speaking.", "Hello, who is there?"])
async def test_a_word_and_a_pause_is_a_person(text, who):
    found = verdict(silence(0.5), await voice(text, who), silence(2))
    assert found.kind == "human"
    assert "waited, as people do" in found.reason


@pytest.mark.parametrize("who", ["slt", "rms", "awb"])
async def test_a_long_announcement_is_a_mailbox(who):
    found = verdict(silence(0.3), await voice(MAILBOX, who), silence(3))
    assert found.kind == "voicemail"
    assert "as mailboxes do" in found.reason


@pytest.mark.parametrize("hz", [440, 950, 1000, 1400, 2000])
def test_a_beep_is_a_mailbox_and_is_heard_when_it_ends(hz):
    detector = played(silence(0.5), beep(hz), silence(0.3))
    assert detector.verdict == Verdict(kind="voicemail", reason="A beep was heard.", ms=940)
    assert detector.beeped


@pytest.mark.parametrize("who", ["slt", "rms", "awb"])
async def test_speech_is_no_beep(who):
    detector = AnsweredBy()
    sound = await voice(MAILBOX + " Oh! Aah. Eee. Hmm.", who)
    for begin in range(0, len(sound) - FRAME + 1, FRAME):
        detector.hear(sound[begin : begin + FRAME])
    assert not detector.beeped


def test_nobody_speaks():
    found = verdict(silence(5))
    assert (found.kind, found.ms) == ("unknown", 3000)


def test_a_click_is_no_word():
    assert verdict(silence(0.5), beep(seconds=0.04), silence(5)).kind == "unknown"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Please record your name and reason for calling", "screening"),
        ("Hi, the person you are calling is using a screening service", "screening"),
        ("May I ask who’s calling please", "screening"),
        ("For sales press one, for service press 2", "ivr"),
        ("Please listen carefully as our menu options have changed", "ivr"),
        ("Please leave a message after the tone", "voicemail"),
        ("Ann is not available", "voicemail"),
        ("We can't take your call right now", "voicemail"),
        ("Hello, Miller speaking", None),
        ("Yes what do you want", None),
    ],
)
def test_words_give_machines_away(text, kind):
    detector = AnsweredBy()
    detector.read(text)
    assert (detector.verdict and detector.verdict.kind) == kind


def test_the_first_verdict_stands():
    detector = AnsweredBy()
    detector.read("press one for sales")
    detector.read("leave a message after the beep")
    assert detector.verdict
    assert detector.verdict.kind == "ivr"


def test_noise_is_no_tone():
    assert pure_tone(silence(0.04) * 100) == 0
    assert abs(pure_tone(beep(1000, 0.04)) - 1000) < 30
