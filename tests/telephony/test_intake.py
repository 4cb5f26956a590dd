"""How stored events get from the door to their handlers: one notice for many, none lost."""

import pytest
from django.core.cache import cache
from django.utils import timezone
from kombu.exceptions import OperationalError

from telephony import events, inbox, tasks
from telephony.models import InboundEvent
from tests.factories import NOW

pytestmark = [pytest.mark.db, pytest.mark.django_db]


@pytest.fixture
def given(monkeypatch):
    """The notices which were given."""
    notices: list[int] = []
    monkeypatch.setattr(tasks.handle_waiting, "delay", lambda: notices.append(1))
    return notices


@pytest.fixture
def heard(monkeypatch):
    """What was handled, in its order."""
    names: list[str] = []
    handlers = {"told": [lambda *, payload: names.append(payload["id"])]}
    monkeypatch.setattr(events, "_table", handlers)
    return names


def store(*names: str, event: str = "told") -> list[int]:
    return inbox.store([(name, event, {"id": name}) for name in names], now=NOW)


def test_only_what_is_new_is_told_of(heard):
    assert len(store("a", "b")) == 2
    assert len(store("b", "c")) == 1
    assert InboundEvent.objects.count() == 3


def test_what_means_nothing_to_anybody_is_done_at_once(heard):
    assert store("a", event="track_published") == []
    assert InboundEvent.objects.get().handled_at == NOW


def test_while_a_notice_lies_there_no_other_is_given(given):
    for _ in range(5):
        tasks.events_wait()
    assert len(given) == 1


def test_one_notice_is_enough_for_all_that_waits(given, heard):
    for name in "abc":
        store(name)
        tasks.events_wait()
    tasks.handle_waiting()
    assert (heard, len(given)) == (["a", "b", "c"], 1)
    assert not InboundEvent.objects.filter(handled_at=None).exists()


def test_what_comes_while_others_are_handled_gives_a_notice_of_its_own(given, heard, monkeypatch):
    """It may have been stored after the look at what waits."""
    look = inbox.waiting_events

    def one_comes_in_between() -> list[int]:
        found = look()
        store("late")
        tasks.events_wait()
        return found

    monkeypatch.setattr(inbox, "waiting_events", one_comes_in_between)
    store("early")
    tasks.events_wait()
    tasks.handle_waiting()
    assert (heard, len(given)) == (["early"], 2)
    monkeypatch.setattr(inbox, "waiting_events", look)
    tasks.handle_waiting()
    assert heard == ["early", "late"]


def test_more_than_a_task_takes_gives_the_next_notice(given, heard, monkeypatch):
    monkeypatch.setattr(inbox, "MOST_AT_ONCE", 2)
    store("a", "b", "c")
    tasks.handle_waiting()
    assert (heard, len(given)) == (["a", "b"], 1)


def test_a_notice_which_could_not_be_given_does_not_keep_the_next_one_back(monkeypatch):
    def away():
        raise OperationalError("no broker")

    monkeypatch.setattr(tasks.handle_waiting, "delay", away)
    with pytest.raises(OperationalError):
        tasks.events_wait()
    assert cache.get("events-waiting") is None


def test_one_bad_event_keeps_none_of_the_others_back(heard, monkeypatch):
    def broken(*, payload):
        if payload["id"] == "bad":
            raise ValueError("bad")
        heard.append(payload["id"])

    monkeypatch.setattr(events, "_table", {"told": [broken]})
    store("bad", "good")
    tasks.handle_waiting()
    tasks.handle_waiting()
    assert heard == ["good"]
    bad = InboundEvent.objects.get(event_id="bad")
    assert (bad.attempts, bad.handled_at) == (1, None)
    assert bad.try_after > timezone.now()
