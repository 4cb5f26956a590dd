"""Two workers want the last slot and one gets it. Each has a connection of its own."""

import threading
from typing import Any

import pytest
from django.db import connection, connections, transaction

from telephony import caps, outbound
from telephony.errors import CallNotAllowed
from telephony.models import Batch, Call, OutboundCall, Trunk, TrunkUse
from tests.factories import NOW, make_plan, make_project, make_trunk

pytestmark = [pytest.mark.db, pytest.mark.django_db(transaction=True)]

WORKERS = 8


@pytest.fixture
def line(livekit, request):
    """Many calls which wait for one trunk."""
    if connection.vendor == "sqlite":
        pytest.skip(
            "SQLite's test database is in memory and has one connection; test_postgres runs this"
        )
    project = make_project()
    make_plan(project)
    trunk = make_trunk(
        number="", name="Out", direction="outbound", address="127.0.0.1:5070",
        caller_ids=["+12025550100"], remote_id="ST_out", max_calls=3, max_calls_per_s=1000,
    )  # fmt: skip
    TrunkUse.objects.create(trunk=trunk)
    return project, trunk


def waiting(line: Any, **values: Any) -> OutboundCall:
    project, trunk = line
    return OutboundCall.objects.create(
        to="+12025550123", project=project, trunk=trunk, caller_id="+12025550100", next_at=NOW,
        requested_at=NOW, **values,
    )  # fmt: skip


def at_once(works: list[Any]) -> list[Any]:
    """Each in a thread with a connection of its own, all let go together."""
    gate, found = threading.Barrier(len(works)), []

    def run(work: Any) -> None:
        try:
            gate.wait(10)
            found.append(work())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == len(works)
    return found


def take(row: OutboundCall, trunk: Trunk, n: int) -> bool:
    from datetime import timedelta

    with transaction.atomic():
        return not caps.take(
            outbound_id=row.pk, trunk=trunk, price=100_000, minutes=10,
            now=NOW + timedelta(seconds=n),
        )  # fmt: skip


def test_slots_never_exceed_the_cap_and_come_back_once(line):
    _, trunk = line
    rows = [waiting(line) for _ in range(WORKERS)]
    got = at_once([lambda row=row, n=n: take(row, trunk, 1) for n, row in enumerate(rows)])
    use = TrunkUse.objects.get()
    assert sum(got) == use.calls <= 3
    assert use.calls >= 1
    held = OutboundCall.objects.filter(slot_held=True)
    assert held.count() == use.calls
    assert use.spent == use.calls * 1_000_000
    one = held.first()
    assert one
    freed = at_once([lambda: caps.give_back(outbound_id=one.pk, talked_s=0)] * WORKERS)
    assert sum(freed) == 1
    assert TrunkUse.objects.get().calls == use.calls - 1


def test_the_days_money_is_never_exceeded(line):
    _, trunk = line
    Trunk.objects.filter(pk=trunk.pk).update(max_calls=100, daily_spend_cap=2)
    trunk.refresh_from_db()
    rows = [waiting(line) for _ in range(WORKERS)]
    got = at_once([lambda row=row, n=n: take(row, trunk, n + 1) for n, row in enumerate(rows)])
    use = TrunkUse.objects.get()
    assert use.spent <= 2_000_000
    assert sum(got) == use.calls == use.spent // 1_000_000


def test_of_two_workers_one_is_told_the_number(line):
    row = waiting(line, state="dialling")
    call = Call.objects.create(room="call_out_1", started_at=NOW, last_seen_at=NOW)
    OutboundCall.objects.filter(pk=row.pk).update(call=call)

    def claim() -> bool:
        try:
            outbound.claim(outbound_id=row.pk, room="call_out_1", now=NOW)
        except CallNotAllowed:
            return False
        return True

    assert sum(at_once([claim] * WORKERS)) == 1


def test_a_batchs_pace_lets_one_of_many_through(line):
    project, trunk = line
    batch = Batch.objects.create(
        name="Autumn", project=project, trunk=trunk, per_minute=6, state="running", created_at=NOW,
        free_at=NOW.timestamp(),
    )  # fmt: skip
    taken = at_once([lambda: caps.take_of_batch(batch_id=batch.pk, now=NOW)] * WORKERS)
    assert sum(taken) == 1
