"""Beginning before the caller has surely finished: sooner, but nothing is done twice or wrongly."""

import asyncio
import time

import pytest
from livekit.agents import LanguageCode, stt

from agents.plan import Speed, Stage
from agents.providers import Role
from agents.seal import seal
from agents.worker.chain.eager import MOST, REPEATED_S, Eager
from agents.worker.chain.members import AllDown
from tests.fakes.desk import wait_until
from tests.worker.engines import ANSWER, ASKED, AT, SEAL, world
from tests.worker.plan import FAQ, a_plan
from tests.worker.talking import talking

pytestmark = pytest.mark.worker

Kind = stt.SpeechEventType
HANG_UP, BOTH = "Please hang up.", "Please hang up. No wait."


def event(kind, text):
    data = stt.SpeechData(language=LanguageCode("en"), text=text)
    return stt.SpeechEvent(type=kind, alternatives=[data])


def fed(eager, *texts):
    """What comes out for interim texts: the guesses."""
    out = [e for text in texts for e in eager.feed(event(Kind.INTERIM_TRANSCRIPT, text))]
    return [e.alternatives[0].text for e in out if e.type == Kind.PREFLIGHT_TRANSCRIPT]


def quiet():
    return 1.0


def test_a_guess_needs_a_pause():
    assert fed(Eager(lambda: 0.0, enabled=True), "when", "when are you?", "when are you?") == []


def test_a_guess_needs_an_end_or_a_repetition():
    eager = Eager(quiet, enabled=True)
    assert fed(eager, "when", "when are", "when are you", "when are you") == ["when are you"]
    assert fed(eager, "when are you open?") == ["when are you open?"]
    assert fed(eager, "when are you open?", "When are you open?") == []


def test_the_final_takes_the_guess_so_that_the_answer_is_kept():
    eager = Eager(quiet, enabled=True)
    fed(eager, "when are you open?")
    (final,) = eager.feed(event(Kind.FINAL_TRANSCRIPT, "When are you open"))
    assert final.alternatives[0].text == "when are you open?"
    (other,) = eager.feed(event(Kind.FINAL_TRANSCRIPT, "When are you open"))
    assert other.alternatives[0].text == "When are you open"


def test_half_a_sentence_waits_for_its_next_words():
    """Twice the same, but he was not quiet when it came: more words may be on their way."""
    level = [0.0]
    eager = Eager(lambda: level[0], enabled=True)
    assert fed(eager, "when are you", "when are you") == []
    level[0] = 1.0
    assert fed(eager, "when are you open?") == ["when are you open?"]


async def test_a_guess_does_not_wait_for_the_next_interim():
    level = [0.0]
    ahead: list[str] = []
    eager = Eager(lambda: level[0], enabled=True, ahead=ahead.append)
    more = asyncio.Event()

    async def heard():
        yield event(Kind.INTERIM_TRANSCRIPT, "When are you open?")
        await more.wait()
        yield event(Kind.FINAL_TRANSCRIPT, "When are you open?")

    events = eager.through(heard())
    assert (await anext(events)).type == Kind.INTERIM_TRANSCRIPT
    guess = asyncio.create_task(anext(events))
    await asyncio.sleep(0.1)
    assert not guess.done()  # he still speaks
    assert ahead == ["When are you open?"]
    level[0] = 0.1
    assert (await asyncio.wait_for(guess, 2)).type == Kind.PREFLIGHT_TRANSCRIPT
    more.set()
    assert [e.type async for e in events] == [Kind.FINAL_TRANSCRIPT]


async def test_when_nobody_listens_any_more_that_is_said():
    async def heard():
        yield event(Kind.INTERIM_TRANSCRIPT, "When are you open?")
        raise AllDown(Role.STT)

    with pytest.raises(AllDown):
        async for _ in Eager(lambda: 0.0, enabled=True).through(heard()):
            pass


def test_guesses_are_counted():
    eager = Eager(quiet, enabled=True)
    texts = [f"one two{' more' * n}." for n in range(MOST + 3)]
    assert len(fed(eager, *texts)) == MOST
    assert fed(Eager(quiet, enabled=False), *texts) == []


