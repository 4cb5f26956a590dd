"""A real Celery worker is killed with SIGKILL in the middle of a step; another one goes on."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from django.db import connection

from recordings.after_wants import STEPS
from tests.factories import make_project
from tests.recordings.after_cases import TALK, a_call, wanting

pytestmark = [
    pytest.mark.db,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("livekit", "bucket"),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="the worker gets a copy of SQLite"),
]


def copied(path: Path) -> Path:
    """The tests' database, which lives in memory, as a file another process can open."""
    connection.ensure_connection()
    with closing(sqlite3.connect(path)) as file:
        connection.connection.backup(file)
    return path


def asked(database: Path, question: str) -> list[tuple]:
    with closing(sqlite3.connect(database, timeout=20)) as file:
        return file.execute(question).fetchall()


def worker(*told: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.recordings.after_worker", *map(str, told)]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2], env=dict(os.environ))


def until_written(mark: Path, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 100
    while not mark.exists():
        assert process.poll() is None, "the worker ended by itself"
        assert time.monotonic() < end, "the worker never came to the step"
        time.sleep(0.05)


def kill_in(step: str, mark: Path, *told: object) -> None:
    """A worker which is at `step`, with its work done and not committed."""
    process = worker(*told, step, mark)
    try:
        until_written(mark, process)
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(600)
def test_a_worker_killed_in_each_step_leaves_nothing_half_done(tmp_path):
    """One after the other, each in the step behind the one in which the last one died."""
    project = make_project()
    wanting(project)
    call = a_call(*TALK, project=project)
    database = copied(tmp_path / "db.sqlite3")
    states = "SELECT name, state FROM recordings_afterstep ORDER BY position"
    for hours, step in enumerate(STEPS):
        kill_in(step, tmp_path / step, database, call.pk, hours)
        found = asked(database, states)
        assert found[hours] == (step, "running")
        assert {state for _, state in found[:hours]} <= {"done", "skipped"}
        assert {state for _, state in found[hours + 1 :]} <= {"wanted"}
        told = "SELECT count(*) FROM recordings_callinsight WHERE told <> ''"
        assert asked(database, told) == [(0,)]

    last = worker(database, call.pk, len(STEPS))
    try:
        assert last.wait(timeout=100) == 0
    finally:
        last.kill()
    assert {state for _, state in asked(database, states)} == {"done", "skipped"}
    ((summary, disposition, quality, told),) = asked(
        database, "SELECT summary, disposition, quality, told FROM recordings_callinsight"
    )
    assert "what does a repair cost?" in summary
    assert (disposition, quality, len(told)) == ("Price", 100, 64)
    assert asked(database, "SELECT count(*) FROM recordings_fieldvalue") == [(2,)]
    attempts = dict(asked(database, "SELECT name, attempts FROM recordings_afterstep"))
    assert set(attempts.values()) == {2}
