"""What only several turns together show is masked in each of them."""

from dataclasses import replace

import pytest

from recordings.redaction import Kind, Rules, masked
from recordings.spanning import Line, spanning
from recordings.timing import span_of, without

pytestmark = pytest.mark.unit

ALL = Rules(kinds=frozenset(Kind))


def caller(text: str) -> Line:
    return Line(who="caller", text=text)


def agent(text: str) -> Line:
    return Line(who="agent", text=text)


def keys(digits: str, *, apart_ms: int = 500) -> list[Line]:
    return [
        Line(who="caller", text=digit, key=True, at_ms=n * apart_ms)
        for n, digit in enumerate(digits)
    ]


def stored(*lines: Line, rules: Rules = ALL) -> list[str]:
    found = spanning(lines, rules)
    return [masked(line.text, found.hits.get(n, [])) for n, line in enumerate(lines)]


def test_a_card_told_in_groups_over_several_turns_is_masked_in_each():
    assert stored(
        agent("Your card number, please."), caller("It is 4111"), agent("Yes?"),
        caller("one one one one"), agent("And then?"), caller("1111"), agent("Go on."),
        caller("1111, that is all."),
    ) == [
        "Your card number, please.", "It is [card number]", "Yes?",
        "[card number]", "And then?", "[card number]", "Go on.",
        "[card number], that is all.",
    ]  # fmt: skip


def test_it_counts_as_one_card():
    lines = [caller("4111 1111"), caller("1111"), caller("1111")]
    assert spanning(lines, ALL).counts == {"card": 1}


def test_groups_which_the_bot_reads_back_are_masked_too():
    assert stored(
        caller("5105 1051"), agent("5105 1051, go on."), caller("0510 5100"),
        agent("It ends with five one zero zero. That will be 250 euros."),
    ) == [
        "[card number]", "[card number], go on.", "[card number]",
        "It ends with [card number]. That will be 250 euros.",
    ]  # fmt: skip


def test_numbers_of_several_turns_which_make_no_card_stay():
    lines = (
        agent("How many?"), caller("Two of number 4711"), agent("And the colour?"),
        caller("1200"), agent("Your postal code?"), caller("10115"), caller("one"),
    )  # fmt: skip
    assert stored(*lines) == [line.text for line in lines]


def test_a_telephone_number_and_an_iban_span_turns_too_where_they_are_wanted():
    lines = caller("two oh two"), caller("five five five"), caller("oh one two three")
    assert stored(*lines) == ["[phone number]"] * 3
    assert stored(*lines, rules=Rules()) == [line.text for line in lines]
    assert stored(caller("DE89 3704 0044"), agent("Yes"), caller("0532 0130 00")) == [
        "[IBAN]", "Yes", "[IBAN]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("question", "answer", "kept"),
    [
        ("What is the security code?", "123", "[security code]"),
        ("The three digits on the back, please.", "It's one two three.", "It's [security code]."),
        ("When were you born?", "On the third of May 1980", "On the [date of birth]"),
        ("May I have your name?", "Jane Smith", "[name]"),
        ("What is your full name?", "yes, it's jane smith", "yes, it's [name]"),
        ("How many?", "123", "123"),
        ("Is that your name?", "No, I want to order", "No, I want to order"),
        ("What is your name?", "Why do you ask", "Why do you ask"),
    ],
)
def test_a_question_says_what_its_answer_is(question, answer, kept):
    assert stored(agent(question), caller(answer))[1] == kept


def test_a_security_code_goes_whatever_the_rules_are_and_a_birthday_does_not():
    asked = agent("Security code and date of birth?")
    assert stored(asked, caller("123"), rules=Rules())[1] == "[security code]"
    assert stored(agent("Date of birth?"), caller("3 May 1980"), rules=Rules())[1] == "3 May 1980"


def test_digits_pressed_in_a_row_which_are_a_card_are_masked():
    found = spanning([*keys("4111111111111111"), *keys("#")], Rules())
    assert sorted(found.hits) == list(range(16))
    assert found.counts == {"card": 1}


def test_a_card_among_other_keys_is_found_and_the_others_stay():
    found = spanning(keys("14111111111111111"), Rules())
    assert sorted(found.hits) == list(range(1, 17))


@pytest.mark.parametrize(
    "lines",
    [
        keys("12345678"),
        keys("4111111111111112"),
        [*keys("41111111"), *keys("*"), *keys("11111111")],
        [replace(key, at_ms=n * 61_000) for n, key in enumerate(keys("4111111111111111"))],
    ],
    ids=["short", "checksum", "star between", "minutes apart"],
)
def test_other_keys_stay(lines):
    assert spanning(lines, Rules()).hits == {}


def test_what_the_bot_says_between_two_keys_changes_nothing():
    first, second = keys("41111111"), [replace(k, at_ms=9000) for k in keys("11111111")]
    found = spanning([*first, agent("Go on."), *second], Rules())
    assert len(found.hits) == 16


def test_looking_again_finds_nothing_more():
    lines = [caller("4111 1111"), agent("Security code?"), caller("1111 1111"), caller("123")]
    found = spanning(lines, ALL)
    again = [replace(x, text=masked(x.text, found.hits.get(n, []))) for n, x in enumerate(lines)]
    assert spanning(again, ALL).hits == {}


# --- when it was said ---------------------------------------------------------------------------


def test_a_part_lies_where_its_share_of_the_text_lies_and_a_little_around():
    text = "x" * 100
    start, end = span_of(text, 50, 60, start_ms=10_000, end_ms=20_000)
    assert 14_000 < start < 15_000 - 400
    assert 16_000 + 400 < end < 17_000


def test_known_times_of_words_are_taken():
    words = [
        {"word": "card", "start_ms": 0, "end_ms": 300},
        {"word": "4111", "start_ms": 5000, "end_ms": 6000},
    ]
    assert span_of("card 4111", 5, 9, start_ms=0, end_ms=9000, words=words) == (4800, 6200)


def test_of_a_turn_whose_length_nobody_measured_all_around_is_masked():
    start, end = span_of("4111 1111 1111 1111", 0, 19, start_ms=5000, end_ms=5000)
    assert start <= 5000 - 19 * 40
    assert end >= 5000 + 19 * 40


def test_the_words_of_a_masked_part_are_hidden_and_malformed_ones_left_out():
    words = [
        {"word": "card", "start_ms": 0, "end_ms": 1},
        {"word": "4111", "start_ms": 1, "end_ms": 2},
        {"word": "elsewhere", "start_ms": 1, "end_ms": 2},
        {"word": 4111}, "4111", None,
    ]  # fmt: skip
    kept = without("card 4111", words, [(5, 9)])
    assert [word["word"] for word in kept] == ["card", "•", "•"]
