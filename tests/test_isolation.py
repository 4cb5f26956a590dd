import os
import socket

import pytest

from tests.isolation import BRIDGE

pytestmark = pytest.mark.unit


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")
def test_only_loopback_exists_for_the_tests():
    """Beside a bridge to nowhere, for WebRTC's sake."""
    assert {name for _, name in socket.if_nameindex()} == {"lo", BRIDGE.decode()}


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")
def test_nothing_outside_can_be_reached():
    with pytest.raises(OSError, match="unreachable"):
        socket.create_connection(("198.51.100.7", 443), timeout=2)
