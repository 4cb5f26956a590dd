"""Redis emptied under the running product: Celery goes on, and LiveKit gets everything back."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from agents.seal import new_key
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
    for command in ("migrate", "demoproject"):
        manage = [sys.executable, "manage.py", command]
        subprocess.run(manage, cwd=ROOT, env=environment, check=True, capture_output=True)
    log = tmp_path / "celery.log"
    worker = [
        sys.executable, "-m", "celery", "-A", "contactcenter.celery", "worker", "--beat",
        "--pool", "solo", "--schedule", str(tmp_path / "beat"), "--loglevel", "INFO",
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
