"""Orders to pause a recording: over the API to the call's worker."""

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client

from agents.worker import taping
from telephony import pauses
from telephony.lifecycle import CallState
from telephony.models import Call, PauseOrder
from tests.factories import NOW, make_call, make_plan, make_project
from tests.telephony.api_client import Api, make_key

pytestmark = [pytest.mark.db, pytest.mark.django_db]

ROOM = "call_+12025550123_abc"


def talking(**project) -> Call:
    plan = make_plan(make_project(**project))
    return make_call(
        room=ROOM, state=CallState.TALKING, answered_at=NOW, project=plan.project,
        plan_digest=plan.digest,
    )  # fmt: skip


def take(**body):
    headers = {"Authorization": f"Bearer {settings.WORKER_TOKEN}"}
    return Client().post(
        "/internal/pauses", json.dumps(body), content_type="application/json", headers=headers
    )


def test_both_sides_agree_on_the_topic():
    assert taping.TOPIC == pauses.TOPIC


def test_the_api_pauses_a_running_recording(livekit):
    call = talking()
    api = Api(make_key("recordings:pause"))
    assert api("POST", f"/calls/{call.pk}/recording/pause").status_code == 202
    assert api("POST", f"/calls/{call.pk}/recording/resume").status_code == 202
    first, second = PauseOrder.objects.order_by("pk")
    assert (first.what, second.what) == ("pause", "resume")
    assert first.by.startswith("api: ")


def test_the_scope_is_one_of_its_own(livekit):
    call = talking()
    for scope in ("calls:write", "recordings:read"):
        answer = Api(make_key(scope))("POST", f"/calls/{call.pk}/recording/pause")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "missing_scope")
    assert not PauseOrder.objects.exists()


def test_what_is_not_recorded_cannot_be_paused(livekit):
    api = Api(make_key())
    silent = talking(record=False)
    told = api("POST", f"/calls/{silent.pk}/recording/pause")
    assert (told.status_code, told.json()["error"]["code"]) == (409, "pause_not_allowed")
    over = make_call(room="call_2_b", state=CallState.ENDED, ended_at=NOW)
    assert api("POST", f"/calls/{over.pk}/recording/pause").status_code == 409
    assert api("POST", "/calls/4711/recording/pause").status_code == 404


def test_an_order_is_told_until_it_is_taken_and_taken_once(livekit):
    call = talking()
    livekit.ring(ROOM)
    livekit.answer(ROOM)
    order = pauses.order(call_id=call.pk, what="pause", by="api: crm", now=NOW)
    for seconds in (0, 5):
        pauses.deliver_waiting(now=NOW + timedelta(seconds=seconds), gateway=livekit)
    assert livekit.sent == [(ROOM, pauses.TOPIC, json.dumps({"order": order.pk}).encode())] * 2
    assert take(room="call_other", order=order.pk).status_code == 409
    assert take(room=ROOM, order=order.pk).json() == {"what": "pause", "by": "api: crm"}
    assert take(room=ROOM, order=order.pk).status_code == 409
    pauses.deliver_waiting(now=NOW, gateway=livekit)
    assert len(livekit.sent) == 2


def test_an_order_nobody_takes_fails_in_words(livekit):
    call = talking()
    lost = pauses.order(call_id=call.pk, what="pause", by="x", now=NOW)
    pauses.deliver_waiting(now=NOW + timedelta(seconds=30), gateway=livekit)
    lost.refresh_from_db()
    assert (lost.state, lost.outcome) == ("failed", "The worker did not take it.")
    late = pauses.order(call_id=call.pk, what="pause", by="x", now=NOW)
    Call.objects.update(state=CallState.ENDED, ended_at=NOW)
    pauses.deliver_waiting(now=NOW, gateway=livekit)
    late.refresh_from_db()
    assert late.outcome == "The call ended before."


@pytest.mark.parametrize(
    "body", [{}, {"room": 1, "order": 1}, {"room": ROOM, "order": True}, {"room": ROOM, "order": 0}]
)
def test_a_question_nobody_can_read_is_refused(body):
    assert take(**body).status_code == 400
    assert Client().post("/internal/pauses", "{}", content_type="text/json").status_code == 401
