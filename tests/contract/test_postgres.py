"""Every database test once more, on a real PostgreSQL which this module starts."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgres as server

pytestmark = [pytest.mark.contract, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def postgres() -> Iterator[str]:
    with server.running() as url:
        yield url


def test_every_database_test_passes_on_postgresql(postgres):
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-m", "db", "-q", "-x"],
        cwd=ROOT, env={**os.environ, "DATABASE_URL": postgres}, capture_output=True, text=True,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout[-6000:]
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed
    assert int(passed[1]) > 20
