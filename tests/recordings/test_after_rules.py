"""What a call was about, by rules: tables of what is said and what is found."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from recordings import after_patterns, after_prompt, after_rules
from recordings.after_values import decimal, parse
from recordings.after_wants import Criterion, Disposition, Field, Heard, score
from tests.recordings.after_cases import HOSTILE

pytestmark = pytest.mark.unit

ASK_BACK = "Could you say it another way?"
DAY = date(2026, 11, 21)


def heard(*said: tuple[str, str], **facts) -> Heard:
    turns = tuple({"who": who, "text": text, "via": "speech"} for who, text in said)
    usual: dict[str, Any] = {"ask_back": ASK_BACK, "day": DAY, "language": "en"}
    return Heard(turns=turns, **usual | facts)


def field(kind: str, **values) -> Field:
    return Field(name="it", type=kind, **values)


OPEN = heard(
    ("agent", "Hello, this is the shop."), ("caller", "Hi."), ("caller", "When are you open?"),
    ("agent", "From nine to six."), end_reason="caller", end_words="The caller hung up.",
)  # fmt: skip
LOST = heard(
    ("caller", "I want to give back a blue bicycle."), ("agent", "Could you say it another way?"),
    ("caller", "The blue one, I want my money back."), ("agent", ASK_BACK), end_reason="caller",
)  # fmt: skip


def test_a_summary_says_what_was_asked_and_answered_and_how_it_ended():
    assert after_rules.summary(OPEN) == (
        "The caller said “When are you open?” and spoke once more. "
        "The bot answered “From nine to six.” It ended: The caller hung up."
    )


def test_a_summary_of_silence_says_so():
    assert after_rules.summary(heard()) == "Nothing was said."
    greeted = heard(("agent", "Hello."), end_words="The caller never spoke.")
    assert after_rules.summary(greeted) == (
        "The caller said nothing. It ended: The caller never spoke."
    )


def test_a_summary_tells_of_what_was_not_understood_and_of_a_handover():
    said = after_rules.summary(LOST)
    assert "ask back 2 times" in said
    assert "The bot answered" not in said
    asked = heard(("caller", "Give me a person please"), handover=True)
    assert "asked for a person and was not put through" in after_rules.summary(asked)


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (OPEN, "yes"),
        (LOST, "no"),
        (heard(), "unknown"),
        (heard(("caller", "Hello there my friend"), end_reason="silence"), "no"),
        (heard(("caller", "What is it?"), ("agent", "This."), end_reason="unknown"), "unknown"),
        (heard(("caller", "What is it?"), ("agent", "This."), handover=True), "no"),
    ],
)
def test_whether_it_was_resolved(call, found):
    assert after_rules.resolved(call) == found


@pytest.mark.parametrize(
    ("words", "least", "most"),
    [
        ("Thank you, that was very helpful!", 0.4, 1),
        ("That is not good.", -1, -0.1),
        ("This isn't helpful at all.", -1, -0.1),
        ("No, that is great, thanks.", 0.4, 1),
        ("This is terrible and unacceptable, I am furious.", -1, -0.6),
        ("Das ist wirklich unverschämt!", -1, -0.4),
        ("Das war nicht schlecht.", 0.1, 1),
        ("شكرا", 0.2, 1),
        ("👍😀", 0.2, 1),
        ("When are you open?", 0, 0),
    ],
)
def test_sentiment_by_words_and_negation(words, least, most):
    found = after_rules.sentiment(heard(("caller", words)))
    assert found is not None
    assert least <= found <= most


def test_sentiment_counts_the_caller_only_and_knows_when_it_knows_nothing():
    assert after_rules.sentiment(heard(("agent", "Great, wonderful!"))) is None
    assert after_rules.sentiment(heard(("caller", "Bonjour"), language="fr")) is None


FILED = (
    Disposition(name="Price", words=("cost", "price list")),
    Disposition(name="Complaint", words=("complain", "not happy")),
    Disposition(name="Person", end_reason="transferred"),
)


@pytest.mark.parametrize(
    ("words", "end", "found"),
    [
        ("What does it COST?", "caller", "Price"),
        ("I complain, I am not happy with the cost", "caller", "Complaint"),
        ("costume", "caller", ""),
        ("Hello", "transferred", "Person"),
    ],
)
def test_a_disposition_by_its_words_or_its_end(words, end, found):
    call = heard(("caller", words), end_reason=end)
    assert after_rules.disposition(call, FILED) == found


def test_without_a_list_calls_are_filed_by_how_they_went():
    assert after_rules.disposition(OPEN, ()) == "Answered"
    assert after_rules.disposition(LOST, ()) == "Not understood"
    assert after_rules.disposition(heard(), ()) == "No speech"
    assert after_rules.disposition(heard(handover=True), ()) == "Handed over"


def test_followups_of_what_stayed_open():
    found = after_rules.followups(LOST)
    assert found[0] == (
        "Not understood, perhaps an entry for the FAQ: “I want to give back a blue bicycle.”"
    )
    assert after_rules.followups(OPEN) == []
    asked = heard(("caller", "A person, please"), handover=True)
    assert after_rules.followups(asked) == [
        "Call back: the caller asked for a person and was not put through."
    ]
    put_through = heard(("caller", "A person, please"), handover=True, connected=True)
    assert after_rules.followups(put_through) == []


# --- fields ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1,234.50", "1234.5"), ("1.234,50", "1234.5"), ("1,234", "1234"), ("1,5", "1.5"),
        ("1 234", "1234"), ("-7", "-7"), ("1.234.567", "1234567"), ("1" * 16, None),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(text, found):
    number = decimal(text)
    assert number == (None if found is None else Decimal(found))


@pytest.mark.parametrize(
    ("kind", "said", "found"),
    [
        ("number", "it is 4711.", Decimal(4711)),
        ("number", "no number here", None),
        ("money", "that was 49.90 euros", (Decimal("49.9"), "EUR")),
        ("money", "€ 1.234,50 please", (Decimal("1234.5"), "EUR")),
        ("money", "$5", (Decimal(5), "USD")),
        ("money", "five", None),
        ("date", "on 2026-12-24", date(2026, 12, 24)),
        ("date", "am 24.12.2026", date(2026, 12, 24)),
        ("date", "on the 3rd of March", date(2027, 3, 3)),
        ("date", "December 5th, 2026", date(2026, 12, 5)),
        ("date", "tomorrow", date(2026, 11, 22)),
        ("date", "on 2026-02-30", None),
        ("date", "29 February", None),
        ("boolean", "No, thanks", False),
        ("boolean", "ja genau", True),
        ("choice", "the big one", "Big"),
        ("choice", "bigger", None),
        ("email", "write to Ann.B@Example.com.", "ann.b@example.com"),
        ("email", "ann at example dot com", "ann@example.com"),
        ("phone", "call +1 202 555 0123", "+12025550123"),
        ("phone", "call 030 901820", "+4930901820"),
        ("phone", "1234", None),
        ("text", "  a\tb\n\x00c ", "a b c"),
    ],
)
def test_values_of_each_type(kind, said, found):
    value = parse(field(kind, choices=("Small", "Big")), said, region="DE", day=DAY)
    if kind == "money" and value:
        assert (value.number, value.text) == found
    else:
        told = value and {"number": value.number, "date": value.day, "boolean": value.flag}
        assert (value and told and told.get(kind, value.text)) == found


def test_a_field_is_found_near_its_words_or_in_the_answer_to_the_bots():
    near = heard(("caller", "I have 2 bikes and my order number is 4711."))
    found = after_rules.value_of(near, field("number", words=("order number",)))
    assert found
    assert (found.number, found.turn, found.confidence) == (Decimal(4711), 0, 0.7)
    asked = heard(("agent", "What is your order number?"), ("caller", "It's 12, I think."))
    found = after_rules.value_of(asked, field("number", words=("order number",)))
    assert found
    assert (found.number, found.turn) == (Decimal(12), 1)
    assert after_rules.value_of(near, field("number")) is None  # any number would be a guess


def test_a_field_by_its_expression():
    call = heard(("agent", "AB-1"), ("caller", "It is ab-1234, yes."))
    found = after_rules.value_of(call, field("text", pattern=r"\b([a-z]{2}-\d{4})\b"))
    assert found
    assert (found.text, found.turn, found.confidence) == ("ab-1234", 1, 0.9)


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|aa)+$", "(.*)*x", "((a))b(c)", r"(a)\1", "a*b*c*d*e", "(", "(?:a?){20}b", "["],
)
def test_an_expression_which_can_take_for_ever_is_refused(pattern):
    assert after_patterns.problem(pattern)


@pytest.mark.parametrize(
    "pattern", [r"\b([A-Z]{2}-\d{4,8})\b", r"order\s+(\d+)", r"(?:north|south)", r"[\w.+-]+@x\.de"]
)
def test_an_ordinary_expression_is_taken_and_quick(pattern):
    assert after_patterns.problem(pattern) == ""
    long = heard(("caller", "order " * 20_000))  # the suite's limit ends what takes for ever
    assert after_rules.value_of(long, field("text", pattern=pattern)) is None


# --- what a model says ----------------------------------------------------------------------------


def test_of_an_answer_is_kept_what_was_asked_and_what_a_database_holds():
    deep = "[" * 400 + "]" * 400
    text = (
        r'Sure! ```json {"summary": "a\u0000b \ud83d", "evil": 1, "sentiment": 1e999, '
        r'"fields": {"x\u0000": {"value": "y", "turn": ' + deep + "}}} ```"
    )
    assert after_prompt.read(text) == {
        "summary": "a b ?", "sentiment": None, "fields": {"x ": {"value": "y", "turn": [None]}},
    }  # fmt: skip


# --- quality --------------------------------------------------------------------------------------


def test_quality_is_weighed_over_what_rules_can_judge():
    criteria = (
        Criterion(text="Greets", weight=3, rule="bot_says", words=("this is the shop",)),
        Criterion(text="Never swears", weight=1, rule="bot_never_says", words=("damn",)),
        Criterion(text="Understands", weight=4, rule="understood"),
        Criterion(text="Is friendly", weight=50),
    )
    judged = after_rules.judge(OPEN, criteria)
    assert [one.score for one in judged] == [100, 100, 100, None]
    assert score(judged) == 100
    assert [one.score for one in after_rules.judge(LOST, criteria)] == [0, 100, 0, None]
    assert score(after_rules.judge(LOST, criteria)) == 12
    assert score(()) is None


@pytest.mark.parametrize("words", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_words_are_quoted_and_change_nothing(words):
    call = heard(("caller", words), ("agent", "All right."), end_reason="caller")
    criteria = (Criterion(text="Thanks", rule="bot_says", words=("thanks",)),)
    assert after_rules.disposition(call, FILED) == ""
    assert score(after_rules.judge(call, criteria)) == 0
    assert after_rules.followups(call) == []
    said = after_rules.summary(call)
    assert all(c.isprintable() for c in said)
    assert len(said) <= 1200


def test_a_call_of_three_hours_is_understood_like_any_other():
    said = [("caller" if n % 2 else "agent", f"What is thing {n}? " * 20) for n in range(8000)]
    call = heard(*said, end_reason="limit")
    assert "and spoke 3999 more times" in after_rules.summary(call)
    assert after_rules.sentiment(call) == 0
    assert after_rules.disposition(call, FILED) == ""
    assert after_rules.followups(call) == []
    assert after_rules.value_of(call, field("email")) is None
