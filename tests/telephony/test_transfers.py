"""The directory, and orders to transfer or end a running call."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from agents import services as agents
from agents.draft import draft
from agents.worker import through
from recordings import journal
from telephony import endings, orders, shapes, transfers, watch
from telephony.errors import TransferNotAllowed
from telephony.lifecycle import CallState
from telephony.models import Call, Schedule, TransferOrder
from tests.factories import (
    NOW,
    make_call,
    make_destination,
    make_line,
    make_plan,
    make_project,
)
from tests.recordings.conftest import story

pytestmark = [pytest.mark.db, pytest.mark.django_db]

ROOM = "call_+12025550123_abc"


def talking(**values) -> Call:
    values = {"state": CallState.TALKING, "answered_at": NOW} | values
    return make_call(room=ROOM, **values)


def ask(**body):
    headers = {"Authorization": f"Bearer {settings.WORKER_TOKEN}"}
    return Client().post(
        "/internal/transfers", json.dumps(body), content_type="application/json", headers=headers
    )


def send(call: Call, row, now=NOW) -> TransferOrder:
    transfers.transfer(call_id=call.pk, destination_id=row.pk, by="boss", now=now)
    return TransferOrder.objects.latest("pk")


def test_both_sides_agree_on_names():
    assert through.TOPIC == orders.TOPIC


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("+1 202-555-0177", "+12025550177"),
        ("sip:desk@pbx.example:5070", "sip:desk@pbx.example:5070"),
    ],
)
def test_a_destination_is_a_number_or_an_address(typed, kept):
    assert shapes.destination(typed) == kept


@pytest.mark.parametrize(
    "typed", ["911 please", "sip:desk", "sips:a@b", "sip:a@b;transport=tcp", "sip:a@b?x=y", "0177"]
)
def test_what_cannot_be_dialled_is_refused(typed):
    with pytest.raises(shapes.Misshapen):
        shapes.destination(typed)


def test_a_plan_names_only_what_its_project_may_use():
    shop, other = make_project(), make_project(slug="other", name="Other", own=False)
    make_destination()
    make_destination(name="Repairs", key="repairs").projects.add(shop)
    make_destination(name="Boss", key="boss").projects.add(other)
    make_destination(name="Off", key="off", enabled=False)
    assert [target.key for target in draft(project=shop).targets] == ["billing", "repairs"]


def test_a_change_of_the_directory_is_a_change_to_publish():
    project = make_project()
    make_plan(project)
    assert not agents.has_unpublished_changes(project=project)
    make_destination()
    assert agents.has_unpublished_changes(project=project)


def test_a_worker_is_told_number_and_line():
    talking()
    make_destination(trunk=make_line(), caller_id="+12025550111", ring_s=11)
    said = ask(room=ROOM, destination="billing").json()
    assert (said["allowed"], said["trunk"], said["caller_id"]) == (True, "ST_out", "+12025550111")
    assert (said["target"]["number"], said["target"]["ring_s"]) == ("+12025550177", 11)


def test_a_worker_is_told_when_it_is_closed_off_or_not_its_own():
    talking(project=make_project())
    never = Schedule.objects.create(name="Never", expression="off")
    make_destination(schedule=never)
    make_destination(name="Off", key="off", enabled=False)
    make_destination(name="Line", key="line", method="dial", trunk=make_line(remote_id=""))
    other = make_project(slug="other", name="Other", own=False)
    make_destination(name="Theirs", key="theirs").projects.add(other)
    whys = [
        ask(room=ROOM, destination=key).json()["why"]
        for key in ("billing", "off", "line", "theirs", "+12025550177")
    ]
    assert whys == ["closed", "unavailable", "unavailable", "unavailable", "unavailable"]


@pytest.mark.parametrize(
    "body", [{}, {"room": 1}, {"room": "a b", "destination": "x"}, {"room": ROOM}, [1]]
)
def test_a_question_nobody_can_read_is_refused(body):
    headers = {"Authorization": f"Bearer {settings.WORKER_TOKEN}"}
    said = Client().post(
        "/internal/transfers", json.dumps(body), content_type="application/json", headers=headers
    )
    assert said.status_code == 400


def test_without_the_token_nothing_is_told():
    assert Client().post("/internal/transfers", "{}", content_type="text/json").status_code == 401


def test_an_order_is_told_until_it_is_taken_and_taken_once(livekit):
    call, row = talking(), make_destination()
    livekit.ring(ROOM)
    livekit.answer(ROOM)
    order = send(call, row)
    orders.deliver_waiting(now=NOW, gateway=livekit)
    orders.deliver_waiting(now=NOW + timedelta(seconds=5), gateway=livekit)
    assert livekit.sent == [(ROOM, orders.TOPIC, json.dumps({"order": order.pk}).encode())] * 2
    assert ask(room="call_other", order=order.pk).status_code == 409
    assert ask(room=ROOM, order=order.pk).json()["target"]["key"] == "billing"
    assert ask(room=ROOM, order=order.pk).status_code == 409
    orders.deliver_waiting(now=NOW + timedelta(seconds=6), gateway=livekit)
    assert len(livekit.sent) == 2


def test_the_journal_tells_what_became_of_an_order():
    call, row = talking(), make_destination()
    order = send(call, row)
    facts = {"destination": "billing", "order": order.pk}
    said = story(*(("transfer", facts | {"outcome": what}) for what in ("asked", "busy")))
    journal.take_entries(journal="AJ_1", room=ROOM, entries=said, now=NOW)
    order.refresh_from_db()
    assert (order.state, order.outcome) == ("failed", "The line there was busy.")
    send(call, row)  # and the next one may come


def test_an_order_nobody_takes_fails_and_one_for_an_ended_call_too(livekit):
    call, row = talking(), make_destination()
    lost = send(call, row)
    orders.deliver_waiting(now=NOW + timedelta(seconds=30), gateway=livekit)
    lost.refresh_from_db()
    assert (lost.state, lost.outcome) == ("failed", "The worker did not take it.")
    late = send(call, row)
    endings.hang_up(call_id=call.pk, by="boss", now=NOW)
    orders.deliver_waiting(now=NOW, gateway=livekit)
    late.refresh_from_db()
    assert late.outcome == "The call ended before."


def test_what_may_not_be_is_said_in_words():
    row, call = make_destination(), talking()
    send(call, row)
    with pytest.raises(TransferNotAllowed, match="already"):
        send(call, row)
    with pytest.raises(TransferNotAllowed, match="no longer in the directory"):
        transfers.transfer(call_id=call.pk, destination_id=999, by="boss", now=NOW)
    for changes, words in (
        ({"enabled": False}, "switched off"),
        ({"enabled": True, "method": "dial"}, "trunk"),
        ({"schedule": Schedule.objects.create(name="Never", expression="off")}, "closed now"),
    ):
        for name, value in changes.items():
            setattr(row, name, value)
        row.save()
        with pytest.raises(TransferNotAllowed, match=words):
            send(call, row)
    ringing = make_call(room="call_2_b")
    with pytest.raises(TransferNotAllowed, match="Nobody talks"):
        send(ringing, row)


def test_a_call_is_ended_once_by_a_supervisor_and_stays_so(livekit, tasks_at_once):
    call = talking()
    livekit.ring(ROOM)
    assert endings.hang_up(call_id=call.pk, by="boss", now=NOW)
    assert not endings.hang_up(call_id=call.pk, by="other", now=NOW)
    said = story(("closed", {"reason": "caller", "answered": True, "talked_ms": 900}))
    journal.take_entries(journal="AJ_1", room=ROOM, entries=said, now=NOW)
    call.refresh_from_db()
    assert (call.state, call.end_reason, call.ended_by) == ("ended", "supervisor", "boss")


def test_a_room_which_outlived_its_ended_call_is_deleted(livekit):
    call = talking()
    livekit.ring(ROOM)
    endings.hang_up(call_id=call.pk, by="boss", now=NOW)
    watch.reconcile_calls(now=NOW, gateway=livekit)
    assert ROOM not in livekit.rooms


def test_two_who_talk_are_not_refused_because_the_worker_died(livekit):
    call = talking()
    livekit.ring(ROOM, status="active")
    other = replace(livekit.participants[ROOM][0], identity="leg_1")
    livekit.participants[ROOM].append(other)
    for seconds in (0, 3, 300):
        watch.watch_call(call_id=call.pk, now=NOW + timedelta(seconds=seconds), gateway=livekit)
    assert ROOM in livekit.rooms
    assert len(livekit.dispatched) == 1
    livekit.participants[ROOM].remove(other)
    watch.watch_call(call_id=call.pk, now=NOW + timedelta(seconds=301), gateway=livekit)
    assert ROOM not in livekit.rooms


def test_nobody_is_left_alone_in_a_room_whose_caller_is_gone(livekit):
    talking(state=CallState.ENDED, ended_at=NOW, end_reason="caller")
    livekit.ring(ROOM)
    (caller,) = livekit.participants[ROOM]
    livekit.participants[ROOM] = [replace(caller, identity="leg_1")]
    watch.reconcile_calls(now=NOW, gateway=livekit)
    assert ROOM not in livekit.rooms


# --- pages ----------------------------------------------------------------------------------------


def test_a_supervisor_sends_a_call_on(admin_client):
    call, row = talking(), make_destination()
    page = admin_client.get(reverse("admin:telephony_call_change", args=[call.pk]))
    url = reverse("admin:telephony_call_transfer", args=[call.pk])
    assert url in page.content.decode()
    assert "Billing" in admin_client.get(url).content.decode()
    done = admin_client.post(url, {"destination": row.pk}, follow=True)
    assert "being put through" in done.content.decode()
    assert TransferOrder.objects.get().by == "admin"
    again = admin_client.post(url, {"destination": row.pk})
    assert "already" in again.content.decode()


def test_a_supervisor_ends_a_call_after_a_question(admin_client, livekit, tasks_at_once):
    call = talking()
    url = reverse("admin:telephony_call_hang_up", args=[call.pk])
    assert "cannot be undone" in admin_client.get(url).content.decode()
    call.refresh_from_db()
    assert call.ended_at is None
    admin_client.post(url)
    call.refresh_from_db()
    assert (call.end_reason, call.ended_by) == ("supervisor", "admin")
    gone = admin_client.get(url, follow=True).content.decode()
    assert "over already" in gone
    assert url not in gone


def test_who_may_only_look_may_not_act(client, django_user_model):
    call = talking()
    client.force_login(django_user_model.objects.create_user("viewer", is_staff=True))
    for name in ("hang_up", "transfer"):
        url = reverse(f"admin:telephony_call_{name}", args=[call.pk])
        assert client.post(url, {"destination": "1"}).status_code == 403
    call.refresh_from_db()
    assert call.ended_at is None


def test_the_directory_is_kept_in_the_admin(admin_client, django_assert_max_num_queries):
    url = reverse("admin:telephony_destination_add")
    facts = {
        "name": "Billing", "key": "billing", "description": "invoices", "ring_s": "20",
        "number": "+1 202 555 0177", "method": "refer", "announcement": "a", "sorry": "b",
        "closed": "c", "enabled": "on", "post_dial": "12", "caller_id": "",
    }  # fmt: skip
    assert "only to whom we dial" in admin_client.post(url, facts).content.decode()
    dialled = facts | {"method": "dial"}
    assert "without a line" in admin_client.post(url, dialled).content.decode()
    line = make_line()
    shown = dialled | {"trunk": line.pk, "caller_id": "+12025550199"}
    assert "may not show" in admin_client.post(url, shown).content.decode()
    assert admin_client.post(url, facts | {"post_dial": ""}).status_code == 302
    hours = Schedule.objects.create(name="Never", expression="off")
    for n in range(5):
        make_destination(name=f"D{n}", key=f"d{n}", schedule=hours)
    with django_assert_max_num_queries(12):
        page = admin_client.get(reverse("admin:telephony_destination_changelist"))
    assert "Closed" in page.content.decode()
    assert "+1 202-555-0177" in page.content.decode()
