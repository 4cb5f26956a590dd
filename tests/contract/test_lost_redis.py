"""Celery on a real Redis: emptied under it, all comes back; of two queues, calls' is first."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from agents.seal import new_key
from contactcenter.celery import CAN_WAIT, app
from tests.contract.servers import ROOT

pytestmark = [pytest.mark.contract, pytest.mark.timeout(110)]

PROMISED_S = 30


@pytest.fixture
def environment(real_livekit, tmp_path) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "contactcenter.settings",
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "DATA_DIR": str(tmp_path),
        "REDIS_URL": real_livekit.redis_url,
        "LIVEKIT_URL": real_livekit.url,
        "LIVEKIT_API_KEY": real_livekit.key,
        "LIVEKIT_API_SECRET": real_livekit.secret,
        "SEAL_KEY": new_key(),
    }


@pytest.fixture
def celery(environment, tmp_path) -> Iterator[Path]:
    """A worker with beat, on a database with the demo project; its log."""
    with running(environment, tmp_path, "--beat", "--schedule", str(tmp_path / "beat")) as log:
        yield log


@contextmanager
def running(environment: dict[str, str], folder: Path, *more: str) -> Iterator[Path]:
    for command in ("migrate", "demoproject"):
        manage = [sys.executable, "manage.py", command]
        subprocess.run(manage, cwd=ROOT, env=environment, check=True, capture_output=True)
    log = folder / "celery.log"
    worker = [
        sys.executable, "-m", "celery", "-A", "contactcenter.celery", "worker",
        "--pool", "solo", "--loglevel", "INFO", *more,
    ]  # fmt: skip
    with log.open("wb") as out:
        process = subprocess.Popen(
            worker, cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield log
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # beat is a child of the worker
        process.wait()


def wait_for_the_rule(gateway, log: Path, *, seconds: float) -> float:
    start = time.monotonic()
    while time.monotonic() - start < seconds:
        trunks = {trunk.remote_id for trunk in gateway.list_trunks()}
        named = [trunk for rule in gateway.list_rules() for trunk in rule.spec.trunk_ids]
        if len(named) == 2 and set(named) == trunks:  # the demo's line, and unknown numbers
            return time.monotonic() - start
        time.sleep(0.2)
    pytest.fail(f"LiveKit is still empty after {seconds} s:\n{log.read_text()[-3000:]}")


def test_after_flushall_trunks_and_rules_are_back_in_time(real_livekit, real_gateway, celery):
    wait_for_the_rule(real_gateway, celery, seconds=40)
    redis.Redis.from_url(real_livekit.redis_url).flushall()
    assert real_gateway.list_trunks() == []
    took = wait_for_the_rule(real_gateway, celery, seconds=PROMISED_S)
    assert took < PROMISED_S


BACKLOG = """
from contactcenter.celery import app
for n in range(300):
    app.send_task("recordings.tasks.after_call", kwargs={"call_id": n})
app.send_task("telephony.tasks.reconcile_calls")
"""


def test_what_calls_wait_for_is_not_behind_a_backlog_of_analyses(environment, tmp_path):
    ask = [sys.executable, "-c", BACKLOG]
    subprocess.run(ask, cwd=ROOT, env=environment, check=True, capture_output=True)
    with running(environment, tmp_path) as log:
        end = time.monotonic() + 60
        while time.monotonic() < end and log.read_text().count("after_call[") < 40:
            time.sleep(0.2)
        received = [line for line in log.read_text().splitlines() if "received" in line]
    # a worker which was killed may have left others in the queue of what calls wait for
    first = next(n for n, line in enumerate(received) if "after_call" in line)
    assert any("reconcile_calls" in line for line in received[:first])
    assert sum("after_call" in line for line in received) >= 20


def test_what_can_wait_are_tasks_of_ours():
    app.loader.import_default_modules()
    assert set(CAN_WAIT) <= set(app.tasks)
