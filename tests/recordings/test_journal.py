"""What workers tell of calls: stored once, however often, late or malformed it comes."""

import json
import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from agents.entries import Entry
from recordings.journal import take_entries
from recordings.models import JournalEntry, Recording, Transcript
from telephony import services as telephony
from telephony.lifecycle import CallState
from telephony.models import Call
from tests.factories import NOW, make_plan, make_project
from tests.recordings.conftest import A_CALL, ANSWERED, JOB, ROOM, closed, opened, story, turn

pytestmark = [pytest.mark.db, pytest.mark.django_db, pytest.mark.usefixtures("tasks_at_once")]


@pytest.fixture
def ship(post, bucket, livekit, clock):
    def ship(
        entries: list[Entry], *, journal: str = JOB, room: str = ROOM, status: int = 200
    ) -> Any:
        raw = [entry.to_dict() for entry in entries]
        answer = post("journal", json.dumps({"journal": journal, "room": room, "entries": raw}))
        assert answer.status_code == status, answer.content
        return answer.json()["acked"] if status == 200 else answer.json()["error"]

    return ship


def lines() -> list[str]:
    return [segment["text"] for segment in Transcript.objects.get().segments]


def test_a_journal_makes_the_call_and_tells_its_whole_life(ship):
    plan = make_plan()
    assert ship(story(opened(plan=plan.digest), *A_CALL[1:])) == 5
    call = Call.objects.get()
    assert (call.room, call.caller, call.called, call.sip_call_id) == (
        ROOM, "+12025550123", "+12025550100", "SCL_1",
    )  # fmt: skip
    assert (call.state, call.end_reason, call.project) == ("ended", "caller", plan.project)
    assert call.plan_digest == plan.digest
    assert (call.started_at, call.answered_at, call.ended_at) == (
        NOW, NOW + timedelta(seconds=1), NOW + timedelta(seconds=5),
    )  # fmt: skip
    assert lines() == ["Hello, this is the shop.", "When are you open?", "From nine to six."]


def test_sending_a_journal_twice_changes_nothing(ship):
    assert ship(story(*A_CALL)) == 5
    before = list(Call.objects.values()), list(JournalEntry.objects.values())
    assert ship(story(*A_CALL)) == 5
    assert (list(Call.objects.values()), list(JournalEntry.objects.values())) == before
    assert Transcript.objects.count() == 1


@pytest.mark.parametrize("seed", range(5))
def test_entries_in_any_order_and_repeated_tell_the_same_call(ship, seed):
    entries = story(*A_CALL)
    shuffled = random.Random(seed).sample(entries * 2, k=len(entries) * 2)
    for entry in shuffled:
        ship([entry])
    assert ship([entries[-1]]) == 5
    call = Call.objects.get()
    assert (call.state, call.end_reason, call.caller) == ("ended", "caller", "+12025550123")
    assert call.answered_at == NOW + timedelta(seconds=1)
    assert lines() == ["Hello, this is the shop.", "When are you open?", "From nine to six."]


def test_only_what_has_no_gap_is_acknowledged(ship):
    entries = story(*A_CALL)
    assert ship(entries[2:4]) == -1
    assert ship(entries[:1]) == 0
    assert ship(entries[5:]) == 0
    assert ship(entries[1:2]) == 3
    assert ship(entries[4:5]) == 5


def test_a_known_entry_is_not_overwritten(ship):
    ship(story(opened(), turn("caller", "first")))
    ship(story(opened(caller="+12025550666"), turn("caller", "second")))
    assert JournalEntry.objects.get(n=1).data["text"] == "first"
    assert Call.objects.get().caller == "+12025550123"


def test_no_transcript_is_built_of_half_a_journal(ship):
    entries = story(*A_CALL)
    ship(entries[:3])
    telephony.move_call(room=ROOM, to=CallState.ENDED, at=NOW + timedelta(seconds=5))
    ship(entries[5:])
    assert not Transcript.objects.exists()
    ship(entries[3:5])
    assert len(lines()) == 3


def test_entries_which_come_after_the_transcript_are_put_in(ship):
    entries = story(*A_CALL)
    ship(entries[:3])
    telephony.move_call(room=ROOM, to=CallState.ENDED, at=NOW)
    Transcript.objects.create(call=Call.objects.get(), built_at=NOW)
    ship(entries[3:])
    assert len(lines()) == 3


def test_a_closed_journal_says_why_a_call_ended_which_a_hook_ended_first(ship):
    ship(story(*A_CALL[:2]))
    ended = NOW + timedelta(seconds=2)
    telephony.move_call(room=ROOM, to=CallState.ENDED, at=ended)
    assert Call.objects.get().end_reason == ""
    ship(story(closed("silence"), first=2))
    call = Call.objects.get()
    assert (call.end_reason, call.ended_at) == ("silence", ended)