def closing(answers, *, ends=lambda: True):
    return Eager(quiet, enabled=True, known=answers.get, ends=ends)


def finals(eager, *texts):
    """What becomes final while these come as interims, and then as the recogniser's final."""
    events = [e for text in texts for e in eager.feed(event(Kind.INTERIM_TRANSCRIPT, text))]
    events += eager.feed(event(Kind.FINAL_TRANSCRIPT, texts[-1]))
    return [e.alternatives[0].text for e in events if e.type == Kind.FINAL_TRANSCRIPT]


def test_a_known_question_is_final_as_soon_as_he_has_ended():
    known = {"When are you open?": "From nine."}
    early = list(closing(known).feed(event(Kind.INTERIM_TRANSCRIPT, "When are you open?")))
    assert early[-1].type == Kind.FINAL_TRANSCRIPT
    still = list(closing(known, ends=lambda: False).feed(early[0]))
    assert [e.type for e in still] == [Kind.INTERIM_TRANSCRIPT, Kind.PREFLIGHT_TRANSCRIPT]


def test_what_was_made_final_does_not_come_twice():
    known = {"When are you open?": "From nine.", "When are you open": "From nine."}
    assert finals(closing(known), "When are you", "When are you open?") == ["When are you open?"]
    # in parts, and spelled otherwise
    eager = closing(known)
    assert finals(eager, "When are you open?", "when are") == ["When are you open?"]
    assert not list(eager.feed(event(Kind.FINAL_TRANSCRIPT, "you open.")))


def test_what_asks_for_the_same_in_other_words_does_not_come_twice():
    known = {"When are you open?": "From nine.", "When are you opened?": "From nine."}
    assert finals(closing(known), "When are you open?", "When are you opened?") == [
        "When are you open?"
    ]


def test_whoever_goes_on_after_a_known_question_is_heard_whole():
    known = {"When are you open?": "From nine."}
    more = "When are you open? On Sunday I mean."
    assert finals(closing(known), "When are you open?", more) == ["When are you open?", more]


def test_the_same_question_may_be_asked_again(monkeypatch):
    """The recogniser's own final never came."""
    now = [100.0]
    monkeypatch.setattr("agents.worker.chain.eager.time.monotonic", lambda: now[0])
    eager = closing({"When are you open?": "From nine."})
    assert finals(eager, "When are you open?") == ["When are you open?"]
    now[0] += REPEATED_S + 0.1
    assert finals(eager, "When are you open?") == ["When are you open?"]


def cloud_plan(emulators, **changes):
    def at(slug):
        where = {"base_url": emulators.base + AT[slug]}
        return (Stage(provider=slug, options=where, sealed_key=seal("k", keys=SEAL)),)

    chains = {"stt": at("deepgram-stt"), "llm": at("openai-llm"), "tts": at("cartesia-tts")}
    return a_plan(**{"faq": ()} | chains | changes)


async def test_what_was_withdrawn_is_not_done(tmp_path):
    """The model wants to hang up on the first words; the caller takes them back in one breath."""
    async with world() as emulators:
        script = emulators.board.script
        script.utterances += [BOTH, HANG_UP]
        script.tools[HANG_UP] = {"tool": "end_call", "arguments": {}}
        script.answers[BOTH] = "I am still here."
        await script.prepare()
        async with talking(cloud_plan(emulators), tmp_path) as talk:
            await talk.says(BOTH)
            await wait_until(lambda: "I am still here." in talk.said("agent"), timeout_s=15)
        assert talk.entries("tool") == []
        assert talk.ended == []


async def test_a_tool_which_was_asked_for_early_runs_once(tmp_path):
    async with world() as emulators:
        script = emulators.board.script
        script.utterances += [HANG_UP]
        script.tools[HANG_UP] = {"tool": "end_call", "arguments": {}}
        await script.prepare()
        async with talking(cloud_plan(emulators), tmp_path) as talk:
            await talk.says(HANG_UP)
            await wait_until(lambda: talk.ended, timeout_s=15)
        assert [e.data["name"] for e in talk.entries("tool")] == ["end_call"]
        assert talk.ended == ["bot"]


