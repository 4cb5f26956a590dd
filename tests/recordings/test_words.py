"""What counts as a word, what a query means, and which part of a text is shown."""

import random

import pytest

from recordings import queries
from recordings.queries import MOST_TERMS, Term, parse
from recordings.snippets import WIDTH, snippet
from recordings.words import LONGEST, forms, words

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("When are you OPEN?", ["when", "are", "you", "open"]),
        ("Don't e-mail a_b", ["don", "t", "e", "mail", "a", "b"]),
        ("Äpfel in der STRASSE, straße", ["apfel", "in", "der", "strasse", "strasse"]),
        ("e\u0301te\u0301 été", ["ete", "ete"]),
        ("فَتْحُ الباب", ["فتح", "الباب"]),
        ("天気は ２５", ["天", "気", "は", "25"]),
        ("call 😀 +1 202-555-0100", ["call", "1", "202", "555", "0100"]),
        ("\0 \ud800 '\"*:&|!()<->", []),
        ("x" * 500, ["x" * LONGEST]),
        ("", []),
    ],
)
def test_a_word_has_one_form_however_it_is_written(text, found):
    assert forms(text) == found


def test_a_word_knows_where_it_stands():
    text = "Die Äpfel, bitte"
    assert [text[word.begin : word.end] for word in words(text)] == ["Die", "Äpfel", "bitte"]


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted"),
    [
        ("open hours", [("open",), ("hours",)], []),
        ('"opening hours" today', [("opening", "hours"), ("today",)], []),
        ("“opening hours”", [("opening", "hours")], []),
        ("open -closed -\"on monday\"", [("open",)], [("closed",), ("on", "monday")]),
        ("e-mail", [("e", "mail")], []),
        ("open open OPEN", [("open",)], []),
        ('"no end', [("no", "end")], []),
        ("- -- \"\" * ' )", [], []),
        ("cash OR card", [("cash",), ("or",), ("card",)], []),
    ],
)  # fmt: skip
def test_a_query_is_words_phrases_and_what_is_not_wanted(text, wanted, unwanted):
    query = parse(text)
    assert [term.forms for term in query.wanted] == wanted
    assert [term.forms for term in query.unwanted] == unwanted


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("open*", Term(("open",), is_beginning=True)),
        ('"credit ca*"', Term(("credit", "ca"), is_beginning=True)),
        ('"credit ca"*', Term(("credit", "ca"), is_beginning=True)),
        ("a*", Term(("a",))),  # most words begin with some letter
        ("*open", Term(("open",))),
    ],
)
def test_a_star_asks_for_a_beginning(text, term):
    assert parse(text).wanted == (term,)


def test_a_query_has_a_most():
    assert len(parse(" ".join(f"w{n}" for n in range(100))).wanted) == MOST_TERMS
    assert parse("-only -this").is_empty


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('open "the hours" -never', "'open' & 'the' & 'hours'"),
        ("canc* ca*", "'canc':*"),
        ("ca*", ""),
    ],
)
def test_what_the_index_must_fetch_is_estimated_by_telling_words(text, told):
    assert queries.for_postgresql_loosely(parse(text)) == told


def test_databases_are_given_letters_and_digits_only():
    """Of whatever anybody types: 2,000 queries of what operators are made of."""
    rng = random.Random(7)
    parts = ['"', "'", "\\", "*", "-", ":", "&", "|", "!", "(", ")", "<->", "NEAR(", "AND ", "\0",
             "{x}:", "^", "😀", "فتح", "; DROP TABLE x", "%", "a", "the ", "\ud83d", "é",
             "\n"]  # fmt: skip
    for _ in range(2000):
        query = parse("".join(rng.choices(parts, k=rng.randint(1, 40))))
        if query.is_empty:
            continue
        for told in (queries.for_postgresql(query), queries.for_sqlite(query)):
            assert not set(told) & set("\\;\0^{}%😀\n\ud83d")
        quoted = queries.for_sqlite(query).split('"')[1::2]
        assert all(forms(inside) == inside.split(" ") for inside in quoted)


def shown(text: str, query: str) -> str:
    return "".join(
        f"[{segment.text}]" if segment.is_match else segment.text
        for segment in snippet(text, parse(query))
    )


@pytest.mark.parametrize(
    ("text", "query", "found"),
    [
        ("When are you open? Open now.", "open", "When are you [open]? [Open] now."),
        ("Opening hours and hours", '"opening hours"', "[Opening hours] and hours"),
        ("The opening of it", "open* the", "[The] [opening] of it"),
        ("Die ÄPFEL", "apf*", "Die [ÄPFEL]"),
        ("Say <script>alert(1)</script>", "alert", "Say <script>[alert](1)</script>"),
        ("一天気二", "天気", "一[天気]二"),
        ("Nothing of it", "else", "Nothing of it"),
    ],
)
def test_what_was_found_is_marked(text, query, found):
    assert shown(text, query) == found


def test_of_a_long_text_the_part_with_the_match_is_shown():
    long = "word " * 200 + "needle " + "more " * 200
    found = shown(long, "needle")
    assert found.startswith("…word")
    assert found.endswith("…")
    assert "[needle]" in found
    assert len(found) < WIDTH + 10
    assert shown("x" * 1000, "needle") == "x" * WIDTH + "…"
