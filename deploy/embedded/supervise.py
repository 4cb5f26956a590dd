"""Speaks to our supervisord, and makes sure nothing stays behind."""

import contextlib
import http.client
import os
import subprocess
import time
import xmlrpc.client
from typing import Any

import psutil
from supervisor.xmlrpc import SupervisorTransport

from deploy.embedded import configs
from deploy.embedded.home import MARKER, ROOT, Home, Trouble

_AWAY = (OSError, http.client.HTTPException, xmlrpc.client.Error)


def _rpc(home: Home) -> Any:
    transport = SupervisorTransport(None, None, f"unix://{configs.socket_path(home)}")
    return xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport).supervisor


def running(home: Home) -> bool:
    try:
        return bool(_rpc(home).getState()["statename"] == "RUNNING")
    except _AWAY:
        return False


def start_daemon(home: Home) -> None:
    (home.run / "supervisord.pid").unlink(missing_ok=True)
    env = home.env | {
        "ROOT_ACCESS_KEY": home.env["S3_ACCESS_KEY"],
        "ROOT_SECRET_KEY": home.env["S3_SECRET_KEY"],
    }
    done = subprocess.run(
        [ROOT / ".venv/bin/supervisord", "-c", home.run / "supervisord.conf"],
        env=env, capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    if done.returncode != 0:
        raise Trouble(f"supervisord did not start: {(done.stderr or done.stdout).strip()[-300:]}")
    for _ in range(100):
        if running(home):
            return
        time.sleep(0.1)
    raise Trouble(f"supervisord does not answer. See {home.logs}/supervisord.log.")


def start(home: Home, name: str) -> None:
    with contextlib.suppress(xmlrpc.client.Fault):  # already started
        _rpc(home).startProcess(name, False)


def stop(home: Home, name: str) -> None:
    with contextlib.suppress(xmlrpc.client.Fault):  # not running
        _rpc(home).stopProcess(name)


def states(home: Home) -> dict[str, dict[str, Any]]:
    """By program: statename (RUNNING, BACKOFF, …) and pid; empty when supervisord is down."""
    try:
        return {info["name"]: info for info in _rpc(home).getAllProcessInfo()}
    except _AWAY:
        return {}


def shut_down(home: Home) -> int:
    """Stop everything; return how many processes had stayed behind and were stopped one by one.

    Those are there when supervisord itself was killed.
    """
    with contextlib.suppress(*_AWAY):
        _rpc(home).shutdown()
        end = time.monotonic() + 60
        while _is_there(home) and time.monotonic() < end:
            time.sleep(0.2)
    _wait_until_gone(home, 5)
    left = _signal(home, kill=False)
    _wait_until_gone(home, 10)
    _signal(home, kill=True)
    _wait_until_gone(home, 5)
    return left


def _is_there(home: Home) -> bool:
    """While it stops its programs, supervisord answers every question with a Fault."""
    try:
        _rpc(home).getState()
    except xmlrpc.client.Fault:
        return True
    except _AWAY:
        return False
    return True


def _wait_until_gone(home: Home, seconds: float) -> None:
    end = time.monotonic() + seconds
    while ours(home) and time.monotonic() < end:
        time.sleep(0.2)


def _signal(home: Home, *, kill: bool) -> int:
    """Ask what is left to stop, or make it; return how many there were."""
    left = ours(home)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.kill() if kill else process.terminate()
    return len(left)


def ours(home: Home) -> list[psutil.Process]:
    """Every process of this installation but this one, found by the mark in its environment."""
    found = []
    for process in psutil.process_iter():
        if process.pid == os.getpid():
            continue
        with contextlib.suppress(psutil.Error):
            if process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.environ().get(MARKER) == str(home.data):
                found.append(process)
    return found
