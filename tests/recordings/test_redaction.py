"""What is taken out of words before they are stored."""

import random

import pytest

from recordings.finders_bank import passes_luhn
from recordings.redaction import MASK, Kind, Rules, find, masked, redact, redacted
from tests.recordings.redaction_cases import (
    CASES,
    GERMAN,
    KNOWN_EXTRAS,
    KNOWN_MISSES,
    RULES,
    Row,
    Score,
    scored,
)

pytestmark = pytest.mark.unit

EVERYTHING = [RULES, GERMAN]


@pytest.mark.parametrize(
    ("row", "rules"), CASES, ids=[f"{n} {row[0][:40]}" for n, (row, _) in enumerate(CASES)]
)
def test_a_row_of_the_table_is_masked_as_it_says(row: Row, rules: Rules):
    assert Score().add(row, rules) == (row[0] not in KNOWN_MISSES | KNOWN_EXTRAS)


def test_the_table_is_long_and_every_kind_is_found_and_nothing_else():
    assert len(CASES) >= 120
    score = scored()
    for kind in Kind:
        assert score.precision(kind) >= 0.95, kind
        assert score.recall(kind) >= 0.95, kind


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("It is 4111 1111 1111 1111.", f"It is {MASK}."),
        ("6011000990139424 or 5555555555554444", f"{MASK} or {MASK}"),
        ("four one one one " + "one one one one " * 3, f"{MASK} "),
        ("cvv 123", "cvv [security code]"),
        ("Call +12025550123, please", "Call +12025550123, please"),
        ("Write to me@example.com", "Write to me@example.com"),
        ("My name is Jane", "My name is Jane"),
        ("", ""),
    ],
)
def test_without_rules_cards_and_their_codes_go_and_nothing_else(said, stored):
    assert redact(said) == stored


@pytest.mark.parametrize("rules", EVERYTHING)
def test_redacting_twice_changes_nothing_more(rules):
    for (said, _), _own in CASES:
        once = redacted(said, rules)
        again = redacted(once.text, rules)
        assert (again.text, again.counts) == (once.text, {})


def test_counts_are_kept_and_values_are_not():
    said = "Cards 4111111111111111 and 5555555555554444, mail me@example.com"
    told = redacted(said, RULES)
    assert told.counts == {"card": 2, "email": 1}
    assert "4111" not in repr(told)
    assert "example" not in repr(told)


def test_hits_say_where_they_were():
    said = "It is 4111111111111111."
    [hit] = find(said, RULES)
    assert said[hit.start : hit.end] == "4111111111111111"
    assert masked(said, [hit]) == redact(said)


# --- numbers nobody wrote into the table ---------------------------------------------------------

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
ISSUED = (("4", 16), ("51", 16), ("2221", 16), ("34", 15), ("37", 15), ("6011", 16), ("36", 14))


def a_card(dice: random.Random) -> str:
    prefix, length = dice.choice(ISSUED)
    body = prefix + "".join(dice.choice("0123456789") for _ in range(length - len(prefix) - 1))
    return next(body + last for last in "0123456789" if passes_luhn(body + last))


def told(card: str, way: int, dice: random.Random) -> str:
    groups = [card[at : at + 4] for at in range(0, len(card), 4)]
    if way < 4:
        return (" ", "-", ".", ", ")[way].join(groups)
    if way == 4:
        return "".join(chr(ord("\uff10") + int(digit)) for digit in card)
    if way == 5:
        return "".join(chr(ord("\u0660") + int(digit)) for digit in card)
    spoken = [" ".join(WORDS[int(digit)] for digit in group) for group in groups]
    return dice.choice([" ", ", ", " uh ", ". ", " and then ", ", okay, "]).join(spoken)


@pytest.mark.parametrize("way", range(7))
def test_any_card_told_in_any_of_these_ways_is_found(way):
    dice = random.Random(way)
    for _ in range(150):
        card = a_card(dice)
        said = f"Well, it is {told(card, way, dice)}, thank you"
        assert redact(said) == f"Well, it is {MASK}, thank you", said


def test_of_numbers_which_fail_the_checksum_none_is_taken():
    dice = random.Random(7)
    numbers = ["".join(dice.choice("0123456789") for _ in range(16)) for _ in range(500)]
    wrong = [number for number in numbers if not passes_luhn(number)]
    assert len(wrong) > 400
    assert [number for number in wrong if redact(f"Order {number}") != f"Order {number}"] == []


@pytest.mark.parametrize(
    "said",
    ["1 " * 20_000, "one " * 20_000, "a at " * 20_000, "my name is " * 5_000, "born " * 5_000,
     "cvv " * 5_000 + "123", "a" * 100_000, "a." * 50_000 + "@", "DE89 " * 10_000],
    ids=lambda said: said[:8],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_a_long_odd_text_is_looked_through_in_time(said):
    assert isinstance(redacted(said, RULES).text, str)
