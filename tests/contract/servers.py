"""Starts the real Redis, livekit-server and livekit-sip on free loopback ports, for one test."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
BIN_DIR = Path(os.environ.get("BIN_DIR", ROOT / "bin"))
_PORTS = iter(range(16000 + os.getpid() % 97 * 100, 29000))
KEY, SECRET = "contactcenter", "a-secret-for-tests-of-at-least-32-characters"


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaPlane:
    url: str
    redis_url: str
    sip_port: int = 0
    sip_log: Path = Path()
    key: str = KEY
    secret: str = SECRET


def free_port() -> int:
    """One which nobody has, of TCP and UDP alike (SIP listens on both): below those which the
    system gives to connections, or one of those could take it before the server does."""
    for port in _PORTS:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
        ):
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                stream.bind(("127.0.0.1", port))
                datagram.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A key and its certificate for 127.0.0.1, as PEM files."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
         "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key,
         "-out", certificate], check=True, capture_output=True,
    )  # fmt: skip
    return key, certificate


def program(name: str) -> str:
    found = shutil.which(name, path=f"{BIN_DIR}{os.pathsep}{os.environ['PATH']}:/usr/sbin")
    assert found, f"{name} is not installed; run make setup"
    return found


@contextmanager
def running(*command: str, log: Path, port: int, kindly: bool = False) -> Iterator[None]:
    """A server from the moment it listens on `port` until the block is left.

    `kindly`: it has processes of its own, which it stops when it is asked to.
    """
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
    try:
        _wait_for(port, process, log)
        yield
    finally:
        process.terminate() if kindly else process.kill()
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"{process.args!r} does not listen:\n{log.read_text()[-2000:]}")


@contextmanager
def media_plane(
    home: Path, *, hook_url: str = "", sip: bool = False, sip_more: Mapping[str, object] = {}
) -> Iterator[MediaPlane]:
    with ExitStack() as stack:
        redis = free_port()
        stack.enter_context(_redis(home, redis))
        port = free_port()
        config = home / "livekit.yaml"
        config.write_text(yaml.safe_dump(_server_config(port, redis, hook_url)))
        server = (program("livekit-server"), "--config", str(config))
        stack.enter_context(running(*server, log=home / "livekit.log", port=port))
        sip_port = 0
        if sip:
            sip_port, health = free_port(), free_port()
            config = home / "sip.yaml"
            config.write_text(
                yaml.safe_dump(_sip_config(sip_port, health, port, redis) | dict(sip_more))
            )
            command = (program("livekit-sip"), "--config", str(config))
            stack.enter_context(running(*command, log=home / "sip.log", port=health))
        yield MediaPlane(
            url=f"ws://127.0.0.1:{port}",
            redis_url=f"redis://127.0.0.1:{redis}/0",
            sip_port=sip_port,
            sip_log=home / "sip.log",
        )


def _redis(home: Path, port: int):
    command = (program("redis-server"), "--port", str(port), "--bind", "127.0.0.1")
    options = ("--save", "", "--appendonly", "no", "--dir", str(home))
    return running(*command, *options, log=home / "redis.log", port=port)


def _server_config(port: int, redis: int, hook_url: str) -> dict[str, object]:
    first = 40000 + port % 10000
    config: dict[str, object] = {
        "port": port,
        "bind_addresses": ["127.0.0.1"],
        "rtc": {
            "node_ip": "127.0.0.1",
            "enable_loopback_candidate": True,
            "use_external_ip": False,
            "port_range_start": first,
            "port_range_end": first + 100,
            "tcp_port": 0,
        },
        "redis": {"address": f"127.0.0.1:{redis}"},
        "keys": {KEY: SECRET},
        # as compose.yaml has it; nothing listens there, which only URL inputs notice
        "ingress": {
            "rtmp_base_url": "rtmp://127.0.0.1:1935/live",
            "whip_base_url": "http://127.0.0.1:8085/whip",
        },
    }
    if hook_url:
        config["webhook"] = {"api_key": KEY, "urls": [hook_url]}
    return config


def _sip_config(sip_port: int, health: int, port: int, redis: int) -> dict[str, object]:
    first = 30000 + sip_port % 9000
    return {
        "api_key": KEY,
        "api_secret": SECRET,
        "ws_url": f"ws://127.0.0.1:{port}",
        "redis": {"address": f"127.0.0.1:{redis}"},
        "sip_port": sip_port,
        "listen_ip": "127.0.0.1",
        "nat_1_to_1_ip": "127.0.0.1",
        "rtp_port": f"{first}-{first + 100}",
        "health_port": health,
        "logging": {"json": True, "level": "info"},
        "max_cpu_utilization": 1,
    }
