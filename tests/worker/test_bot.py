"""Whole conversations with the real pipeline, without a room."""

import asyncio

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import io

from agents.plan import Target
from agents.worker import journal, pipeline, prepare
from agents.worker.bot import Bot
from agents.worker.journal import Journal
from agents.worker.line import RATE, Ear
from agents.worker.prepared import Prepared
from agents.worker.scribe import Scribe
from agents.worker.turns import Endpointing
from tests.fakes.desk import wait_until
from tests.worker.plan import a_plan, on_the_phone

pytestmark = pytest.mark.worker


class Loudspeaker(io.AudioOutput):
    """Plays 20 times as fast as it would sound."""

    def __init__(self):
        super().__init__(
            label="test", sample_rate=RATE, capabilities=io.AudioOutputCapabilities(pause=False)
        )
        self.seconds = 0.0
        self._end = None

    async def capture_frame(self, frame):
        await super().capture_frame(frame)
        if not self.seconds:
            self.on_playback_started(created_at=asyncio.get_running_loop().time())
        self.seconds += frame.duration

    def flush(self):
        super().flush()
        loop = asyncio.get_running_loop()
        self._end = loop.call_later(self.seconds / 20, self._finish, False)

    def clear_buffer(self):
        if self._end:
            self._end.cancel()
            self._finish(True)

    def _finish(self, interrupted):
        played, self.seconds, self._end = self.seconds, 0.0, None
        self.on_playback_finished(playback_position=played, interrupted=interrupted)


class Conversation:
    def __init__(self, session, bot, ear, book):
        self.session, self.bot, self.ear, self.book = session, bot, ear, book
        self.ended = []

    def turns(self):
        entries = journal.read(self.book.path)
        return [(e.data["who"], e.data["text"]) for e in entries if e.kind == "turn"]

    def kinds(self):
        return [entry.kind for entry in journal.read(self.book.path)]

    async def says(self, text):
        """The caller speaks, then listens for a second."""
        sound = await on_the_phone(text)
        samples = np.concatenate(
            [np.frombuffer(sound, dtype=np.int16), np.zeros(RATE, dtype=np.int16)]
        )
        for start in range(0, len(samples) - 320, 320):
            piece = samples[start : start + 320]
            self.ear.hear(rtc.AudioFrame(piece.tobytes(), RATE, 1, 320))
            await asyncio.sleep(0.019)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plan")
    asyncio.run(prepare.prepare(a_plan(), folder, seal_keys=[]))
    return folder


@pytest.fixture
async def talk(folder, tmp_path):
    opened = []

    async def begin(**changes):
        plan = a_plan(**changes)
        book = Journal(tmp_path, "AJ_1")
        line = pipeline.pipeline_of(pipeline.Workshop(plan, folder, []))
        session = line.session
        Endpointing(plan, session)
        ready = Prepared.load(folder, plan)
        ear = Ear()
        bot = Bot(
            plan, ready, book, line,
            end=lambda reason: call.ended.append(reason),
            give_up=lambda role: call.ended.append(f"no {role}"),
        )  # fmt: skip
        call = Conversation(session, bot, ear, book)
        Scribe(plan, book, ready, lambda: 0.5).follow(session)
        session.input.audio, session.output.audio = ear, Loudspeaker()
        await session.start(bot, record=False)
        opened.append(call)
        bot.answered()
        await wait_until(lambda: call.turns())
        return call

    yield begin
    for call in opened:
        call.bot.stop()
        await call.session.aclose()
        await call.ear.aclose()
        call.book.release()


async def test_a_spoken_question_gets_the_answer_of_the_plan(talk):
    call = await talk()
    await call.says("What are your opening hours?")
    await wait_until(lambda: len(call.turns()) == 3)
    assert call.turns() == [
        ("agent", "Welcome to Northwind."),
        ("caller", "What are your opening hours?"),
        ("agent", "We are open from nine to six, Monday to Saturday."),
    ]


async def test_a_question_is_answered_and_a_strange_one_asked_back(talk):
    call = await talk()
    for said, heard in (
        ("do you hire out bicycles", "Yes, for fifteen euros a day."),
        ("what is the weather like", "Sorry, could you say it differently?"),
    ):
        result = await call.session.run(user_input=said)
        result.expect.next_event().is_message(role="assistant")
        await wait_until(lambda heard=heard: call.turns()[-1] == ("agent", heard))


