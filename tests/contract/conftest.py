"""The real LiveKit, one for all contract tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from telephony.gateway import LiveKitGateway
from tests.contract.servers import MediaPlane, media_plane
from tests.fakes.livekit import FakeGateway


@pytest.fixture(scope="session")
def real_livekit(tmp_path_factory) -> Iterator[MediaPlane]:
    """Redis and livekit-server on free loopback ports."""
    home: Path = tmp_path_factory.mktemp("livekit")
    with media_plane(home) as plane:
        yield plane


@pytest.fixture
def real_gateway(real_livekit) -> LiveKitGateway:
    """A gateway to the real LiveKit, which holds nothing."""
    plane = real_livekit
    gateway = LiveKitGateway(
        url=plane.url, key=plane.key, secret=plane.secret, agent_name="contactcenter"
    )
    for rule in gateway.list_rules():
        gateway.delete_rule(remote_id=rule.remote_id)
    for trunk in gateway.list_trunks():
        gateway.delete_trunk(remote_id=trunk.remote_id)
    return gateway


@pytest.fixture(params=["fake", "real"])
def gateway(request):
    """The same cases against the fake and the real one."""
    if request.param == "fake":
        return FakeGateway()
    return request.getfixturevalue("real_gateway")
