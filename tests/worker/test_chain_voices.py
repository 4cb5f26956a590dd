"""What is heard when a voice fails, over the providers' own wire."""

import numpy as np
import pytest

from agents.worker.chain.members import AllDown
from agents.worker.chain.speaking import Voice, speakable
from tests.emulators import speech
from tests.emulators.core import Fault
from tests.worker.chains import Diary, chain_of
from tests.worker.engines import world

pytestmark = pytest.mark.worker

TEXT = "We are open from nine to six, Monday to Saturday. You find us next to the train station."


async def text_stream(text=TEXT):
    for word in text.split(" "):
        yield word + " "


async def spoken(emulators, tmp_path, *slugs, diary=None):
    """Seconds of sound, and what moved."""
    diary = diary or Diary()
    voice = Voice(chain_of(emulators, tmp_path, diary, *slugs))
    frames = [frame async for frame in voice.speak(text_stream())]
    assert {frame.sample_rate for frame in frames} == {16_000}
    loud = np.concatenate([np.frombuffer(frame.data, dtype=np.int16) for frame in frames])
    assert np.abs(loud).max() > 1000
    return sum(frame.duration for frame in frames), diary.switches


def texts(emulators):
    """What each provider was asked to say, in order."""
    return [
        (line["provider"], line["extra"]["text"])
        for line in emulators.board.log
        if line["role"] == "tts" and "text" in line["extra"]
    ]


@pytest.fixture
async def length():
    """How long the whole text is, in s."""
    return len(await speech.speak(TEXT)) / speech.RATE


@pytest.mark.parametrize("voice", ["openai-tts", "kokoro", "cartesia-tts", "elevenlabs-tts"])
async def test_a_voice_says_all_of_it(tmp_path, length, voice):
    async with world() as emulators:
        seconds, switches = await spoken(emulators, tmp_path, voice, "flite")
    assert switches == []
    assert seconds == pytest.approx(length, rel=0.25)


@pytest.mark.parametrize(
    ("kind", "after", "reason"),
    [
        ("refuse", 0, "refused"), ("429", 0, "limited"), ("500", 0, "failed"),
        ("stall", 0, "stalled"), ("stall_after", 0.6, "stalled"),
        ("drop", 0.6, "broke_off"), ("half", 0.4, "broke_off"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("first", ["openai-tts", "cartesia-tts"])
async def test_another_voice_goes_on_where_the_first_one_stopped(
    tmp_path, length, first, kind, after, reason
):
    name = first.removesuffix("-tts")
    async with world(Fault("tts", name, kind, after=after)) as emulators:
        emulators.board.profile = emulators.board.profile.of({"name": "const", "tts_ms": 20})
        seconds, switches = await spoken(emulators, tmp_path, first, "kokoro")
    assert [(a, b) for a, b, _ in switches] == [(first, "kokoro")]
    assert switches[0][2] in {reason, "refused" if reason == "failed" else reason}
    # nothing is missing and hardly anything is said twice: a word is half a second at most
    assert length * 0.75 < seconds < length * 1.3 + 0.5


async def test_a_voice_which_failed_does_not_come_back_in_the_same_answer(tmp_path):
    async with world(Fault("tts", "openai", "drop", after=0.5, times=1)) as emulators:
        await spoken(emulators, tmp_path, "openai-tts", "kokoro")
        asked = [
            line["provider"] for line in emulators.board.log if line["what"].startswith("first")
        ]
    assert asked[0] == "openai"
    assert set(asked[1:]) == {"kokoro"}


async def test_with_no_voice_left_the_caller_must_be_told(tmp_path):
    async with world(Fault("tts", "*", "500")) as emulators:
        with pytest.raises(AllDown):
            await spoken(emulators, tmp_path, "openai-tts", "kokoro")


@pytest.mark.parametrize(
    ("piece", "said"),
    [
        ("We open at nine, ", "We open at nine, "),
        ("That is **very", "That is very"), ("important**, ", "important, "),
        ("- the *red* bike ", "the red bike "), ("`code` and more", "code and more"),
        ("5 * 3 is 15.", "5 * 3 is 15."), ("Welcome! 😀", "Welcome! "),
    ],
)  # fmt: skip
async def test_no_markup_is_spoken(piece, said):
    assert (await speakable(piece)).split() == said.split()
