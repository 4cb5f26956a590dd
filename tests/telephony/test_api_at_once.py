"""Two workers with one delivery, two clients with one Idempotency-Key, two events of one call."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, connections

from telephony import delivering, outgoing, services, subscribing
from telephony.lifecycle import CallState
from telephony.models import Delivery, OutgoingEvent, Subscription, Trunk
from tests.factories import NOW, make_call
from tests.telephony.api_client import Api, make_key
from tests.telephony.receiver import Receiver

AT_ONCE = 6

pytestmark = [
    pytest.mark.db,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("livekit", "unheard"),
    pytest.mark.skipif(
        connection.vendor == "sqlite", reason="the tests' SQLite lives in memory, in one connection"
    ),
]


@pytest.fixture
def unheard(monkeypatch) -> None:
    """There is no broker: nothing is queued."""
    from telephony import tasks

    for task in (tasks.push_now, tasks.send_delivery):
        monkeypatch.setattr(task, "delay", lambda **_: None)


def at_once(work: Callable[[int], object]) -> list[object]:
    barrier = Barrier(AT_ONCE)

    def run(n: int) -> object:
        try:
            barrier.wait(timeout=10)
            return work(n)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(run, range(AT_ONCE)))


def make_hook(url: str) -> Subscription:
    hook = Subscription(name="Hook", url=url, events=list(outgoing.kinds()), created_at=NOW)
    subscribing.give_secret(hook, now=NOW)
    hook.save()
    return hook


def test_of_several_workers_one_sends(settings):
    settings.WEBHOOK_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    receiver = Receiver()
    try:
        delivery = outgoing.tell_test(subscription=make_hook(receiver.url))
        Delivery.objects.update(next_try_at=NOW)
        sent = at_once(lambda _: delivering.send(delivery_id=delivery.pk, now=NOW))
    finally:
        receiver.close()
    assert sorted(map(bool, sent)) == [False] * (AT_ONCE - 1) + [True]
    assert len(receiver.got) == 1
    assert Delivery.objects.get().attempts == 1


def test_one_request_sent_several_times_at_once_is_done_once():
    secret = make_key()
    trunk = {
        "name": "Sales", "allowed_addresses": ["203.0.113.0/28"],
        "numbers": [{"number": "+12025550100"}],
    }  # fmt: skip
    answers = at_once(lambda _: Api(secret)("POST", "/trunks", trunk, Idempotency_Key="k"))
    assert [answer.status_code for answer in answers] == [201] * AT_ONCE  # type: ignore[attr-defined]
    assert len({answer.content for answer in answers}) == 1  # type: ignore[attr-defined]
    assert Trunk.objects.count() == 1


def test_events_of_a_call_which_come_at_once_have_an_order():
    make_hook("https://example.com/h")
    rooms = [make_call(room=f"call_{n}").room for n in range(2)]
    steps: list[Callable[[str], object]] = [
        lambda room: services.move_call(room=room, to=CallState.TALKING, at=NOW),
        lambda room: services.request_handover(room=room),
        lambda room: services.move_call(room=room, to=CallState.ENDED, at=NOW),
    ]
    at_once(lambda n: steps[n % 3](rooms[n % 2]))
    for room in rooms:
        numbers = OutgoingEvent.objects.filter(call__room=room).values_list("sequence", flat=True)
        assert sorted(numbers) == [1, 2, 3]
