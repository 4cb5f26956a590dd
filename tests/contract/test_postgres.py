"""Every database test once more, on a real PostgreSQL which this module starts."""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.contract, pytest.mark.timeout(400)]

ROOT = Path(__file__).parents[2]


def as_postgres(*command: str) -> list[str]:
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else list(command)


def program(name: str) -> str:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    assert found, f"{name} is not installed; run make setup"
    return str(found[-1])


@pytest.fixture
def postgres() -> Iterator[str]:
    home = Path(tempfile.mkdtemp(prefix="cc-pg-"))
    if os.geteuid() == 0:
        shutil.chown(home, "postgres", "postgres")
    data = str(home / "data")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    subprocess.run(
        as_postgres(program("initdb"), "-D", data, "-A", "trust", "-U", "tester", "--no-sync"),
        check=True, capture_output=True, cwd=home,
    )  # fmt: skip
    server = subprocess.Popen(
        as_postgres(program("postgres"), "-D", data, "-p", str(port), "-h", "127.0.0.1",
                    "-k", str(home), "-c", "fsync=off"),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=home,
    )  # fmt: skip
    try:
        wait_until_ready(port)
        yield f"postgresql://tester@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run(
            as_postgres(program("pg_ctl"), "-D", data, "stop", "-m", "immediate"),
            capture_output=True, cwd=home,
        )  # fmt: skip
        server.wait(timeout=20)
        shutil.rmtree(home, ignore_errors=True)


def wait_until_ready(port: int) -> None:
    for _ in range(200):
        ready = subprocess.run([program("pg_isready"), "-h", "127.0.0.1", "-p", str(port)],
                               capture_output=True)  # fmt: skip
        if ready.returncode == 0:
            return
        time.sleep(0.1)
    pytest.fail("PostgreSQL did not start")


def test_every_database_test_passes_on_postgresql(postgres):
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "db", "-q", "-x"],
        cwd=ROOT, env={**os.environ, "DATABASE_URL": postgres}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-6000:]
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed
    assert int(passed[1]) > 20
