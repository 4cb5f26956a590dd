"""A project's rules at work on a call's journal: nothing of what they name is kept anywhere."""

import json
import logging

import pytest
from django.apps import apps
from django.db import models

from agents.models import Project
from recordings import blind
from recordings.models import JournalEntry, RedactionCount, RedactionRules, Transcript
from recordings.tasks import build_transcript
from telephony.models import Call, Number, Trunk
from tests.factories import make_plan
from tests.recordings.conftest import ANSWERED, JOB, ROOM, closed, opened, story, turn

pytestmark = [pytest.mark.db, pytest.mark.django_db, pytest.mark.usefixtures("tasks_at_once")]

# planted values, and what would betray a part of one: long enough to be in no id and no time
CANARIES = {
    "4111 1111 1111 1111": ("4111 1111",),
    "five one zero five, one zero five one": ("one zero five",),
    "0510 5100": ("0510 5100",),
    "+1 202 555 0187": ("202 555 0187", "+12025550187"),
    "jane.canary@example.com": ("canary", "@example"),
    "DE89 3704 0044 0532 0130 00": ("3704 0044", "0532 0130"),
    "Quentin Quarzbichler": ("Quarzbichler", "Quentin"),
    "3 May 1980": ("May 1980",),
    "nine eight seven": ("nine eight",),
    "078-05-1120": ("078-05",),
    "5555555555554444": ("5555555555",),
}
CARD = ("4111 1111 1111 1111", "5555555555554444")


@pytest.fixture
def ship(post, bucket, livekit, clock):
    def ship(entries, *, journal: str = JOB):
        raw = [entry.to_dict() for entry in entries]
        answer = post("journal", json.dumps({"journal": journal, "room": ROOM, "entries": raw}))
        assert answer.status_code == 200, answer.content

    return ship


@pytest.fixture
def project() -> Project:
    make_plan()
    return Project.objects.get()


@pytest.fixture
def rules(project) -> RedactionRules:
    return RedactionRules.objects.create(
        project=project, names=True, id_patterns=r"\b\d{3}-\d{2}-\d{4}\b"
    )


def begin(project: Project):
    assert project.published
    return opened(plan=project.published.digest)


def texts() -> list[str]:
    return [segment["text"] for segment in Transcript.objects.get().segments]


def counts() -> dict[str, int]:
    return dict(RedactionCount.objects.values_list("kind", "count"))


def everything() -> str:
    """Every column of every table which may hold text."""
    kinds = (models.CharField, models.TextField, models.JSONField, models.BinaryField)
    told = []
    for model in apps.get_models():
        names = [f.attname for f in model._meta.concrete_fields if isinstance(f, kinds)]
        if names:
            rows = model._base_manager.values_list(*names)
            told += [f"{model.__name__}: {row}" for row in rows]
    return "\n".join(told)


def test_planted_values_are_nowhere_after_a_call(ship, project, rules, caplog, client):
    caplog.set_level(logging.DEBUG)
    values = list(CANARIES)
    with_tool = {
        "name": "collect_digits", "purpose": "card", "value": CARD[1],
        "outcome": f"for {values[4]}", "more": {"deep": [{"in": values[0]}, 5555555555554444]},
    }  # fmt: skip
    told = [
        begin(project), ANSWERED,
        turn("caller", f"Card {values[0]}, mail {values[4]}", 1000),
        turn("agent", f"You said {values[0]}, right?", 2000),
        turn("caller", values[1], 3000), turn("agent", "one zero five one, go on", 4000),
        turn("caller", values[2], 5000), turn("agent", "And the code on the back?", 6000),
        turn("caller", values[8], 7000), turn("caller", f"Call {values[3]}", 8000),
        turn("caller", f"My account is {values[5]}", 9000),
        turn("caller", f"My name is {values[6]}, born {values[7]}, number {values[9]}", 10_000,
             words=[{"word": "Quarzbichler,", "start_ms": 1, "end_ms": 2}, {"word": "1980"}]),
        *(("dtmf", {"digit": digit}) for digit in CARD[1]),
        ("tool", with_tool), ("error", {"what": "x", "detail": f"lost {values[0]}"}),
        closed(),
    ]  # fmt: skip
    ship(story(*told))
    page = everything() + caplog.text + "\n".join(texts())
    found = [part for parts in CANARIES.values() for part in parts if part in page]
    assert found == []
    digits = "".join(e.data["digit"] for e in JournalEntry.objects.filter(kind="dtmf"))
    assert digits == "•" * 16
    assert counts() == {
        "card": 8, "code": 1, "email": 2, "phone": 1, "iban": 1, "name": 1, "birth": 1, "id": 1,
    }  # fmt: skip


