"""What outside systems told is kept for so long, and no longer."""

from datetime import timedelta

import pytest

from telephony import retention, tasks
from telephony.models import CarrierCall, InboundEvent
from tests.factories import NOW

pytestmark = [pytest.mark.db, pytest.mark.django_db]


def hear(name: str, *, days: int, handled: bool = True) -> None:
    at = NOW - timedelta(days=days)
    InboundEvent.objects.create(
        event_id=name, name="told", payload={}, received_at=at, try_after=at,
        handled_at=at if handled else None,
    )  # fmt: skip


def carried(name: str, *, days: int) -> None:
    at = NOW - timedelta(days=days)
    CarrierCall.objects.create(kind="twilio", carrier_id=name, heard_at=at)


def left() -> tuple[set[str], set[str]]:
    events = InboundEvent.objects.values_list("event_id", flat=True)
    return set(events), set(CarrierCall.objects.values_list("carrier_id", flat=True))


def test_what_is_old_goes_and_what_nobody_handled_stays():
    hear("old", days=31)
    hear("dead", days=31, handled=False)
    hear("young", days=29)
    carried("old", days=401)
    carried("young", days=399)
    assert not retention.forget_old(now=NOW)
    assert left() == ({"dead", "young"}, {"young"})


def test_how_long_is_the_operators_choice(settings):
    settings.HOOKS_KEEP_DAYS, settings.CARRIER_CALLS_KEEP_DAYS = 1, 2
    hear("old", days=3)
    carried("old", days=3)
    retention.forget_old(now=NOW)
    assert left() == (set(), set())


def test_rows_nobody_may_delete_do_not_hide_those_behind_them(monkeypatch):
    monkeypatch.setattr(retention, "CHUNK", 2)
    for n in range(4):
        hear(f"dead {n}", days=40, handled=False)
    hear("old", days=31)
    assert not retention.forget_old(now=NOW)
    assert "old" not in left()[0]


def test_young_rows_are_not_gone_through(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(retention, "CHUNK", 2)
    for n in range(10):
        hear(f"young {n}", days=1)
    # the holds, a chunk and its delete; no call of a carrier
    with django_assert_num_queries(4):
        retention.forget_old(now=NOW)


def test_much_is_done_in_runs(monkeypatch):
    monkeypatch.setattr(retention, "CHUNK", 2)
    monkeypatch.setattr(retention, "MOST", 2)
    for n in range(5):
        hear(f"old {n}", days=100)
    runs: list[int] = []
    monkeypatch.setattr(tasks.forget_hooks, "delay", lambda: runs.append(1))
    tasks.forget_hooks()
    assert (InboundEvent.objects.count(), len(runs)) == (1, 1)
    tasks.forget_hooks()
    assert (InboundEvent.objects.count(), len(runs)) == (0, 1)
