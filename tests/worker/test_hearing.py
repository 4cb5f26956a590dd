"""PocketSphinx on real voices through a telephone line, and the grammar it listens with."""

import asyncio
from functools import partial

import numpy as np
import pytest

from agents.plan import Faq
from agents.worker.embedded import grammar, recogniser
from telephony import demo
from telephony.caller.audio import decode, encode
from telephony.caller.speech import speak
from tests.worker.plan import a_plan, on_the_phone

pytestmark = pytest.mark.worker

ASKED = (
    "What are your opening hours?", "When are you open?", "Are you open on Saturday?",
    "Where is your shop?", "What is your address?", "How do I get to your shop?",
    "How much is a bicycle repair?", "What does a repair cost?", "Can I bring my bike back?",
    "What is your return policy?", "Do you rent bicycles?", "Can I hire a bike?",
    "How long does a repair take?", "I would like to speak to a person", "Thank you goodbye",
)  # fmt: skip
STRANGE = (
    "The weather in London is terrible today", "Please send me the latest newspaper",
    "My grandmother bakes wonderful apple pies", "What is the capital of France",
    "I need a taxi to the airport", "Could you play some music for me",
    "The train leaves at half past seven", "Who won the football match yesterday",
    "Tell me a joke about elephants", "I have lost my passport in the hotel",
    "How many people live in China", "Is there a doctor in the house",
    "My computer does not start anymore", "I would like a large pizza with mushrooms",
    "When was the second world war",
)  # fmt: skip


@pytest.fixture(scope="module")
def ear(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grammar")
    recogniser.save(grammar.grammar_of(a_plan(), lexicon=recogniser.lexicon), folder)
    return recogniser.Recogniser(folder)


async def heard(ear, sentences, voice):
    sounds = await asyncio.gather(*(on_the_phone(text, voice=voice) for text in sentences))
    return [ear.recognise(sound).text for sound in sounds]


@pytest.mark.parametrize("voice", ["slt", "rms", "awb"])
async def test_what_the_project_expects_is_understood_word_for_word(ear, voice):
    found = await heard(ear, ASKED, voice)
    right = sum(
        grammar.normalise(said) == grammar.normalise(got)
        for said, got in zip(ASKED, found, strict=True)
    )
    assert right >= 14, dict(zip(ASKED, found, strict=True))


@pytest.mark.parametrize("voice", ["slt", "rms", "awb"])
async def test_what_nobody_expects_is_not_taken_for_a_question(ear, voice):
    found = await heard(ear, STRANGE, voice)
    assert sum(not text for text in found) >= 13, dict(zip(STRANGE, found, strict=True))


async def test_silence_and_nothing_at_all_are_not_understood(ear):
    assert ear.recognise(bytes(32_000)).text == ""
    assert ear.recognise(b"").text == ""


def words(lexicon):
    return partial(dict.get, lexicon)


KNOWN = {
    "north": ["N AO R TH"], "wind": ["W IH N D", "W AY N D"], "bike": ["B AY K"], "is": ["IH Z"],
    "open": ["OW P AH N"], "two": ["T UW"], "four": ["F AO R"],
}  # fmt: skip


def lexicon(word):
    return KNOWN.get(word, [])


def test_a_question_with_a_word_nobody_can_pronounce_is_left_out_and_named():
    plan = a_plan(faq=(Faq(question="Is Xyzzq open?", variants=("Is bike open",), answer="Yes."),))
    made = grammar.grammar_of(plan, lexicon=lexicon)
    assert "xyzzq" in made.skipped
    assert "is bike open" in made.phrases
    assert not [phrase for phrase in made.phrases if "xyzzq" in phrase]


def test_unknown_words_are_composed_of_known_ones():
    assert grammar.pronounce("northwind", lexicon) == ["N AO R TH W IH N D"]
    assert grammar.pronounce("bikes", lexicon) == ["B AY K S"]
    assert grammar.pronounce("xyzzq", lexicon) == []


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("What’s open 24/7?", "what's open twenty four seven"),
        ("R&B, 100 %", "r and b one zero zero percent"),
        ("At 15 or 30!", "at fifteen or thirty"),
    ],
)
def test_text_becomes_the_words_people_say(text, spoken):
    assert " ".join(grammar.normalise(text)) == spoken


def test_the_grammar_holds_each_phrase_once_and_all_its_pronunciations():
    plan = a_plan(faq=(Faq(question="Is wind open?", variants=("is Wind open",), answer="Yes."),))
    made = grammar.grammar_of(plan, lexicon=lexicon)
    assert made.jsgf().count("(is wind open)") == 1
    assert "wind W IH N D\nwind(2) W AY N D\n" in made.dictionary()


async def test_a_question_whose_last_word_was_lost_is_understood(tmp_path):
    """With these phrases and this voice PocketSphinx stops before “hours”."""
    faq = tuple(
        Faq(question=e["question"], answer=e["answer"], variants=tuple(e["variants"].split("\n")))
        for e in demo.FAQ
    )
    recogniser.save(grammar.grammar_of(a_plan(faq=faq), lexicon=recogniser.lexicon), tmp_path)
    speech = decode(encode(await speak("What are your opening hours?", "awb")))
    twice = np.interp(np.arange(0, len(speech), 0.5), np.arange(len(speech)), speech)
    found = recogniser.Recogniser(tmp_path).recognise(twice.astype(np.int16).tobytes())
    assert found.guess == "what are your opening"
    assert found.text == "What are your opening hours?"