def test_the_scan_would_find_a_value_which_stayed(ship, project):
    """No rules: names stay. So the scan above can fail."""
    ship(story(begin(project), turn("caller", "My name is Quentin Quarzbichler"), closed()))
    assert "Quarzbichler" in everything()


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_a_card_over_several_turns_goes_however_the_journal_is_cut(ship, project, batch):
    entries = story(
        begin(project), turn("caller", "4111 1111", 1000), turn("agent", "Yes?", 2000),
        turn("caller", "1111", 3000), turn("caller", "1111", 4000), closed(),
    )  # fmt: skip
    for at in range(0, len(entries), batch):
        ship(entries[at : at + batch])
    assert texts() == ["[card number]", "Yes?", "[card number]", "[card number]"]
    assert counts() == {"card": 1}


def test_entries_in_the_wrong_order_are_masked_when_the_transcript_is_built(ship, project):
    entries = story(
        begin(project), turn("caller", "4111 1111", 1000), turn("caller", "1111", 3000),
        turn("caller", "1111", 4000), closed(),
    )  # fmt: skip
    for entry in reversed(entries):
        ship([entry])
    assert texts() == ["[card number]"] * 3
    assert "1111" not in everything()


def test_telling_and_building_again_counts_nothing_twice(ship, project, rules):
    entries = story(begin(project), turn("caller", "4111111111111111, me@example.com"), closed())
    for _ in range(3):
        ship(entries)
        build_transcript(call_id=Call.objects.get().pk)
    assert counts() == {"card": 1, "email": 1}


def test_a_masked_turn_knows_when_and_what_but_not_which(ship, project):
    ship(story(begin(project), turn("caller", "It is 4111111111111111.", 5000), closed()))
    data = JournalEntry.objects.get(kind="turn").data
    [span] = data["masked"]
    assert span["kind"] == "card"
    assert span["start_ms"] < 5500 < span["end_ms"] + 1
    assert "4111" not in json.dumps(data)


def test_a_worker_does_not_tell_what_was_masked(ship, project):
    ship(story(begin(project), turn("caller", "Hello", masked=[{"kind": "x"}]), closed()))
    assert "masked" not in JournalEntry.objects.get(kind="turn").data


def test_a_projects_own_numbers_and_addresses_may_be_said(ship, project, rules):
    trunk = Trunk.objects.filter(rules__project=project).first()
    if trunk is None:
        trunk = Trunk.objects.create(name="Own")
        project.rules.create(name="Own", enabled=False).trunks.add(trunk)
    Number.objects.create(e164="+12025550188", trunk=trunk)
    rules.allowed = "+12025550189\ninfo@example.com\n"
    rules.save()
    said = "202 555 0188 or 202 555 0189 or info at example dot com or 202 555 0187"
    ship(story(begin(project), turn("caller", said), closed()))
    assert texts() == [said.replace("202 555 0187", "[phone number]")]


def test_without_rules_only_cards_and_codes_go(ship, project):
    said = "4111111111111111, cvv 123, me@example.com, 202 555 0187"
    ship(story(begin(project), turn("caller", said), closed()))
    assert texts() == ["[card number], cvv [security code], me@example.com, 202 555 0187"]


def test_a_call_of_no_project_is_redacted_too(ship):
    ship(story(opened(), turn("caller", "4111111111111111"), closed()))
    assert texts() == ["[card number]"]


@pytest.mark.parametrize(
    ("language", "region"), [("de", "DE"), ("de-AT", "AT"), ("en", "US"), ("xx", "US")]
)
def test_a_projects_language_says_whose_numbers_are_told(language, region):
    assert blind.region_of(language) == region