@pytest.mark.parametrize("eager", [True, False])
async def test_the_model_is_asked_before_the_final_words_only_when_wanted(tmp_path, eager):
    question = "Where can I find your shop?"
    async with world() as emulators:
        script = emulators.board.script
        script.utterances += [question]
        script.answers[question] = "Next to the station."
        await script.prepare()
        emulators.board.profile = emulators.board.profile.of({"name": "zero", "stt_ms": 600})
        speed = Speed(eager_end=eager, filler=False)
        async with talking(cloud_plan(emulators, speed=speed), tmp_path) as talk:
            await talk.says(question)
            await wait_until(lambda: "Next to the station." in talk.said("agent"), timeout_s=15)
        asked = first(emulators, "llm", "request")
        final = first(emulators, "stt", "final")
        requests = [line for line in emulators.board.log if line["what"] == "request"]
        assert sum(line["role"] == "llm" for line in requests) == 1
    assert (asked < final) is eager


async def test_a_known_question_is_answered_before_it_is_final(tmp_path):
    """Once: the recogniser's final and the detector's end of speech, which come later, add none."""
    async with world() as emulators:
        await emulators.board.script.prepare()
        emulators.board.profile = emulators.board.profile.of({"name": "zero", "stt_ms": 900})
        plan = cloud_plan(emulators, faq=FAQ, speed=Speed(filler=False))
        async with talking(plan, tmp_path) as talk:
            taken: list[float] = []
            assert talk.call.session
            talk.call.session.on(
                "conversation_item_added", lambda _: taken.append(time.monotonic())
            )
            await talk.says(ASKED, then_quiet_s=2.0)  # all that is late has come
            await wait_until(lambda: ANSWER in talk.said("agent"), timeout_s=15)
            assert talk.said("caller") == [ASKED]
            assert talk.said("agent") == [plan.greeting, ANSWER]
            answered = talk.entries("turn")[-1]
            assert not answered.data["interrupted"]
        assert taken[0] < first(emulators, "stt", "final")
        roles = [line["role"] for line in emulators.board.log if line["what"] == "request"]
        assert "llm" not in roles


async def test_a_known_question_which_goes_on_is_answered_as_it_was_meant(tmp_path):
    question, answer = f"{ASKED} I mean on Sunday.", "On Sunday we are closed."
    async with world() as emulators:
        script = emulators.board.script
        script.utterances.insert(0, question)
        script.answers[question] = answer
        await script.prepare()
        plan = cloud_plan(emulators, faq=FAQ, speed=Speed(filler=False))
        async with talking(plan, tmp_path) as talk:
            await talk.says(question)
            await wait_until(lambda: answer in talk.said("agent"), timeout_s=15)
            assert talk.said("caller")[-1] == question


async def test_the_first_clause_is_spoken_while_the_model_goes_on(tmp_path):
    """The session's own filter held each clause back until the next one had begun."""
    question = "Where can I find your shop?"
    answer = "Next to the station, on the left side of the long street with the four old trees."
    async with world() as emulators:
        script = emulators.board.script
        script.utterances += [question]
        script.answers[question] = answer
        await script.prepare()
        emulators.board.profile = emulators.board.profile.of({"name": "zero", "tokens_per_s": 10})
        async with talking(cloud_plan(emulators, speed=Speed(filler=False)), tmp_path) as talk:
            await talk.says(question)
            await wait_until(lambda: answer in talk.said("agent"), timeout_s=25)
        spoken = [
            line["sent"] for line in emulators.board.log
            if line["what"] == "request" and line["extra"].get("text", "").startswith("Next to")
        ]  # fmt: skip
        assert min(spoken) < first(emulators, "llm", "end")


def first(emulators, role, what):
    """When something of the log happened (monotonic s)."""
    return min(
        line["sent"] for line in emulators.board.log
        if line["role"] == role and what in line["what"]
    )  # fmt: skip
