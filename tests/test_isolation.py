import os
import socket

import pytest

pytestmark = pytest.mark.unit


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")
def test_only_loopback_exists_for_the_tests():
    assert [name for _, name in socket.if_nameindex()] == ["lo"]


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace needs root")
def test_nothing_outside_can_be_reached():
    with pytest.raises(OSError, match="unreachable"):
        socket.create_connection(("192.0.2.1", 443), timeout=2)
