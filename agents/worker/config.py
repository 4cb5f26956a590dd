"""The worker's environment as one frozen value, read once at start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


class BadConfig(Exception):
    """The environment is not usable. The text names the variable and what to write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    livekit_url: str
    livekit_api_key: str
    livekit_api_secret: str = field(repr=False)
    worker_token: str = field(repr=False)
    seal_keys: tuple[str, ...] = field(repr=False)
    data_dir: Path
    agent_name: str = "contactcenter"
    control_url: str = "http://127.0.0.1:8000"
    redis_url: str = field(default="redis://127.0.0.1:6390/0", repr=False)
    probe_s: int = 30  # how often providers which are down are asked whether they are back
    slots: int = 20
    idle_processes: int = 5
    host: str = "127.0.0.1"
    port: int = 8081
    drain_seconds: int = 5  # how long a stopping worker lets running calls go on
    log_level: str = "INFO"
    lookup_hosts: tuple[str, ...] = ()  # host or host:port which may be asked who a caller is
    tokeniser_hosts: tuple[str, ...] = ()  # … which may be given a caller's payment card

    @property
    def plans_dir(self) -> Path:
        return self.data_dir / "plans"

    @property
    def journal_dir(self) -> Path:
        return self.data_dir / "journal"

    @property
    def entrance_dir(self) -> Path:
        """What was last decided for callers of each number."""
        return self.data_dir / "entrance"

    @property
    def recording_dir(self) -> Path:
        """Recordings being written; a finished one moves to the spool."""
        return self.data_dir / "recording"

    @property
    def spool_dir(self) -> Path:
        return self.data_dir / "spool"

    def make_folders(self) -> None:
        for folder in (self.plans_dir, self.journal_dir, self.recording_dir, self.spool_dir):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def load(environ: Mapping[str, str] = os.environ) -> Config:
    """Raises BadConfig naming the variable."""
    slots = _number(environ, "MAX_CONCURRENT_JOBS", 20)
    return Config(
        livekit_url=environ.get("LIVEKIT_URL", "ws://127.0.0.1:7880"),
        livekit_api_key=environ.get("LIVEKIT_API_KEY", "contactcenter"),
        livekit_api_secret=_secret(environ, "LIVEKIT_API_SECRET"),
        worker_token=_secret(environ, "WORKER_TOKEN"),
        seal_keys=tuple(k for k in _secret(environ, "SEAL_KEY").split(",") if k.strip()),
        data_dir=_data_dir(environ),
        agent_name=environ.get("AGENT_NAME", "contactcenter"),
        control_url=environ.get("CONTROL_URL", "http://127.0.0.1:8000").rstrip("/"),
        redis_url=environ.get("REDIS_URL", "redis://127.0.0.1:6390/0"),
        probe_s=_number(environ, "HEALTH_CHECK_INTERVAL", 30),
        slots=slots,
        idle_processes=_number(environ, "IDLE_PROCESSES", min(slots, 5)),
        host=environ.get("WORKER_HOST", "127.0.0.1"),
        port=_number(environ, "WORKER_PORT", 8081),
        drain_seconds=_number(environ, "DRAIN_SECONDS", 5, least=0),
        log_level=environ.get("LOG_LEVEL", "INFO").upper(),
        lookup_hosts=tuple(environ.get("LOOKUP_HOSTS", "").replace(",", " ").split()),
        tokeniser_hosts=tuple(environ.get("TOKENISER_HOSTS", "").replace(",", " ").split()),
    )


def _data_dir(environ: Mapping[str, str]) -> Path:
    if own := environ.get("WORKER_DATA_DIR"):
        return Path(own).absolute()
    return Path(environ.get("DATA_DIR", "var")).absolute() / "worker"


def _secret(environ: Mapping[str, str], name: str) -> str:
    """`NAME_FILE` (a mounted secret) wins over `NAME`."""
    if path := environ.get(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip()
        except OSError as reason:
            raise BadConfig(f"{name}_FILE: cannot read {path}.") from reason
    if not (value := environ.get(name)):
        raise BadConfig(f"{name} is not set. See .env.example.")
    return value


def _number(environ: Mapping[str, str], name: str, default: int, *, least: int = 1) -> int:
    text = environ.get(name, "")
    if not text:
        return default
    if not text.isdigit() or int(text) < least:
        raise BadConfig(f"{name} is {text!r}; write a whole number of {least} or more.")
    return int(text)
