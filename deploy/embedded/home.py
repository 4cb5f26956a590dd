"""One installation on this machine: its folder, its environment, its secrets."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dotenv import dotenv_values

from agents.seal import new_key

ROOT = Path(__file__).resolve().parents[2]
NUMBER = "+12025550100"  # what manage.py demoproject gives the demo project
MARKER = "CONTACTCENTER_HOME"  # in the environment of every process we start

PORTS = {
    "WEB_PORT": "8000",
    "REDIS_PORT": "6390",
    "LIVEKIT_PORT": "7880",
    "SIP_PORT": "5060",
    "S3_PORT": "7070",
    "WORKER_PORT": "8081",
}
# of the SIP edge, which is there with EDGE=1 only
EDGE_PORTS = {"EDGE_PORT": "5160", "EDGE_INNER_PORT": "5162", "EDGE_RPC_PORT": "5164"}
RANGES = {"LIVEKIT_UDP_PORTS": "50000-50200", "SIP_RTP_PORTS": "10000-10200"}


class Trouble(Exception):
    """What stops us, in one line: what it is and what to do."""


@dataclass(frozen=True, slots=True)
class Home:
    data: Path
    env: dict[str, str]

    @property
    def run(self) -> Path:
        return self.data / "run"

    @property
    def logs(self) -> Path:
        return self.data / "log"

    def port(self, name: str) -> int:
        return int(self.env[name])

    @property
    def has_edge(self) -> bool:
        return self.env.get("EDGE") == "1"

    @property
    def ports(self) -> tuple[str, ...]:
        """Names of the ports we listen on."""
        return (*PORTS, *EDGE_PORTS) if self.has_edge else (*PORTS,)

    @property
    def admin_url(self) -> str:
        return f"{self.env['PUBLIC_URL']}/admin/"

    @property
    def sip_uri(self) -> str:
        return f"sip:{NUMBER}@127.0.0.1:{self.env['SIP_PORT']}"


def load(environ: Mapping[str, str] = os.environ) -> Home:
    """Read `.env`, then the process's environment, which wins; make secrets on first use."""
    given = {name: value for name, value in dotenv_values(ROOT / ".env").items() if value}
    env = {**PORTS, **EDGE_PORTS, **RANGES, **given, **{k: v for k, v in environ.items() if v}}
    for name in (*PORTS, *EDGE_PORTS):
        _check_port(name, env[name])
    for name in RANGES:
        port_range(name, env[name])
    data = (ROOT / env.get("DATA_DIR", "var")).resolve()
    for folder in (data, data / "run", data / "log", data / "s3", data / "redis"):
        _make(folder)
    env = {**_secrets(data / "secrets.env"), **env, **_derived(env, data)}
    return Home(data=data, env=env)


def _derived(env: dict[str, str], data: Path) -> dict[str, str]:
    """What follows from ports and folder; our own servers, so these are not a matter of taste."""
    web = f"http://127.0.0.1:{env['WEB_PORT']}"
    return {
        "DATA_DIR": str(data),
        MARKER: str(data),
        "DJANGO_SETTINGS_MODULE": "contactcenter.settings",
        "REDIS_URL": f"redis://127.0.0.1:{env['REDIS_PORT']}/0",
        "LIVEKIT_URL": f"ws://127.0.0.1:{env['LIVEKIT_PORT']}",
        "LIVEKIT_API_KEY": env.get("LIVEKIT_API_KEY", "contactcenter"),
        **_edge(env),
        "S3_ENDPOINT": f"http://127.0.0.1:{env['S3_PORT']}",
        "PUBLIC_URL": web,
        "CONTROL_URL": web,
        "WORKER_HOST": "127.0.0.1",
        "SIP_LOG": str(data / "log" / "livekit-sip.log"),
        "WORKER_DATA_DIR": str(data / "worker"),
        # boto3 and others would ask a proxy of this machine for our own loopback addresses
        "NO_PROXY": _no_proxy(env),
        "no_proxy": _no_proxy(env),
        # Kamailio lies where only root looks
        "PATH": f"{ROOT / '.venv' / 'bin'}:{env.get('PATH', '')}:/usr/sbin",
        "PYTHONUNBUFFERED": "1",
    }


def _edge(env: dict[str, str]) -> dict[str, str]:
    if env.get("EDGE") != "1":
        return {}
    return {
        "SIP_EDGE_ADDRESS": f"127.0.0.1:{env['EDGE_INNER_PORT']}",
        "SIP_EDGE_RPC_URL": f"http://127.0.0.1:{env['EDGE_RPC_PORT']}/rpc",
        "EDGE_OUTER": "127.0.0.1",
        "SIP_PUBLIC_IP": "127.0.0.1",
        "EDGE_TARGETS": f"127.0.0.1:{env['SIP_PORT']}",
    }


def _no_proxy(env: dict[str, str]) -> str:
    known = env.get("NO_PROXY") or env.get("no_proxy") or ""
    return ",".join(part for part in (known, "127.0.0.1", "localhost") if part)


def _secrets(path: Path) -> dict[str, str]:
    """Secrets of this installation, made on first use, readable by its owner only."""
    known = {k: v or "" for k, v in dotenv_values(path).items()}
    fresh = {
        "SECRET_KEY": secrets.token_urlsafe(48),
        "LIVEKIT_API_SECRET": secrets.token_urlsafe(36),
        "SEAL_KEY": new_key(),
        "WORKER_TOKEN": secrets.token_urlsafe(32),
        "SIP_EDGE_TOKEN": secrets.token_urlsafe(32),
        "S3_ACCESS_KEY": f"cc{secrets.token_hex(8)}",
        "S3_SECRET_KEY": secrets.token_urlsafe(30),
        "ADMIN_PASSWORD": secrets.token_urlsafe(12),
    }
    if set(fresh) <= set(known):
        return known
    known = {**fresh, **known}
    path.touch(mode=0o600)
    path.write_text("".join(f"{name}='{value}'\n" for name, value in known.items()))
    return known


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as reason:
        raise Trouble(
            f"{folder} cannot be made ({reason.strerror}). Set DATA_DIR to a folder you own."
        ) from reason


def _check_port(name: str, text: str) -> None:
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise Trouble(f"{name} is {text!r}; write a port from 1 to 65535.")


def port_range(name: str, text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not (first.isdigit() and last.isdigit() and 0 < int(first) < int(last) < 65536):
        raise Trouble(f"{name} is {text!r}; write a range as 10000-10200.")
    return int(first), int(last)
