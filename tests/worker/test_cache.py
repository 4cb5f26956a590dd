# ruff: noqa: E501
"""The FAQ cache: right or silent. Chosen on two projects' questions, checked on a hotel's."""

import pytest

from agents.plan import Faq
from agents.worker.cache import FaqCache
from telephony import demo
from tests.worker.cache_cases import NEAR_MISSES, PARAPHRASES
from tests.worker.plan import a_plan

pytestmark = pytest.mark.worker

DEMO = tuple(
    Faq(question=e["question"], variants=tuple(e["variants"].splitlines()), answer=e["answer"])
    for e in demo.FAQ
)
DENTIST = (
    Faq(
        question="How do I make an appointment?",
        variants=(
            "Can I book an appointment?",
            "I need an appointment",
            "I want to see the dentist",
        ),
        answer="You can book on our web page, or press zero and a colleague will help you.",
    ),
    Faq(
        question="How do I cancel my appointment?",
        variants=("Can I cancel an appointment?", "I can't come to my appointment"),
        answer="Please call us a day before, otherwise we have to charge thirty euros.",
    ),
    Faq(
        question="Which insurances do you accept?",
        variants=("Do you take my insurance?", "Does insurance pay for the treatment?"),
        answer="We accept all public and private insurances.",
    ),
    Faq(
        question="What does teeth whitening cost?",
        variants=("How much is whitening?", "Do you whiten teeth?"),
        answer="Whitening costs two hundred and fifty euros.",
    ),
    Faq(
        question="What should I do in an emergency?",
        variants=("I have a terrible toothache", "Is there an emergency service?"),
        answer="In an emergency come at once, we will make room for you.",
    ),
)
OTHER_WORDS = {
    "can i make an appointment": 0, "i would like to book an appointment": 0,
    "how can i get an appointment with the dentist": 0, "i want to schedule an appointment": 0,
    "can i cancel my appointment": 1, "i need to cancel my appointment": 1,
    "how can i cancel the appointment": 1, "i cannot come to my appointment": 1,
    "which insurance do you accept": 2, "do you accept my insurance": 2,
    "what insurances do you take": 2, "will insurance pay for my treatment": 2,
    "how much does whitening cost": 3, "what is the price of teeth whitening": 3,
    "can you whiten my teeth": 3, "how expensive is teeth whitening": 3,
    "i have an emergency": 4, "what do i do in an emergency": 4,
    "my tooth hurts terribly": 4, "do you have an emergency service": 4,
}  # fmt: skip
OTHER_MATTERS = (
    "can i move my appointment to friday", "when is my next appointment", "how long is an appointment",
    "do i need a referral for an appointment", "who will see me at my appointment",
    "can i bring my child to my appointment", "did you cancel my appointment",
    "what happens when i miss my appointment", "can i cancel my insurance", "where is your practice",
    "how do i change my insurance data", "do you sell dental insurance", "what does an implant cost",
    "how much does a filling cost", "does whitening hurt", "how long does whitening last",
    "is whitening bad for my teeth", "can i whiten my teeth at home", "do you do root canals",
    "what does a check-up cost", "are you open on sunday", "can i park at the practice",
    "do you treat children", "i lost a filling", "how do i brush my teeth", "can i pay in instalments",
    "send me the invoice again", "which toothbrush do you recommend", "are you a robot",
    "is the dentist a woman", "do you speak french", "can i speak to the manager",
    "what is the number of the emergency exit", "is there an emergency number for pets",
)  # fmt: skip

HOTEL = (
    Faq(
        question="When is breakfast?",
        variants=("What time is breakfast served?", "Is breakfast included?"),
        answer="Breakfast is included and served from seven to ten.",
    ),
    Faq(
        question="When can I check in?",
        variants=("What time is check-in?", "Can I arrive late at night?"),
        answer="You can check in from three in the afternoon, and at any hour of the night.",
    ),
    Faq(
        question="Do you have a swimming pool?",
        variants=("Is there a pool?", "Does the hotel have a spa?"),
        answer="Yes, there is a pool and a spa on the top floor.",
    ),
    Faq(
        question="Are dogs allowed?",
        variants=("Can I bring my dog?", "Do you accept pets?"),
        answer="Dogs are welcome for ten euros a night.",
    ),
)
HOTEL_WORDS = {
    "at what time is breakfast": 0, "when do you serve breakfast": 0, "what are the breakfast times": 0,
    "until when is breakfast served": 0, "is breakfast included in the price": 0,
    "what time can i check in": 1, "when does check-in start": 1, "from when can i check in": 1,
    "is it possible to check in at night": 1, "what is the check-in time": 1,
    "do you have a pool": 2, "does the hotel have a swimming pool": 2, "is there a spa": 2,
    "is there a swimming pool in the hotel": 2, "can i bring a dog": 3, "are pets allowed": 3,
    "do you allow dogs": 3, "is my dog welcome": 3, "can i bring my pet": 3, "do you accept dogs": 3,
}  # fmt: skip
HOTEL_MATTERS = (
    "when is dinner", "can i have breakfast in my room", "is the breakfast vegan", "how much is the room",
    "when do i have to check out", "can i check in online", "can someone else check in for me",
    "did my bag get checked in", "can i check out late", "is the pool heated", "how deep is the pool",
    "does the pool cost extra", "can i play pool in the bar", "are children allowed in the pool",
    "is there a gym", "can i book a massage", "is smoking allowed", "are visitors allowed",
    "do you have hot dogs", "is there a vet nearby", "can i leave my dog alone in the room",
    "do you have parking", "is there wifi", "how far is the airport", "can i cancel my booking",
    "is there a room free tonight", "do you have a shuttle", "i lost my key", "the shower is broken",
    "i want to book a table for dinner", "what is there to see in town", "do you have family rooms",
)  # fmt: skip


