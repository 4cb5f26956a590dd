"""Is every port free? If not: who has it, and which setting moves us."""

import contextlib
import socket

import psutil

from deploy.embedded.home import Home, Trouble

_BOTH = {"SIP_PORT", "EDGE_PORT", "EDGE_INNER_PORT"}  # UDP as well


def check(home: Home) -> None:
    for name in home.ports:
        kinds = [socket.SOCK_STREAM] + ([socket.SOCK_DGRAM] if name in _BOTH else [])
        for kind in kinds:
            if not _free(home.port(name), kind):
                raise Trouble(
                    f"Port {home.port(name)} is taken{_by(home.port(name))}. "
                    f"Stop that, or set {name} in .env to a free port."
                )


def _free(port: int, kind: socket.SocketKind) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        if kind == socket.SOCK_STREAM:
            # a closed connection lingers for a minute; only a listener is in our way
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _by(port: int) -> str:
    with contextlib.suppress(psutil.Error):
        for connection in psutil.net_connections("inet"):
            if connection.laddr and connection.laddr.port == port and connection.pid:
                with contextlib.suppress(psutil.Error):
                    return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    return ""
