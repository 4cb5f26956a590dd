"""Where text is cut for a voice, and what a second model must not say again."""

import pytest

from agents.worker.chain.clauses import is_finished, pieces, settled, without_repeat

pytestmark = pytest.mark.unit

ANSWER = "Yes, we are open today, from 9.30 to 6 p.m. at the shop. Dr. Smith is in. Anything else?"


async def stream(text, size):
    for start in range(0, len(text), size):
        yield text[start : start + size]


@pytest.mark.parametrize("size", [1, 4, 1000])
async def test_sentences_are_cut_where_they_end(size):
    found = [piece async for piece in pieces(stream(ANSWER, size), first_clause=False)]
    assert [piece.strip() for piece in found] == [
        "Yes, we are open today, from 9.30 to 6 p.m. at the shop.",
        "Dr. Smith is in.",
        "Anything else?",
    ]
    assert "".join(found) == ANSWER


@pytest.mark.parametrize("size", [1, 4, 1000])
async def test_the_first_piece_ends_where_a_voice_can_breathe(size):
    found = [piece async for piece in pieces(stream(ANSWER, size), first_clause=True)]
    assert found[0] == "Yes, we are open today, "
    assert found[1] == "from 9.30 to 6 p.m. at the shop. "
    assert "".join(found) == ANSWER


async def test_a_number_is_not_cut_at_its_comma():
    found = [
        piece async for piece in pieces(stream("It costs 1,250 dollars.", 3), first_clause=True)
    ]
    assert found == ["It costs 1,250 dollars."]


def test_what_is_settled_ends_at_a_clause():
    assert settled("We are open, from nine to") == len("We are open, ")
    assert settled("We are open,") == 0  # a digit might follow
    assert settled("We are") == 0


@pytest.mark.parametrize(
    ("spoken", "more", "left"),
    [
        # began again from the start
        (
            "We are open from nine, ",
            "We are open from nine, to six on weekdays.",
            "to six on weekdays.",
        ),
        # … with other punctuation
        ("We are open from nine, ", "we are open from nine to six.", "to six."),
        # began its last sentence again
        ("Yes. We are open, ", "We are open until six.", "until six."),
        # went on as asked
        ("We are open, ", "until six on weekdays.", "until six on weekdays."),
        # says all of it and nothing more
        ("We are open.", "We are open.", ""),
        ("", "Hello.", "Hello."),
    ],
)
def test_what_was_said_is_not_said_again(spoken, more, left):
    assert without_repeat(spoken, more) == left


def test_a_sentence_ends_with_its_mark():
    assert is_finished("We are open.")
    assert is_finished("Are you “there?” ")
    assert not is_finished("We are open from")
