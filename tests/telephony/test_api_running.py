"""Running calls, sent elsewhere and ended over the API."""

import pytest

from telephony.lifecycle import CallState
from telephony.models import Call
from tests.factories import NOW, make_call, make_destination
from tests.telephony.api_client import Api, make_key

pytestmark = [pytest.mark.db, pytest.mark.django_db, pytest.mark.usefixtures("livekit")]


@pytest.fixture
def api() -> Api:
    return Api(make_key())


def talking() -> Call:
    return make_call(room="call_1", state=CallState.TALKING, answered_at=NOW)


def test_a_call_is_transferred_to_somebody_of_the_directory(api):
    call, destination = talking(), make_destination()
    (listed,) = api("GET", "/destinations").json()["items"]
    assert listed["id"] == destination.pk
    path, body = f"/calls/{call.pk}/transfer", {"destination_id": destination.pk}
    assert api("POST", path, body).status_code == 202
    again = api("POST", path, body)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "transfer_not_allowed")


def test_a_call_which_is_over_cannot_be_transferred(api):
    call = make_call(state=CallState.ENDED, ended_at=NOW)
    answer = api("POST", f"/calls/{call.pk}/transfer", {"destination_id": 1})
    assert answer.status_code == 409
    assert api("POST", "/calls/4711/transfer", {"destination_id": 1}).status_code == 404


def test_hanging_up_ends_a_call_once(api):
    call = talking()
    assert api("POST", f"/calls/{call.pk}/hangup").status_code == 202
    assert api("GET", f"/calls/{call.pk}").json()["state"] == "ended"
    again = api("POST", f"/calls/{call.pk}/hangup")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "call_over")