async def test_saying_goodbye_ends_the_call_after_the_last_words(talk):
    call = await talk()
    call.session.generate_reply(user_input="Thank you, goodbye")
    await wait_until(lambda: call.ended == ["bot"])
    assert call.turns()[-1] == ("agent", "Goodbye.")
    assert "tool" in call.kinds()


async def test_asking_for_a_person_is_written_down_and_the_call_goes_on(talk):
    call = await talk()
    call.session.generate_reply(user_input="I want to talk to a human")
    await wait_until(lambda: ("agent", "A colleague will call you back.") in call.turns())
    assert "handover" in call.kinds()
    assert call.ended == []


async def test_keys_ask_their_question_zero_asks_for_a_person_others_do_nothing(talk):
    call = await talk()
    call.bot.digit("2")
    await wait_until(lambda: ("agent", "Our shop is at twelve Harbour Street.") in call.turns())
    before = call.turns()
    call.bot.digit("9")
    call.bot.digit("0")
    await wait_until(lambda: ("agent", "A colleague will call you back.") in call.turns())
    assert len(call.turns()) == len(before) + 1
    assert call.kinds().count("dtmf") == 3
    assert call.kinds().count("handover") == 1


async def test_a_caller_who_never_speaks_is_asked_twice_and_then_let_go(talk):
    call = await talk(silence_s=1, silence_prompt_2="I cannot hear you.")
    await wait_until(lambda: call.ended == ["silence"], timeout_s=15)
    assert [text for _, text in call.turns()] == [
        "Welcome to Northwind.", "Are you still there?", "I cannot hear you.", "Goodbye.",
    ]  # fmt: skip


async def test_a_key_is_a_sign_of_life(talk):
    call = await talk(silence_s=1)
    await wait_until(lambda: ("agent", "Are you still there?") in call.turns())
    call.bot.digit("9")
    await wait_until(lambda: call.ended == ["silence"], timeout_s=15)
    assert [text for _, text in call.turns()].count("Are you still there?") == 3


async def test_a_call_which_lasts_too_long_is_ended_politely(talk):
    call = await talk(max_call_s=1)
    await wait_until(lambda: call.ended == ["limit"], timeout_s=15)
    assert call.turns()[-1] == ("agent", "Goodbye.")


async def test_the_end_of_a_long_call_is_announced(talk):
    call = await talk(max_call_s=4, warn_before_s=3, warning="One minute left.")
    await wait_until(lambda: call.ended == ["limit"], timeout_s=15)
    assert [text for _, text in call.turns()][-2:] == ["One minute left.", "Goodbye."]


async def test_a_sentence_which_is_not_ready_is_spoken_by_the_voice_of_the_plan(talk):
    call = await talk()
    call.bot.say("This sentence was never prepared.")
    await wait_until(lambda: ("agent", "This sentence was never prepared.") in call.turns())


BILLING = Target(
    key="billing", name="Billing", description="invoices", number="+12025550177", for_people=True,
    announcement="One moment.", sorry="Nobody is there.",
)  # fmt: skip


async def test_a_wish_for_a_person_is_sent_where_people_are(talk):
    call = await talk(targets=(BILLING,))
    sent: list[Target] = []

    def send_on(target: Target) -> bool:
        sent.append(target)
        return True

    call.bot.send_on = send_on
    call.bot.digit("0")
    assert sent == [BILLING]
    assert "handover" in call.kinds()
    assert call.bot.tool_transfer_call("+12025550199")  # words for the model: nobody is called
    assert sent == [BILLING]
    assert call.bot.tool_transfer_call("billing") is None
    assert sent == [BILLING, BILLING]


async def test_a_bot_on_hold_neither_listens_nor_asks_and_comes_back_with_a_note(talk):
    call = await talk(targets=(BILLING,), silence_s=1)
    call.bot.hold.begin()
    await call.bot.announce("One moment.")
    before = call.turns()
    assert before[-1] == ("agent", "One moment.")
    call.bot.digit("2")
    call.session.generate_reply(user_input="What are your opening hours?")
    await asyncio.sleep(1.5)  # longer than the silence after which he would be asked
    assert [turn for turn in call.turns()[len(before) :] if turn[0] == "agent"] == []
    await call.bot.take_back("Nobody is there.", "The line there was busy.")
    await wait_until(lambda: ("agent", "Nobody is there.") in call.turns())
    notes = [item.text_content for item in call.bot.chat_ctx.items if item.type == "message"]
    assert "The line there was busy." in notes
    await call.says("What are your opening hours?")
    hours = ("agent", "We are open from nine to six, Monday to Saturday.")
    await wait_until(lambda: call.turns()[-1] == hours)
