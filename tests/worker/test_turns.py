"""How long to wait for which words."""

import pytest

from agents.worker.turns import (
    COMPLETE_S,
    DIGITS_S,
    LIKELY_S,
    MAX_S,
    expected_after,
    longest_wait_s,
)

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Would you like me to book it?", "yes_no"),
        ("Fine. Is that right?", "yes_no"),
        ("Would you like the red one or the blue one?", "sentence"),
        ("What is your order number?", "digits"),
        ("Please tell me your date of birth.", "digits"),
        ("We are open from nine to six.", "sentence"),
        ("How can I help you?", "sentence"),
        ("", "sentence"),
    ],
)
def test_what_the_bot_asked_tells_what_comes(said, expected):
    assert expected_after(said) == expected


@pytest.mark.parametrize(
    ("heard", "expected", "longest"),
    [
        ("Yes, please.", "yes_no", COMPLETE_S),
        ("No.", "yes_no", COMPLETE_S),
        ("Yes, but I", "yes_no", MAX_S),
        ("four seven one", "digits", DIGITS_S),
        ("It is 4 7 1", "digits", DIGITS_S),
        ("When are you open?", "sentence", LIKELY_S),
        ("I would like to", "sentence", MAX_S),
        ("I would like to.", "sentence", MAX_S),
        ("my bike is broken", "sentence", MAX_S),
        ("Yes.", "sentence", MAX_S),
        ("", "sentence", MAX_S),
    ],
)
def test_complete_words_are_answered_sooner(heard, expected, longest):
    assert longest_wait_s(heard, expected, grammar=False) == longest


def test_a_phrase_of_the_grammar_is_complete_and_an_unclear_one_is_not():
    assert longest_wait_s("When are you open?", "sentence", grammar=True) == COMPLETE_S
    assert longest_wait_s("[unclear]", "sentence", grammar=True) == MAX_S