@pytest.mark.parametrize(
    ("reason", "hooks_reason", "state", "said"),
    [
        ("refused", "", "failed", "refused"),
        ("unknown", "", "ended", "abandoned"),  # he had gone before the worker saw him
        ("unknown", "unknown", "ended", "unknown"),
        ("abandoned", "unknown", "ended", "abandoned"),
    ],
)
def test_a_hook_may_be_faster_than_the_journal(ship, reason, hooks_reason, state, said):
    ship(story(opened()))
    telephony.move_call(room=ROOM, to=CallState.ENDED, at=NOW, reason=hooks_reason)
    ship(story(closed(reason, answered=False), first=1))
    call = Call.objects.get()
    assert (call.state, call.end_reason) == (state, said)


@pytest.mark.parametrize(
    ("reason", "state", "said"),
    [
        ("caller", "ended", "caller"),
        ("abandoned", "ended", "abandoned"),
        ("silence", "ended", "silence"),
        ("limit", "ended", "limit"),
        ("refused", "failed", "refused"),
        ("no_agent", "failed", "no_agent"),
        ("somebody's new reason", "ended", "unknown"),
        ("error", "talking", "error"),  # another bot may take over; hooks say when he is gone
    ],
)
def test_the_last_entry_ends_the_call(ship, reason, state, said):
    ship(story(opened(), ANSWERED, closed(reason)))
    call = Call.objects.get()
    assert (call.state, call.end_reason) == (state, said)


def test_a_hand_over_is_noted_on_the_call(ship):
    ship(story(opened(), ANSWERED, ("handover", {})))
    assert Call.objects.get().handover_requested


def test_the_digits_are_lines_of_the_transcript(ship):
    ship(story(opened(), ANSWERED, ("dtmf", {"digit": "1"}), closed()))
    [segment] = Transcript.objects.get().segments
    assert (segment["digit"], segment["via"], segment["start_ms"]) == ("1", "dtmf", 2000)


def test_a_card_number_is_never_stored(ship):
    number = "4111 1111 1111 1111"
    tool = ("tool", {"name": "note", "outcome": f"card {number}"})
    ship(story(opened(), turn("caller", f"It is {number}."), tool, closed()))
    everything = json.dumps([list(JournalEntry.objects.values_list("data")), lines()])
    assert "4111" not in everything
    assert lines() == ["It is [card number]."]


def test_the_worker_knows_the_plan_even_if_the_hook_did_not(ship):
    telephony.ensure_call(room=ROOM, at=NOW)
    assert not Recording.objects.exists()
    plan = make_plan()
    ship(story(opened(plan=plan.digest)))
    assert Recording.objects.get().state == "wanted"


def test_a_project_which_does_not_record_wants_no_recording(ship):
    plan = make_plan(make_project(record=False))
    ship(story(opened(plan=plan.digest), ANSWERED, closed()))
    assert not Recording.objects.exists()


def test_a_worker_which_recorded_nothing_is_not_waited_for(ship):
    plan = make_plan()
    trouble = ("error", {"what": "recording", "detail": "No space left on the disk."})
    ship(story(opened(plan=plan.digest), ANSWERED, trouble, closed()))
    recording = Recording.objects.get()
    assert recording.state == "failed"
    assert recording.error == "The worker recorded nothing. No space left on the disk."


def test_a_worker_which_died_without_a_recording_is_not_waited_for_either(ship):
    plan = make_plan()
    ship(story(opened(plan=plan.digest), ANSWERED, closed("error")))
    assert Recording.objects.get().state == "wanted"  # another worker may take over
    telephony.move_call(room=ROOM, to=CallState.ENDED, at=NOW)
    assert Recording.objects.get().state == "failed"


def test_a_recording_the_journal_tells_of_is_waited_for(ship):
    plan = make_plan()
    ship(story(opened(plan=plan.digest), ANSWERED, ("recording", {"size": 1}), closed()))
    assert Recording.objects.get().state == "wanted"


# --- bad input ----------------------------------------------------------------------------------


def raw_entry(**changes: Any) -> dict[str, Any]:
    [entry] = story(turn("caller", "Hello"))
    return entry.to_dict() | changes