@pytest.fixture(scope="module")
def demo_cache(tmp_path_factory):
    return FaqCache(a_plan(faq=DEMO), tmp_path_factory.mktemp("demo"))


async def judged(cache, plan, expected):
    """Right, wrong and missed answers: question → index of its entry or None."""
    right, wrong, missed = [], [], []
    for asked, entry in expected.items():
        answer = await cache.answer(asked)
        if answer is None:
            missed.append(asked)
        elif entry is not None and answer == plan[entry].answer:
            right.append(asked)
        else:
            wrong.append((asked, answer))
    return right, wrong, missed


async def test_no_wrong_answer_on_the_questions_it_was_made_with(demo_cache):
    asked = [entry.question for entry in DEMO]
    expected = {q: asked.index(e) for q, e in PARAPHRASES.items()} | dict.fromkeys(NEAR_MISSES)
    right, wrong, _ = await judged(demo_cache, DEMO, expected)
    assert wrong == []
    assert len(right) >= 0.6 * len(PARAPHRASES)


@pytest.mark.parametrize(
    ("faq", "same", "others"),
    [(DENTIST, OTHER_WORDS, OTHER_MATTERS), (HOTEL, HOTEL_WORDS, HOTEL_MATTERS)],
    ids=["dentist", "hotel"],
)
async def test_no_wrong_answer_in_another_trade(tmp_path, faq, same, others):
    cache = FaqCache(a_plan(faq=faq), tmp_path)
    right, wrong, _ = await judged(cache, faq, same | dict.fromkeys(others))
    assert wrong == []
    assert len(right) >= 0.4 * len(same)


async def test_what_needs_live_data_and_what_leans_on_the_talk_goes_to_the_model(tmp_path):
    live = Faq(question="Where is my order?", answer="In five days.", live=True)
    cache = FaqCache(a_plan(faq=(live, *DEMO[:1])), tmp_path)
    assert await cache.answer("Where is my order?") is None
    assert await cache.answer("and when are you open then") is None
    assert await cache.answer("When are you open?") == DEMO[0].answer


async def test_two_projects_do_not_share_answers(tmp_path, demo_cache):
    other = (Faq(question="When are you open?", answer="Never."),)
    cache = FaqCache(a_plan(faq=other), tmp_path)
    assert await cache.answer("When are you open?") == "Never."
    assert await demo_cache.answer("When are you open?") == DEMO[0].answer


async def test_a_question_is_looked_at_once(tmp_path, monkeypatch):
    """It is decided while the caller says its last word; then it is only looked up."""
    cache = FaqCache(a_plan(faq=DENTIST), tmp_path)
    asked = []
    decide = cache._decide

    def counted(text):
        asked.append(text)
        return decide(text)

    monkeypatch.setattr(cache, "_decide", counted)
    cache.look_ahead("how can i cancel the appointment")
    answer = await cache.answer("How can I cancel the appointment?")
    assert answer == DENTIST[1].answer
    assert await cache.answer("how can I cancel the appointment") == answer
    assert len(asked) == 1


async def test_an_answer_is_known_once_it_is_decided(tmp_path):
    faq = (*DENTIST, Faq(question="Is the doctor in today?", variants=(), answer="", live=True))
    cache = FaqCache(a_plan(faq=faq), tmp_path)
    assert cache.known("Do you whiten teeth?") == DENTIST[3].answer
    assert cache.known("Is the doctor in today?") is None
    assert cache.known("how can i cancel the appointment") is None
    await cache.answer("how can i cancel the appointment")
    assert cache.known("How can I cancel the appointment?") == DENTIST[1].answer


async def test_what_is_in_the_plan_needs_no_look(tmp_path, monkeypatch):
    cache = FaqCache(a_plan(faq=DENTIST), tmp_path)
    monkeypatch.setattr(cache, "_decide", lambda text: pytest.fail("computed"))
    cache.look_ahead("Do you whiten teeth?")
    assert await cache.answer("do you whiten teeth") == DENTIST[3].answer
