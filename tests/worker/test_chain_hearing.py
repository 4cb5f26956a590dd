"""What is understood when a recogniser fails, over the providers' own wire."""

import asyncio

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import stt

from agents.worker import pipeline
from agents.worker.chain.hearing import Hearing
from agents.worker.chain.members import AllDown
from agents.worker.line import RATE
from tests.emulators.core import Fault
from tests.worker.chains import Diary, chain_of
from tests.worker.engines import ASKED, world
from tests.worker.plan import a_plan, on_the_phone

pytestmark = pytest.mark.worker

FINAL = stt.SpeechEventType.FINAL_TRANSCRIPT
PIECE = 320
SILENCE_S = 0.3


class Caller:
    """Speaks into a hearing as fast as a telephone does."""

    def __init__(self, emulators, folder, diary, *slugs):
        chain = chain_of(emulators, folder, diary, *slugs)
        self.hearing = Hearing(chain, pipeline.vad_of(a_plan()))
        self.heard = []
        self.overdue = 0
        self.hearing.on_overdue = self._overdue
        self._line: asyncio.Queue[rtc.AudioFrame | None] = asyncio.Queue()
        self._ears = asyncio.create_task(self._listen())

    def _overdue(self):
        self.overdue += 1

    async def _audio(self):
        while (frame := await self._line.get()) is not None:
            yield frame

    async def _listen(self):
        async for event in self.hearing.hear(self._audio()):
            if event.type == FINAL and event.alternatives[0].text:
                self.heard.append(event.alternatives[0].text)

    async def says(self, text):
        samples = np.frombuffer(await on_the_phone(text), dtype=np.int16)
        self.hearing.speech_began()
        await self._send(samples)
        await self.quiet(SILENCE_S)
        self.hearing.speech_ended(SILENCE_S)

    async def coughs(self):
        noise = np.random.default_rng(1).standard_normal(int(0.4 * RATE)) * 6000
        self.hearing.speech_began()
        await self._send(noise.astype(np.int16))
        await self.quiet(SILENCE_S)
        self.hearing.speech_ended(SILENCE_S)

    async def quiet(self, seconds):
        await self._send(np.zeros(int(seconds * RATE), dtype=np.int16))

    async def _send(self, samples):
        for start in range(0, len(samples), PIECE):
            piece = np.pad(
                samples[start : start + PIECE], (0, max(0, start + PIECE - len(samples)))
            )
            self._line.put_nowait(rtc.AudioFrame(piece.tobytes(), RATE, 1, PIECE))
            await asyncio.sleep(PIECE / RATE)

    async def understood(self, count, seconds=6.0):
        """Silence goes on while we wait."""
        for _ in range(round(seconds / 0.2)):
            if len(self.heard) >= count or self._ears.done():
                break
            await self.quiet(0.2)
        await self.quiet(0.6)  # nothing must come twice
        return self.heard

    async def aclose(self):
        self._ears.cancel()
        await asyncio.gather(self._ears, return_exceptions=True)


@pytest.fixture
async def calling(tmp_path):
    callers = []

    def begin(emulators, *slugs, diary=None):
        caller = Caller(emulators, tmp_path, diary or Diary(), *slugs)
        callers.append(caller)
        return caller

    yield begin
    for caller in callers:
        await caller.aclose()


@pytest.mark.parametrize("first", ["deepgram-stt", "whisper"])
async def test_two_sentences_are_understood_once_each(calling, first):
    diary = Diary()
    async with world() as emulators:
        caller = calling(emulators, first, "openai-stt", diary=diary)
        for count in (1, 2):
            await caller.says(ASKED)
            await caller.understood(count)
        assert caller.heard == [ASKED, ASKED]
    assert (diary.switches, caller.overdue) == ([], 0)


# the other faults are in the e2e suite, over a real call
@pytest.mark.parametrize(
    ("first", "kind", "after", "reason"),
    [
        ("deepgram-stt", "refuse", 0, "refused"),
        ("deepgram-stt", "stall_after", 0.8, "stalled"),
        ("deepgram-stt", "drop", 0.8, "broke_off"),
        ("whisper", "500", 0, "failed"),
    ],
)
async def test_no_word_is_lost_when_a_recogniser_fails(calling, first, kind, after, reason):
    diary = Diary()
    name = first.removesuffix("-stt")
    async with world(Fault("stt", name, kind, after=after)) as emulators:
        caller = calling(emulators, first, "openai-stt", diary=diary)
        await caller.says(ASKED)
        assert await caller.understood(1) == [ASKED]
        await caller.says(ASKED)
        assert await caller.understood(2) == [ASKED, ASKED]
    assert diary.switches == [(first, "openai-stt", reason)]


async def test_a_cough_blames_nobody(calling):
    """Nobody understands anything: the second one is asked too, but nothing moves."""
    diary = Diary()
    async with world() as emulators:
        caller = calling(emulators, "whisper", "openai-stt", diary=diary)
        await caller.coughs()
        await caller.quiet(2.0)
    assert (caller.heard, diary.switches, caller.overdue) == ([], [], 0)


async def test_with_no_recogniser_left_the_caller_must_be_told(calling):
    async with world(Fault("stt", "*", "500")) as emulators:
        caller = calling(emulators, "whisper", "openai-stt")
        await caller.says(ASKED)
        await caller.quiet(3.0)
        with pytest.raises(AllDown):
            await caller._ears
