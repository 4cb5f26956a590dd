"""A real PostgreSQL of one's own, on loopback, gone afterwards."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class NoPostgres(Exception):
    """It is not installed, or did not start."""


@contextmanager
def running(*, fsync: bool = False) -> Iterator[str]:
    """Its DATABASE_URL. Without `fsync` a commit waits for no disk."""
    home = Path(tempfile.mkdtemp(prefix="cc-pg-"))
    if os.geteuid() == 0:
        shutil.chown(home, "postgres", "postgres")
    data = str(home / "data")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    subprocess.run(
        _as_postgres(_program("initdb"), "-D", data, "-A", "trust", "-U", "tester", "--no-sync"),
        check=True, capture_output=True, cwd=home,
    )  # fmt: skip
    server = subprocess.Popen(
        _as_postgres(_program("postgres"), "-D", data, "-p", str(port), "-h", "127.0.0.1",
                     "-k", str(home), "-c", f"fsync={'on' if fsync else 'off'}"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=home,
    )  # fmt: skip
    try:
        _wait_until_ready(port)
        yield f"postgresql://tester@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run(
            _as_postgres(_program("pg_ctl"), "-D", data, "stop", "-m", "immediate"),
            capture_output=True, cwd=home,
        )  # fmt: skip
        server.wait(timeout=20)
        shutil.rmtree(home, ignore_errors=True)


def _as_postgres(*command: str) -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else list(command)


def _program(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not found:
        raise NoPostgres(f"{name} is not installed; run make setup")
    return str(found[-1])


def _wait_until_ready(port: int) -> None:
    for _ in range(200):
        ready = subprocess.run([_program("pg_isready"), "-h", "127.0.0.1", "-p", str(port)],
                               capture_output=True)  # fmt: skip
        if ready.returncode == 0:
            return
        time.sleep(0.1)
    raise NoPostgres("PostgreSQL did not start")
