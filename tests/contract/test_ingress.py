"""What we believe of LiveKit's ingress, tried on the fake and on the real livekit-server.

The ingress service is in no package registry; what needs it (a URL which plays, states other than
inactive) is not tried here.
"""

from dataclasses import replace

import pytest

from telephony import ingress
from telephony.errors import GatewayRefused
from telephony.ingress import IngressSpec
from tests.fakes.livekit import FakeGateway

pytestmark = [pytest.mark.contract, pytest.mark.timeout(90)]

SPEC = IngressSpec(
    tag=ingress.tag(1), kind="rtmp", name="Music", room="lobby", identity="ingress_1"
)


@pytest.fixture(autouse=True)
def empty(gateway):
    for live in gateway.list_ingress():
        gateway.delete_ingress(remote_id=live.remote_id)
    if isinstance(gateway, FakeGateway):
        gateway.ingress_service = False


@pytest.mark.parametrize("kind", ["rtmp", "whip"])
def test_one_that_is_sent_to_comes_back_as_it_was_made(gateway, kind):
    spec = replace(SPEC, kind=kind)
    made = gateway.create_ingress(spec)
    (live,) = gateway.list_ingress()
    assert live == made
    assert not ingress.differs(spec, live)
    assert (live.tag, live.status) == (spec.tag, "inactive")
    assert live.stream_key
    assert "127.0.0.1" in live.address


def test_an_update_changes_room_and_name_and_keeps_the_key(gateway):
    made = gateway.create_ingress(SPEC)
    other = replace(SPEC, name="Other", room="hall", identity="ingress_2")
    changed = gateway.update_ingress(other, remote_id=made.remote_id)
    (live,) = gateway.list_ingress()
    assert not ingress.differs(other, live)
    assert changed.stream_key == live.stream_key == made.stream_key


def test_each_has_a_key_of_its_own(gateway):
    keys = {gateway.create_ingress(replace(SPEC, tag=ingress.tag(n))).stream_key for n in (1, 2)}
    assert len(keys) == 2


def test_a_url_needs_the_service_and_says_so(gateway):
    with pytest.raises(GatewayRefused, match="No ingress service answered"):
        gateway.create_ingress(replace(SPEC, kind="url", url="https://example.com/music.mp3"))
    assert gateway.list_ingress() == []


def test_deleting_what_is_gone_is_fine(gateway):
    made = gateway.create_ingress(SPEC)
    for _ in range(2):
        gateway.delete_ingress(remote_id=made.remote_id)
    assert gateway.list_ingress() == []


def test_changing_what_is_gone_is_refused(gateway):
    with pytest.raises(GatewayRefused):
        gateway.update_ingress(SPEC, remote_id="IN_unknown")


def test_no_key_is_shown_where_a_value_is_printed(gateway):
    made = gateway.create_ingress(SPEC)
    assert made.stream_key not in repr(made)
