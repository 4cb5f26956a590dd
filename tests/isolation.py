"""A pytest plugin: the whole run, and all it starts, lives in a network of its own.

As root the process enters a new network namespace in which only loopback exists, so neither a test
nor a server it starts can reach anything else: connecting outside fails at once. A bridge without
ports stands beside it, because WebRTC finds no way to itself where there is nothing but loopback.
Without root the kernel may refuse; then pytest-socket guards this process alone and the header
says so.

With pytest-xdist each of its workers has a network of its own, so no port is wanted by two.
"""

import ctypes
import fcntl
import os
import socket
import struct

import pytest

_CLONE_NEWNET = 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_SIOCBRADDBR, _SIOCSIFADDR, _SIOCSIFNETMASK = 0x89A0, 0x8916, 0x891C
BRIDGE, _ADDRESS = b"alone", "198.18.0.1"  # an address of the range kept for tests, without a net


def _enter_empty_network() -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) != 0:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        _switch_on(control, b"lo")
        fcntl.ioctl(control, _SIOCBRADDBR, BRIDGE + b"\0")
        for request, address in ((_SIOCSIFADDR, _ADDRESS), (_SIOCSIFNETMASK, "255.255.255.255")):
            value = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
            fcntl.ioctl(control, request, BRIDGE.ljust(16, b"\0") + value)
        _switch_on(control, BRIDGE)
    return True


def _switch_on(control: socket.socket, interface: bytes) -> None:
    name = interface.ljust(16, b"\0")
    request = name + struct.pack("H14x", 0)
    flags = struct.unpack("16xH14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[0]
    fcntl.ioctl(control, _SIOCSIFFLAGS, name + struct.pack("H14x", flags | _IFF_UP))


_ME = os.environ.get("PYTEST_XDIST_WORKER", "alone")
# a pytest started by a test is already inside
ISOLATED = os.environ.get("TESTS_ISOLATED") == _ME or _enter_empty_network()
if ISOLATED:
    os.environ["TESTS_ISOLATED"] = _ME


def pytest_report_header() -> str:
    return (
        f"network: {'loopback only, enforced by the kernel' if ISOLATED else 'guarded in-process'}"
    )


def pytest_configure(config: pytest.Config) -> None:
    if not ISOLATED:
        config.option.allow_hosts = "127.0.0.1,::1,localhost"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A module without a kind does not run: every test says what it needs."""
    kinds = {"unit", "db", "worker", "contract", "e2e"}
    nameless = {
        item.location[0] for item in items if not kinds & {m.name for m in item.iter_markers()}
    }
    if nameless:
        raise pytest.UsageError(f"No kind (pytestmark) in: {', '.join(sorted(nameless))}")
