"""Meaning, and the engine which answers by it."""

import pytest
from livekit.agents import llm

from agents.worker.embedded import meaning
from agents.worker.embedded.engine import FaqLLM, Matcher
from agents.worker.embedded.sphinx import NOT_UNDERSTOOD
from tests.worker.plan import a_plan

pytestmark = pytest.mark.worker


@pytest.fixture(scope="module")
def matcher():
    return Matcher(a_plan())


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ("When are you open?", "What are your opening hours?", 0.7, 1.0),
        ("How much does it cost to fix my bicycle?", "How much is a bicycle repair?", 0.7, 1.0),
        ("When are you open?", "I have a cat.", -0.2, 0.4),
        ("When are you open?", "When are you open?", 0.999, 1.001),
    ],
)
def test_sentences_which_mean_the_same_are_near_and_others_far(one, other, low, high):
    left, right = meaning.model().embed([one, other])
    assert low < float(left @ right) < high


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        ("on which days are you open", "We are open from nine to six, Monday to Saturday."),
        ("could I borrow a bike for the weekend", "Yes, for fifteen euros a day."),
        (f"{NOT_UNDERSTOOD} do you rent bicycles", "Yes, for fifteen euros a day."),
        ("what is your ADDRESS", "Our shop is at twelve Harbour Street."),
    ],
)
def test_a_question_is_answered_by_its_meaning(matcher, said, answered):
    decision = matcher.decide(said)
    assert decision.kind == "answer"
    assert matcher.plan.faq[decision.entry].answer == answered


@pytest.mark.parametrize("said", ["what is the weather like", NOT_UNDERSTOOD, "", "?!"])
def test_the_engine_asks_back_when_it_is_not_sure(matcher, said):
    assert matcher.decide(said).kind == "ask_back"


@pytest.mark.parametrize(
    ("said", "tool"),
    [
        ("Can I please talk to a human being", "request_human"),
        ("okay bye now", "end_call"),
        ("That is all, thank you.", "end_call"),
    ],
)
async def test_wishes_become_tool_calls_as_from_any_model(matcher, said, tool):
    context = llm.ChatContext.empty()
    context.add_message(role="user", content=said)
    chunks = [chunk async for chunk in FaqLLM(matcher).chat(chat_ctx=context)]
    calls = [call.name for chunk in chunks if chunk.delta for call in chunk.delta.tool_calls]
    assert calls == [tool]


async def test_an_empty_faq_still_hands_over_and_asks_back():
    lonely = Matcher(a_plan(faq=()))
    assert lonely.decide("operator please").kind == "request_human"
    assert lonely.decide("when are you open").kind == "ask_back"
