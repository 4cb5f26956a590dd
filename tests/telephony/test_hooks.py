"""LiveKit's hooks: captured payloads, each twice and in the wrong order."""

import io
import json
from itertools import permutations

import pytest
from django.db import DatabaseError
from django.test import RequestFactory

from telephony import inbox, views
from telephony.models import Call, InboundEvent
from tests import hooks
from tests.factories import digest_in_use, make_plan, make_rule, make_trunk

pytestmark = [pytest.mark.db, pytest.mark.django_db]

ALL = sorted(path.stem for path in hooks.PAYLOADS.glob("*.json"))
ROOM = "call_+12025550123_XdadJ382EQFy"


@pytest.fixture
def deliver(client, livekit, tasks_at_once, django_capture_on_commit_callbacks):
    def deliver(*names: str) -> None:
        for name in names:
            with django_capture_on_commit_callbacks(execute=True):
                assert hooks.post(client, hooks.captured(name)).status_code == 204

    return deliver


def what_is_known() -> list[tuple[object, ...]]:
    fields = ("room", "room_sid", "sip_call_id", "caller", "called", "state", "started_at")
    return list(Call.objects.values_list(*fields))


def test_the_captured_hooks_are_all_we_have_handlers_for():
    events = {json.loads(hooks.captured(name))["event"] for name in ALL}
    assert {"participant_joined", "participant_left", "room_finished"} <= events


@pytest.mark.parametrize("name", ALL)
def test_a_hook_which_comes_twice_is_stored_and_handled_once(name, deliver):
    deliver(name)
    before = what_is_known()
    deliver(name)
    event = InboundEvent.objects.get()
    assert (event.error, event.attempts) == ("", 0)
    assert event.handled_at
    assert what_is_known() == before


def test_a_caller_who_joins_is_a_ringing_call_with_its_line(deliver):
    rule = make_rule(make_trunk(remote_id="ST_ts3Vz4Vp8XvX"))
    deliver("caller_participant_joined")
    call = Call.objects.get()
    assert (call.room, call.state, call.caller) == (ROOM, "ringing", "+12025550123")
    assert (call.trunk, call.project) == (rule.trunks.get(), rule.project)
    assert str(call.number) == call.called == "+12025550100"
    assert call.plan_digest == digest_in_use(rule)


def test_the_first_bell_is_the_creation_of_the_room_to_the_millisecond(deliver):
    deliver("caller_participant_joined")
    assert Call.objects.get().started_at.isoformat() == "2026-11-21T10:44:56.281000+00:00"


def test_an_agent_alone_is_no_call(deliver):
    deliver("agent_participant_joined", "agent_track_published", "room_started")
    assert not Call.objects.exists()


@pytest.mark.parametrize(
    "order",
    list(permutations(["caller_participant_joined", "caller_participant_left", "room_finished"])),
    ids=lambda order: " ".join(order),
)
def test_hooks_in_any_order_tell_the_same_call(order, deliver):
    deliver(*order)
    call = Call.objects.get()
    assert (call.state, call.caller, call.room_sid) == (
        "ended",
        "+12025550123",
        "RM_SywcxkFjpuVC",
    )
    assert call.sip_call_id == "SCL_KajE4qpTgtyk"
    assert call.started_at.isoformat() == "2026-11-21T10:44:56.281000+00:00"
    assert call.ended_at
    assert call.ended_at > call.started_at


def test_a_late_hook_cannot_reopen_a_call(deliver):
    deliver("caller_participant_left")
    ended_at = Call.objects.get().ended_at
    deliver("room_finished", "caller_participant_joined", "agent_participant_joined")
    call = Call.objects.get()
    assert (call.state, call.ended_at) == ("ended", ended_at)


