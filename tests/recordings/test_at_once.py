"""The same news from several processes at the same moment."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connection, connections

from recordings import egress, services
from recordings.journal import take_entries
from recordings.models import Counter, JournalEntry, Recording, TurnFigure
from recordings.tally import tally
from telephony.models import Call
from tests.factories import NOW, make_call, make_plan
from tests.fakes.egress import EgressGateway
from tests.recordings.conftest import A_CALL, JOB, ROOM, opened, story, turn

AT_ONCE = 6

pytestmark = [
    pytest.mark.db,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("bucket", "livekit", "tasks_at_once"),
    pytest.mark.skipif(
        connection.vendor == "sqlite", reason="the tests' SQLite lives in memory, in one connection"
    ),
]


def at_once(work: Callable[[int], object]) -> None:
    """Do it in several threads which begin together; the first error is raised."""
    barrier = Barrier(AT_ONCE)

    def run(n: int) -> None:
        try:
            barrier.wait(timeout=10)
            work(n)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(run, range(AT_ONCE)))


def test_a_journal_delivered_by_several_at_once_is_stored_once():
    plan = make_plan()
    entries = story(opened(plan=plan.digest), *A_CALL[1:])
    parts = [entries, entries[:3], entries[3:], entries[2:5], entries[::-1], entries[1:]]
    at_once(lambda n: take_entries(journal=JOB, room=ROOM, entries=parts[n], now=NOW))
    assert JournalEntry.objects.count() == len(entries)
    call = Call.objects.get()
    assert (call.state, call.end_reason, call.caller) == ("ended", "caller", "+12025550123")
    assert take_entries(journal=JOB, room=ROOM, entries=entries, now=NOW) == 5


def test_a_recording_wanted_by_several_at_once_has_one_row():
    plan = make_plan()
    take_entries(journal=JOB, room=ROOM, entries=story(opened(plan=plan.digest)), now=NOW)
    Recording.objects.all().delete()
    call = Call.objects.get()
    at_once(lambda _: services.want_recording(call_id=call.pk, now=NOW))
    assert Recording.objects.count() == 1


def test_only_one_of_several_claims_an_egress(bucket):
    plan = make_plan()
    take_entries(journal=JOB, room=ROOM, entries=story(opened(plan=plan.digest)), now=NOW)
    recording = Recording.objects.get()
    Recording.objects.update(recorder="egress")
    gateway = EgressGateway(bucket, post_hook=lambda body: None, now=NOW)
    gateway.ring(ROOM)
    at_once(lambda _: egress.start_recording(recording_id=recording.pk, now=NOW, recorder=gateway))
    assert gateway.starts == 1
    assert Recording.objects.get().attempts == 1


def test_calls_which_are_counted_at_once_all_count():
    """They add to the same counters; and the same call counted twice counts once."""
    calls = [make_call(room=f"call_{n}", end_reason="caller") for n in range(AT_ONCE // 2)]
    for n, call in enumerate(calls):
        for number, (kind, data) in enumerate(spoken_for(0.5), start=1):
            JournalEntry.objects.create(
                call=call, journal=f"AJ_{n}", n=number, ms=0, at=NOW, kind=kind, data=data
            )
    at_once(lambda n: tally(call_id=calls[n // 2].pk, now=NOW))
    counted = dict(Counter.objects.values_list("key", "value"))
    assert counted["sessions||caller"] == len(calls)
    assert counted["cost|"] == Decimal("1.5")
    assert counted["latency|total|500"] == len(calls)
    assert TurnFigure.objects.count() == len(calls)


def spoken_for(usd: float):
    """What a voice takes for this, and the turn it spoke."""
    characters = round(usd / 50 * 1_000_000)  # of sonic-3
    yield "usage", {"role": "tts", "provider": "cartesia-tts", "characters": characters}
    yield turn("agent", "Yes.", latency={"total": 450})
