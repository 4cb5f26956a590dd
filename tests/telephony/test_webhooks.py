"""Outgoing webhooks, told to a real web server on this machine."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.conf import settings as product
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import seal
from telephony import delivering, hook_door, hook_signature, outgoing, services, subscribing, tasks
from telephony.lifecycle import CallState
from telephony.models import Call, Delivery, OutgoingEvent, Subscription
from tests.factories import NOW, make_call, make_plan
from tests.telephony.api_client import Api, make_key
from tests.telephony.receiver import Receiver, verified

pytestmark = [pytest.mark.db, pytest.mark.django_db]

ROOM = "call_+12025550123_abc"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVERYTHING = [
    "call.started", "call.answered", "call.handover_requested", "call.ended",
    "call.recording_stored", "call.transcript_ready", "call.insight_ready",
]  # fmt: skip


@pytest.fixture
def receiver(settings) -> Iterator[Receiver]:
    settings.WEBHOOK_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    server = Receiver()
    yield server
    server.close()


@pytest.fixture
def clock(monkeypatch) -> "Clock":
    clock = Clock()
    monkeypatch.setattr(timezone, "now", lambda: clock.now)
    return clock


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


def make_hook(url: str, *events: str, **values: Any) -> Subscription:
    values = {"name": f"Hook {Subscription.objects.count()}", "created_at": NOW} | values
    hook = Subscription(url=url, events=list(events or EVERYTHING), **values)
    subscribing.give_secret(hook, now=NOW, secret=SECRET)
    hook.save()
    return hook


def make_delivery(url: str, **values: Any) -> Delivery:
    """A test event which is due."""
    return outgoing.tell_test(subscription=make_hook(url, **values))


def send(delivery: Delivery, now: datetime = NOW) -> Delivery:
    """One attempt, whenever it would be due."""
    Delivery.objects.filter(pk=delivery.pk).update(next_try_at=now)
    delivering.send(delivery_id=delivery.pk, now=now)
    delivery.refresh_from_db()
    return delivery


# --- what is told ---------------------------------------------------------------------------------


def test_a_call_is_told_step_by_step(
    receiver, livekit, tasks_at_once, django_capture_on_commit_callbacks
):
    make_hook(receiver.url)
    plan = make_plan()
    steps = [
        lambda: services.ensure_call(
            room=ROOM, at=NOW, caller="+12025550123", called="+12025550100", plan_digest=plan.digest
        ),
        lambda: services.move_call(room=ROOM, to=CallState.TALKING, at=NOW + timedelta(seconds=1)),
        lambda: services.request_handover(room=ROOM),
        lambda: services.move_call(
            room=ROOM, to=CallState.ENDED, at=NOW + timedelta(seconds=9), reason="caller"
        ),
    ]
    for step in (*steps, *steps):  # news comes twice
        with django_capture_on_commit_callbacks(execute=True):
            step()
    later = {"call.transcript_ready", "call.insight_ready"}
    told = [event for event in receiver.told if event["type"] not in later]
    assert [event["type"] for event in told] == [
        "call.started", "call.answered", "call.handover_requested", "call.ended",
    ]  # fmt: skip
    assert [event["data"]["sequence"] for event in told] == [1, 2, 3, 4]
    assert [event["timestamp"] for event in told][::3] == [
        "2026-11-21T10:00:00Z", "2026-11-21T10:00:09Z",
    ]  # fmt: skip
    last = told[-1]["data"]["call"]
    assert last["id"] == Call.objects.get().pk
    assert (last["state"], last["end_reason"], last["project"]) == ("ended", "caller", "shop")
    assert (last["caller"], last["called"]) == ("+12025550123", "+12025550100")
    assert last["answered_at"] == "2026-11-21T10:00:01Z"
    states = set(Delivery.objects.values_list("state", flat=True))
    assert states == {"delivered"}
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == len(receiver.got)


def test_only_what_was_asked_for_is_told():
    make_hook("https://example.com/a", "call.ended")
    make_hook("https://example.com/b", "call.started", enabled=False)
    services.ensure_call(room=ROOM, at=NOW)
    assert not OutgoingEvent.objects.exists()
    services.move_call(room=ROOM, to=CallState.ENDED, at=NOW)
    assert [d.event.type for d in Delivery.objects.all()] == ["call.ended"]


def test_a_change_which_is_taken_back_is_not_told():
    make_hook("https://example.com/a")
    with transaction.atomic():
        services.ensure_call(room=ROOM, at=NOW)
        assert OutgoingEvent.objects.exists()
        transaction.set_rollback(True)
    assert not OutgoingEvent.objects.exists()


def test_without_webhooks_a_call_costs_one_query_more_a_step():
    make_call(room=ROOM)
    with CaptureQueriesContext(connection) as queries:
        services.request_handover(room=ROOM)
    about = [q["sql"] for q in queries.captured_queries if "telephony_subscription" in q["sql"]]
    assert len(about) == 1


def test_every_kind_can_be_asked_for():
    assert sorted(outgoing.kinds()) == sorted(EVERYTHING)


# --- the signature --------------------------------------------------------------------------------


def test_the_signature_is_that_of_the_standard():
    """The vector of the standard's own libraries."""
    made = hook_signature.headers(
        uid="msg_p5jXN8AQM9LWM0D4loKWxJek", timestamp=1614265330,
        body=b'{"test": 2432232314}', keys=[SECRET],
    )  # fmt: skip
    assert made["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_can_check_what_it_gets(receiver):
    sent = send(make_delivery(receiver.url))
    assert sent.state == "delivered"
    ((path, headers, body),) = receiver.got
    assert path == "/hook"
    assert headers["content-type"] == "application/json"
    assert headers["host"] == f"127.0.0.1:{receiver.port}"
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert verified(SECRET, headers, body) == [True]
    assert verified(SECRET, headers, body + b" ") == [False]
    assert verified(hook_signature.new_secret(), headers, body) == [False]


def test_after_a_new_secret_both_sign_for_a_day(receiver):
    hook = make_hook(receiver.url)
    new = subscribing.give_secret(hook, now=NOW)
    hook.save()
    send(outgoing.tell_test(subscription=hook))
    send(outgoing.tell_test(subscription=hook), now=NOW + timedelta(hours=25))
    (_, first, one), (_, second, two) = receiver.got
    assert verified(new, first, one) == [True, False]
    assert verified(SECRET, first, one) == [False, True]
    assert verified(new, second, two) == [True]


@pytest.mark.parametrize("secret", ["abc", "whsec_", "whsec_c2hvcnQ=", "whsec_###", "x" * 60])
def test_a_weak_secret_is_refused(secret):
    with pytest.raises(ValueError, match="whsec_"):
        hook_signature.check(secret)


# --- trouble --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 503, 404, 400, 301, 307, 304])
def test_whatever_is_not_a_yes_is_tried_again_later(receiver, status):
    receiver.statuses = [status]
    receiver.headers = {"Location": f"http://127.0.0.1:{receiver.port}/elsewhere"}
    first = send(make_delivery(receiver.url))
    assert (first.state, first.attempts, first.last_status) == ("pending", 1, status)
    assert str(status) in first.error
    assert first.next_try_at
    assert timedelta(seconds=3) < first.next_try_at - NOW < timedelta(seconds=7)
    assert first.subscription.failing_since == NOW
    second = send(first, now=NOW + timedelta(seconds=10))
    assert (second.state, second.attempts, second.error) == ("delivered", 2, "")
    assert [path for path, _, _ in receiver.got] == ["/hook", "/hook"]  # no redirect followed
    (_, one, _), (_, two, _) = receiver.got
    assert one["webhook-id"] == two["webhook-id"]
    assert int(two["webhook-timestamp"]) - int(one["webhook-timestamp"]) == 10
    assert Subscription.objects.get().failing_since is None


def test_it_is_not_sent_before_its_time(receiver):
    delivery = make_delivery(receiver.url)
    Delivery.objects.update(next_try_at=NOW + timedelta(seconds=5))
    assert not delivering.send(delivery_id=delivery.pk, now=NOW)
    assert not receiver.got


@pytest.mark.parametrize("how", ["hang", "drip"])
def test_who_does_not_answer_in_time_is_left(receiver, how, monkeypatch):
    """Also somebody who sends a byte now and then, so that no single read takes long."""
    if how == "hang":
        receiver.hang.set()
    receiver.drip = how == "drip"
    monkeypatch.setattr(hook_door, "post", partial(hook_door.post, timeout_s=0.5))
    sent = send(make_delivery(receiver.url))
    assert (sent.state, sent.last_status) == ("pending", None)
    assert "Nobody answered within" in sent.error


def test_who_is_not_there_is_tried_again(settings):
    settings.WEBHOOK_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    sent = send(make_delivery("http://127.0.0.1:9/hook"))
    assert (sent.state, sent.error) == ("pending", "It could not be reached (ConnectError).")
    unknown = send(make_delivery("https://nobody.invalid/hook"))
    assert "name is not known" in unknown.error


def test_a_wish_to_wait_is_heard_within_reason(receiver):
    for seconds, least, most in (("900", 900, 900), ("999999", 3600, 3600), ("soon", 3, 7)):
        receiver.statuses, receiver.headers = [503], {"Retry-After": seconds}
        sent = send(make_delivery(receiver.url))
        assert sent.next_try_at
        assert least <= (sent.next_try_at - NOW).total_seconds() <= most


def test_after_about_a_day_it_is_given_up_and_can_be_replayed(receiver):
    receiver.statuses = [500] * (len(delivering.WAITS_S) + 1)
    delivery, now = make_delivery(receiver.url), NOW
    while delivery.state != "dead":
        delivery = send(delivery, now=now)
        now = delivery.next_try_at or now
    assert timedelta(hours=18) < now - NOW < timedelta(hours=30)
    assert (delivery.attempts, delivery.next_try_at) == (len(delivering.WAITS_S) + 1, None)
    assert not delivering.send(delivery_id=delivery.pk, now=now + timedelta(days=1))
    assert delivering.replay(Delivery.objects.all(), now=now) == [delivery.pk]
    assert delivering.send(delivery_id=delivery.pk, now=now)
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("delivered", 1)
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1


def test_who_fails_for_days_is_switched_off_and_says_why(receiver):
    delivery = make_delivery(receiver.url)
    receiver.statuses = [500]
    send(delivery)
    Delivery.objects.update(attempts=len(delivering.WAITS_S))
    receiver.statuses = [500]
    send(delivery, now=NOW + timedelta(days=4))
    hook = Subscription.objects.get()
    assert not hook.enabled
    assert "took nothing for 3 days" in hook.off_reason
    assert "500" in hook.off_reason


def test_who_is_gone_is_switched_off_at_once(receiver):
    receiver.statuses = [410]
    sent = send(make_delivery(receiver.url))
    assert sent.state == "dead"
    assert "410 Gone" in Subscription.objects.get().off_reason


def test_what_waits_for_one_who_is_off_goes_when_he_is_on_again(receiver, admin_client):
    delivery = make_delivery(receiver.url, enabled=False, off_reason="Failed.", failing_since=NOW)
    assert not delivering.send(delivery_id=delivery.pk, now=timezone.now())
    hook = Subscription.objects.get()
    form = {"name": "A", "url": receiver.url, "events": ["call.ended"], "enabled": "on"}
    page = admin_client.post(f"/admin/telephony/subscription/{hook.pk}/change/", form)
    assert page.status_code == 302
    hook.refresh_from_db()
    assert (hook.enabled, hook.off_reason, hook.failing_since) == (True, "", None)
    assert delivering.send(delivery_id=delivery.pk, now=timezone.now())


# --- one at a time --------------------------------------------------------------------------------


def test_a_second_worker_finds_it_claimed(receiver, monkeypatch):
    """He comes while the first is still posting."""
    delivery, post, others = make_delivery(receiver.url), hook_door.post, []

    def slow(*args: Any, **more: Any) -> hook_door.Outcome:
        others.append(delivering.send(delivery_id=delivery.pk, now=NOW))
        return post(*args, **more)

    monkeypatch.setattr(hook_door, "post", slow)
    assert send(delivery).state == "delivered"
    assert others == [False]
    assert len(receiver.got) == 1


def test_who_comes_back_late_changes_nothing(receiver, monkeypatch):
    """His claim was taken for lost, and another one has delivered meanwhile."""
    delivery, post = make_delivery(receiver.url), hook_door.post

    def overtaken(*args: Any, **more: Any) -> hook_door.Outcome:
        monkeypatch.setattr(hook_door, "post", post)
        later = NOW + timedelta(seconds=delivering.CLAIM_S + 1)
        assert delivering.release_lost(now=later) == 1
        assert delivering.send(delivery_id=delivery.pk, now=later)
        return hook_door.Outcome(500, "It answered 500.")

    monkeypatch.setattr(hook_door, "post", overtaken)
    sent = send(delivery)
    assert (sent.state, sent.error) == ("delivered", "")


def test_the_sweep_sends_what_is_due_and_what_was_lost(
    receiver, clock, tasks_at_once, django_capture_on_commit_callbacks
):
    due, lost, later = (make_delivery(receiver.url) for _ in range(3))
    Delivery.objects.filter(pk=lost.pk).update(
        state="sending", claim="dead", claimed_at=NOW - timedelta(minutes=5)
    )
    Delivery.objects.filter(pk=later.pk).update(next_try_at=NOW + timedelta(hours=1))
    tasks.sweep_deliveries()
    states = dict(Delivery.objects.values_list("pk", "state"))
    assert states == {due.pk: "delivered", lost.pk: "delivered", later.pk: "pending"}


def test_who_fails_is_asked_by_one_delivery_only():
    """So that a receiver which hangs does not keep Celery from its other work."""
    slow = make_hook("https://example.com/a", failing_since=NOW)
    well = make_hook("https://example.com/b")
    for _ in range(5):
        for hook in (slow, well):
            outgoing.tell_test(subscription=hook)
    due = delivering.due(now=timezone.now())
    hooks = list(Delivery.objects.filter(pk__in=due).values_list("subscription", flat=True))
    assert (hooks.count(slow.pk), hooks.count(well.pk)) == (1, 5)


def test_old_ones_are_forgotten(clock):
    make_delivery("https://example.com/a")
    clock.move(days=29)
    tasks.forget_told()
    assert Delivery.objects.count() == 1
    clock.move(days=2)
    make_delivery("https://example.com/b")
    tasks.forget_told()
    assert [d.subscription.url for d in Delivery.objects.all()] == ["https://example.com/b"]
    assert OutgoingEvent.objects.count() == 1


# --- over the API ---------------------------------------------------------------------------------


@pytest.fixture
def api(tasks_at_once, django_capture_on_commit_callbacks):
    program = Api(make_key())

    def ask(*args, **headers):
        with django_capture_on_commit_callbacks(execute=True):
            return program(*args, **headers)

    return ask


def test_a_webhook_is_made_tested_and_read_over_the_api(api, receiver):
    made = api(
        "POST", "/webhooks", {"name": "CRM", "url": receiver.url, "events": ["call.ended"]},
        Idempotency_Key="a",
    )  # fmt: skip
    assert made.status_code == 201
    pk, secret = made.json()["id"], made.json()["secret"]
    test = api("POST", f"/webhooks/{pk}/test")
    assert test.status_code == 202
    ((_, headers, body),) = receiver.got
    assert verified(secret, headers, body) == [True]
    assert json.loads(body)["type"] == "webhook.test"
    told = api("GET", f"/webhooks/{pk}/deliveries?state=delivered").json()["items"]
    assert [(d["id"], d["last_status"]) for d in told] == [(test.json()["id"], 200)]
    again = api("POST", f"/webhooks/{pk}/deliveries/{told[0]['id']}/replay")
    assert again.status_code == 202
    assert len(receiver.got) == 2
    seen = [api("GET", "/webhooks"), api("GET", f"/webhooks/{pk}"), test, again]
    assert all(secret not in answer.content.decode() for answer in seen)
    assert api("DELETE", f"/webhooks/{pk}").status_code == 204
    assert api("POST", f"/webhooks/{pk}/test").status_code == 404


def test_a_secret_of_ones_own_is_sealed_and_never_shown(api, receiver, admin_client, caplog):
    body = {"name": "A", "url": receiver.url, "events": EVERYTHING, "secret": SECRET}
    answers = [api("POST", "/webhooks", body, Idempotency_Key="k") for _ in range(2)]
    pk = answers[0].json()["id"]
    answers += [api("GET", f"/webhooks/{pk}"), api("PATCH", f"/webhooks/{pk}", {"secret": "x"})]
    answers += [api("POST", f"/webhooks/{pk}/test"), api("GET", f"/webhooks/{pk}/deliveries")]
    answers += [
        admin_client.get(f"/admin/telephony/{page}")
        for page in ("subscription/", f"subscription/{pk}/change/", "delivery/")
    ]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [201, 201, 200, 422, 202, 200, 200, 200, 200]
    assert all(SECRET not in answer.content.decode() for answer in answers)
    assert all(SECRET.encode() not in sent for _, _, sent in receiver.got)
    assert SECRET not in caplog.text
    (hook,) = Subscription.objects.all()
    assert seal.unseal(hook.sealed_secret, keys=product.SEAL_KEYS) == SECRET


@pytest.mark.parametrize(
    ("url", "private", "words"),
    [
        ("http://example.com/h", [], "Write https://"),
        ("https://127.0.0.1/h", [], "not on the Internet"),
        ("https://[::1]/h", [], "not on the Internet"),
        ("https://[::ffff:10.0.0.1]/h", [], "10.0.0.1 is not on the Internet"),
        ("https://[64:ff9b::7f00:1]/h", [], "127.0.0.1 is not on the Internet"),
        ("https://[2002:7f00:1::]/h", [], "127.0.0.1 is not on the Internet"),
        ("https://169.254.169.254/latest", [], "not on the Internet"),
        ("https://10.1.2.3/", ["10.2.0.0/16"], "not on the Internet"),
        ("http://8.8.8.8/", ["10.2.0.0/16"], "Write https://"),
        ("https://0.0.0.0/", [], "not on the Internet"),
        ("https://224.0.0.1/", [], "not on the Internet"),
        ("https://user:pw@example.com/", [], "a password"),
        ("ftp://example.com/", [], "Write one as https://"),
        ("https:///h", [], "Write one as https://"),
        ("https://example.com:99999/", [], "no web address"),
        ("javascript:alert(1)", [], "Write one as https://"),
    ],
)
def test_addresses_of_our_own_house_are_refused(api, settings, url, private, words):
    settings.WEBHOOK_PRIVATE_NETWORKS = private
    answer = api("POST", "/webhooks", {"name": "A", "url": url, "events": ["call.ended"]})
    assert answer.status_code == 422
    assert words in answer.json()["error"]["message"]


def test_a_name_which_leads_into_our_house_is_refused_when_it_is_sent(receiver, settings):
    """Names are looked at when the connection is made, and it goes to what was looked at."""
    settings.WEBHOOK_PRIVATE_NETWORKS = []
    sent = send(make_delivery(f"https://localhost:{receiver.port}/hook"))
    assert (sent.state, sent.last_status) == ("pending", None)
    assert "may not reach our own network" in sent.error
    assert not receiver.got


def test_an_unknown_event_is_answered_with_the_known(api):
    answer = api("POST", "/webhooks", {"name": "A", "url": "https://e.com", "events": ["call.x"]})
    assert answer.status_code == 422
    assert "call.x is not one of the available choices" in answer.json()["error"]["message"]


# --- in the admin ---------------------------------------------------------------------------------


def test_a_webhook_is_made_in_the_admin_and_its_secret_shown_once(admin_client, receiver):
    form = {"name": "CRM", "url": receiver.url, "events": ["call.ended"], "enabled": "on"}
    page = admin_client.post("/admin/telephony/subscription/add/", form).content.decode()
    (hook,) = Subscription.objects.all()
    secret = seal.unseal(hook.sealed_secret, keys=product.SEAL_KEYS)
    assert secret in page.replace("&#x3D;", "=")
    shown = admin_client.get(f"/admin/telephony/subscription/{hook.pk}/change/").content.decode()
    assert secret not in shown


def test_a_test_and_a_new_secret_are_asked_for_first(
    admin_client, receiver, tasks_at_once, django_capture_on_commit_callbacks
):
    hook = make_hook(receiver.url)
    base = f"/admin/telephony/subscription/{hook.pk}"
    assert receiver.url in admin_client.get(f"{base}/test/").content.decode()
    assert not Delivery.objects.exists()
    with django_capture_on_commit_callbacks(execute=True):
        page = admin_client.post(f"{base}/test/", follow=True).content.decode()
    assert "webhook.test" in page
    assert len(receiver.got) == 1
    before = hook.sealed_secret
    assert "For a day we sign with both" in admin_client.get(f"{base}/secret/").content.decode()
    hook.refresh_from_db()
    assert hook.sealed_secret == before
    assert "whsec_" in admin_client.post(f"{base}/secret/").content.decode()
    hook.refresh_from_db()
    assert hook.sealed_previous_secret == before


def test_dead_letters_are_sent_again_from_the_list(
    admin_client, receiver, tasks_at_once, django_capture_on_commit_callbacks
):
    rows = [make_delivery(receiver.url) for _ in range(3)]
    Delivery.objects.update(state="dead", next_try_at=None)
    Delivery.objects.filter(pk=rows[2].pk).update(state="pending")
    form = {"action": "send_again", "_selected_action": [row.pk for row in rows]}
    with django_capture_on_commit_callbacks(execute=True):
        page = admin_client.post("/admin/telephony/delivery/", form, follow=True).content.decode()
    assert "2 queued" in page
    assert "1 left alone" in page
    assert len(receiver.got) == 2


def test_who_may_only_look_cannot_send_again(client, django_user_model, receiver):
    from django.contrib.auth.models import Permission

    user = django_user_model.objects.create_user("low", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_delivery"))
    client.force_login(user)
    row = make_delivery(receiver.url)
    Delivery.objects.update(state="dead")
    form = {"action": "send_again", "_selected_action": [row.pk]}
    client.post("/admin/telephony/delivery/", form)
    assert Delivery.objects.get().state == "dead"


@pytest.mark.parametrize("rows", [0, 1, 60])
def test_the_list_of_deliveries_asks_as_often_for_many(admin_client, rows):
    hook = make_hook("https://example.com/a")
    call = make_call(room=ROOM)
    for n in range(rows):
        event = OutgoingEvent.objects.create(
            uid=f"evt_{n}", type="call.ended", call=call, sequence=n, body="{}", created_at=NOW
        )
        Delivery.objects.create(event=event, subscription=hook, next_try_at=NOW)
    with CaptureQueriesContext(connection) as queries:
        assert admin_client.get("/admin/telephony/delivery/").status_code == 200
    asked = [q["sql"] for q in queries.captured_queries]
    assert len(asked) <= 10
    assert all("LIMIT" in sql for sql in asked if "COUNT(" in sql and "delivery" in sql)
