"""What a newcomer does, and what goes wrong: make up, status, down, a busy port."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from deploy.embedded import supervise
from deploy.embedded.home import ROOT, load
from tests.e2e.stack import Stack, environment, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]


def embedded(
    command: str, env: dict[str, str], timeout_s: float = 120
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deploy.embedded", command],
        env=env, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s,
    )  # fmt: skip


def test_status_tells_scripts_where_everything_is(stack):
    done = embedded("status", {**stack.home.env, "FORMAT": "json"})
    status = json.loads(done.stdout)
    assert done.returncode == 0, status
    assert status["sip_uri"] == f"sip:+12025550100@127.0.0.1:{stack.home.env['SIP_PORT']}"
    assert status["login"] == "admin"
    assert status["password"]
    assert {part["state"] for part in status["parts"]} == {"ready"}


def test_a_call_from_the_command_line(stack, tmp_path):
    out = tmp_path / "both.wav"
    env = {**stack.home.env, "SAY": "Where is my order?", "DTMF": "", "OUT": str(out)}
    done = embedded("call", env)
    assert done.returncode == 0, done.stderr
    assert "Orders arrive within five working days" in done.stdout
    assert "Recording  stored" in done.stdout
    assert out.stat().st_size > 50_000


def test_nothing_listens_beyond_loopback(stack):
    """Between calls; during one, livekit-sip and WebRTC open UDP ports on all interfaces."""
    eventually(lambda: outside(stack) == [], 30)


def outside(stack: Stack) -> list[tuple[str, str]]:
    found = []
    for process in supervise.ours(stack.home):
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie counts as one, too
            for connection in process.net_connections("inet"):
                listening = connection.status in {psutil.CONN_LISTEN, psutil.CONN_NONE}
                if listening and connection.laddr.ip not in {"127.0.0.1", "::1"}:
                    found.append((process.name(), f"{connection.laddr.ip}:{connection.laddr.port}"))
    return found


def test_secrets_are_readable_by_their_owner_only(stack):
    for name in ("secrets.env", "run/livekit.yaml", "run/sip.yaml"):
        assert (stack.home.data / name).stat().st_mode & 0o077 == 0, name


def test_a_busy_port_is_named_with_who_has_it_and_what_to_set(tmp_path):
    env = environment(tmp_path)
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", int(env["LIVEKIT_PORT"])))
        busy.listen()
        done = embedded("up", env)
    assert done.returncode == 1
    assert f"Port {env['LIVEKIT_PORT']} is taken by" in done.stderr
    assert "LIVEKIT_PORT" in done.stderr
    assert supervise.ours(load(env)) == []


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("WEB_PORT", "http", "write a port"),
        ("SIP_RTP_PORTS", "10000", "write a range"),
        ("DATA_DIR", "/proc/contactcenter", "Set DATA_DIR"),
        ("DEBUG", "yes", "write true or false"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path, name, value, words):
    done = embedded("up", {**environment(tmp_path), name: value})
    assert done.returncode == 1
    assert name in done.stderr
    assert words in done.stderr


def test_a_failure_half_way_leaves_nothing_running(tmp_path):
    """The database cannot be made: everything that was started before stops again."""
    env = environment(tmp_path)
    (tmp_path / "db.sqlite3").mkdir(parents=True)
    done = embedded("up", env)
    assert done.returncode == 1
    assert "migrate" in done.stderr
    assert supervise.ours(load(env)) == []


def test_ctrl_c_while_starting_leaves_nothing_running(tmp_path):
    env = environment(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "deploy.embedded", "up"], env=env, cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # a suite which runs in the background ignores Ctrl-C, and so would its children
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    home = load(env)
    eventually(lambda: len(supervise.ours(home)) > 2, 30)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, trouble = process.communicate(timeout=90)
    assert process.returncode == 130
    assert "stopped" in trouble
    assert supervise.ours(home) == []


def test_down_leaves_nothing_even_after_the_supervisor_was_killed(tmp_path):
    env = environment(tmp_path)
    assert embedded("up", env).returncode == 0
    home = load(env)
    os.kill(int((home.run / "supervisord.pid").read_text()), signal.SIGKILL)
    assert supervise.ours(home)
    assert embedded("down", env).returncode == 0
    assert supervise.ours(home) == []


def test_help_names_every_target():
    text = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True).stdout
    makefile = (Path(ROOT) / "Makefile").read_text()
    for target in ("demo", "test", "up", "down", "status", "logs", "call", "bench-call"):
        assert f"make {target}" in text
        assert f"\n{target}:" in makefile