def test_a_leg_which_reconnects_has_not_hung_up(
    client, livekit, tasks_at_once, django_capture_on_commit_callbacks
):
    left = json.loads(hooks.captured("caller_participant_left"))
    left["participant"]["disconnectReason"] = "DUPLICATE_IDENTITY"
    for body in (hooks.captured("caller_participant_joined"), json.dumps(left).encode()):
        with django_capture_on_commit_callbacks(execute=True):
            assert hooks.post(client, body).status_code == 204
    assert Call.objects.get().state == "ringing"


@pytest.mark.parametrize("forge", ["no signature", "other secret", "other body", "other key"])
def test_a_forged_hook_changes_nothing(forge, client):
    body = hooks.captured("caller_participant_joined")
    authorization = {
        "no signature": "",
        "other secret": hooks.signature(body, secret="x" * 40),
        "other body": hooks.signature(hooks.captured("room_finished")),
        "other key": hooks.signature(body, key="stranger"),
    }[forge]
    assert hooks.post(client, body, authorization=authorization).status_code == 401
    assert not InboundEvent.objects.exists()


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"{}"])
def test_a_signed_body_which_is_no_event_is_refused(body, client):
    assert hooks.post(client, body).status_code == 401
    assert not InboundEvent.objects.exists()


class Pipe(io.BytesIO):
    """A body as the server hands it on; counts what was taken from it."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


FIFTY_MB = 50 * 1024 * 1024


@pytest.mark.parametrize("declared", [True, False], ids=["with length", "chunked"])
def test_a_body_of_50_mb_is_refused_unread(declared):
    pipe = Pipe(b"x" * FIFTY_MB)
    request = RequestFactory().post("/hooks/livekit", content_type="application/webhook+json")
    request.META["wsgi.input"] = request._stream = pipe
    if declared:
        request.META["CONTENT_LENGTH"] = str(FIFTY_MB)
    else:
        del request.META["CONTENT_LENGTH"]
        request.META["wsgi.input_terminated"] = True
    assert views.livekit_webhook(request).status_code == 413
    assert pipe.taken <= views.LIMIT + 1


def test_a_chunked_hook_of_ordinary_size_is_taken():
    body = hooks.captured("room_started")
    request = RequestFactory().post(
        "/hooks/livekit", headers={"Authorization": hooks.signature(body)}
    )
    del request.META["CONTENT_LENGTH"]
    request.META |= {"wsgi.input": Pipe(body), "wsgi.input_terminated": True}
    assert views.livekit_webhook(request).status_code == 204
    assert InboundEvent.objects.get().name == "room_started"


def test_trouble_with_the_database_asks_livekit_to_repeat(client, monkeypatch):
    def broken(*_, **__):
        raise DatabaseError

    monkeypatch.setattr(inbox, "store", broken)
    assert hooks.post(client, hooks.captured("room_started")).status_code == 503


def test_a_hook_may_come_under_a_name_people_do_not_use(client):
    """LiveKit knows us by our name in its own network; the signature decides, not the Host."""
    body = hooks.captured("room_started")
    headers = {"Authorization": hooks.signature(body), "Host": "web.internal:8000"}
    answer = client.post("/hooks/livekit", body, "application/json", headers=headers)
    assert answer.status_code == 204
    assert client.get("/admin/login/", headers={"Host": "web.internal:8000"}).status_code == 400


def test_an_address_which_is_no_hook_is_not_found(client):
    assert client.post("/hooks/nobody").status_code == 404


def test_a_hook_is_posted_not_got(client):
    assert client.get("/hooks/livekit").status_code == 405


def test_what_is_stored_holds_no_password_of_the_room(deliver):
    deliver("caller_participant_joined")
    assert "turnPassword" not in json.dumps(InboundEvent.objects.get().payload)


def test_a_plan_published_later_does_not_change_a_call(deliver):
    rule = make_rule(make_trunk(remote_id="ST_ts3Vz4Vp8XvX"))
    deliver("caller_participant_joined")
    before = Call.objects.get().plan_digest
    rule.project.greeting = "Another greeting."
    rule.project.save()
    make_plan(rule.project)
    deliver("caller_participant_left")
    assert Call.objects.get().plan_digest == before