def delivery(**changes: Any) -> dict[str, Any]:
    return {"journal": JOB, "room": ROOM, "entries": [raw_entry()]} | changes


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[]", "no object"),
        (b"[" * 100_000, "no JSON"),
        (b'{"journal": NaN}', "no JSON"),
        (delivery(journal=None), "journal"),
        (delivery(journal="../../etc"), "journal"),
        (delivery(room="call_\0"), "room"),
        (delivery(room="call_" + "x" * 200), "room"),
        (delivery(room="somebody-else"), "not made by one of our rules"),
        (delivery(entries=None), "entries"),
        (delivery(entries={}), "entries"),
        (delivery(entries=[1]), "exactly n, ms, at, kind and data"),
        (delivery(entries=[raw_entry(n=-1)]), "n from 0"),
        (delivery(entries=[raw_entry(n=True)]), "whole numbers"),
        (delivery(entries=[raw_entry(n=10**40)]), "too large"),
        (delivery(entries=[raw_entry(ms=10**40)]), "too large"),
        (delivery(entries=[raw_entry(ms="0")]), "whole numbers"),
        (delivery(entries=[raw_entry(kind="rumour")]), "Unknown kind 'rumour'"),
        (delivery(entries=[raw_entry(kind=["turn"])]), "Unknown kind"),
        (delivery(entries=[raw_entry(data=[])]), "data is no object"),
        (delivery(entries=[raw_entry(at="yesterday")]), "no time with a zone"),
        (delivery(entries=[raw_entry(at="2026-11-21T10:00:00")]), "no time with a zone"),
        (delivery(entries=[raw_entry(at="2026-13-41T10:00:00Z")]), "no time with a zone"),
        (delivery(entries=[raw_entry(at="0001-01-01T00:00:00+14:00")]), "no time with a zone"),
        (delivery(entries=[raw_entry(at=5)]), "no time with a zone"),
    ],
)
def test_a_malformed_delivery_is_refused_in_words_and_leaves_nothing(post, body, words):
    answer = post("journal", body if isinstance(body, bytes) else json.dumps(body))
    assert answer.status_code == 400
    assert words in answer.json()["error"]
    assert not Call.objects.exists()
    assert not JournalEntry.objects.exists()


def test_one_bad_entry_among_good_ones_stores_none_of_them(ship):
    entries = [entry.to_dict() for entry in story(*A_CALL)]
    entries[3]["at"] = "never"
    broken = [Entry(**entry) for entry in entries]
    assert "Entry 3" in ship(broken, status=400)
    assert not JournalEntry.objects.exists()


def test_a_body_over_the_limit_is_refused_and_not_read_to_its_end(post):
    answer = post("journal", json.dumps(delivery(entries=["x" * 2**20])))
    assert answer.status_code == 400
    assert "smaller batches" in answer.json()["error"]


@pytest.mark.parametrize("token", ["", "guess", "tests-only-worker-token ", "ä"])
def test_without_the_token_nothing_is_taken(post, token):
    assert post("journal", json.dumps(delivery()), token=token).status_code == 401
    assert not Call.objects.exists()


def test_a_journal_cannot_be_claimed_for_another_call(ship):
    ship(story(*A_CALL[:2]))
    assert "belongs to another call" in ship(
        story(opened(), ANSWERED, first=2), room="call_other", status=400
    )
    assert not Call.objects.filter(room="call_other").exists()


@pytest.mark.parametrize(
    "odd",
    [
        {"text": None}, {"text": {"a": 1}}, {"text": "nul \0 half \ud83d"}, {"who": "a ghost"},
        {"start_ms": "soon"}, {"start_ms": 1e300}, {"start_ms": True}, {"end_ms": -5},
        {"latency": [1]}, {"latency": {"total": "slow", "stt": None, "llm": 1.5}},
        {"via": 7, "interrupted": "no"}, {"more": {"deep": ["\0"]}},
    ],
    ids=repr,
)  # fmt: skip
def test_an_odd_value_neither_stops_the_journal_nor_the_transcript(ship, odd):
    _, data = turn("caller", "Hello")
    assert ship(story(opened(), ("turn", data | odd), turn("agent", "Yes?", 1000), closed())) == 3
    assert Transcript.objects.get().segments[-1]["text"] == "Yes?"


def test_two_journals_of_one_call_are_told_on_one_clock(ship):
    """Its worker died, and another one took over."""
    ship(story(opened(), ANSWERED, turn("agent", "Hello.", 1500), closed("error")))
    ten_later = timedelta(seconds=10)
    second = story(opened(), ANSWERED, turn("agent", "Again.", 1000), ("dtmf", {"digit": "1"}))
    second += story(closed(), first=4)
    ship(
        [replace(e, at=(datetime.fromisoformat(e.at) + ten_later).isoformat()) for e in second],
        journal="AJ_two",
    )
    assert Call.objects.get().state == "ended"
    told = [(s["text"], s["start_ms"], s["end_ms"]) for s in Transcript.objects.get().segments]
    assert told == [("Hello.", 1500, 2000), ("Again.", 11000, 11500), ("[1]", 13000, 13000)]


def test_a_delivery_may_be_in_any_order():
    entries = story(*A_CALL)
    assert take_entries(journal=JOB, room=ROOM, entries=entries[::-1], now=NOW) == 5
    assert take_entries(journal=JOB, room=ROOM, entries=entries, now=NOW) == 5
    assert JournalEntry.objects.count() == 6
