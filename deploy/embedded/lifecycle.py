"""Starts the whole product in order, waits for each part, and stops it again."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from deploy.embedded import configs, parts, ports, supervise
from deploy.embedded.home import ROOT, Home, Trouble

WAIT_S = 90
NEEDED_GB = 0.5
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def up(home: Home) -> bool:
    """Start everything and wait until it is ready; on any failure stop what was started.

    Returns False if it was running already.
    """
    if supervise.running(home):
        print("Already running.")
        _ready(home, *parts.all_parts(home))
        return False
    _check(home)
    with or_stop(home):
        _start(home)
    return True


@contextmanager
def or_stop(home: Home) -> Iterator[None]:
    """Whatever goes wrong inside, and Ctrl-C, leaves no process behind."""
    try:
        yield
    except BaseException:
        before = [signal.signal(number, signal.SIG_IGN) for number in _STOPPING]
        with suppress(OSError):  # nobody reads any more
            print("\nStopping what was started …", flush=True)
        supervise.shut_down(home)
        for number, handler in zip(_STOPPING, before, strict=True):
            signal.signal(number, handler)
        raise


def down(home: Home) -> None:
    left = supervise.shut_down(home)
    print("Stopped." + (f" {left} process(es) had been left without supervisor." if left else ""))


def _check(home: Home) -> None:
    missing = [n for n in ("livekit-server", "livekit-sip", "versitygw") if not _binary(n)]
    if missing or not shutil.which("redis-server"):
        raise Trouble(f"Not installed: {', '.join(missing) or 'redis-server'}. Run `make setup`.")
    if home.has_edge and not shutil.which("kamailio", path=home.env["PATH"]):
        raise Trouble("EDGE=1 needs Kamailio: apt install kamailio kamailio-tls-modules.")
    free = shutil.disk_usage(home.data).free / 1e9
    if free < NEEDED_GB:
        raise Trouble(
            f"{free:.1f} GB free in {home.data}, {NEEDED_GB} GB are needed. "
            f"Make room, or set DATA_DIR to another disk."
        )
    if left := supervise.ours(home):
        raise Trouble(
            f"{len(left)} process(es) of an earlier start still run (first pid {left[0].pid}). "
            f"Run `make down`."
        )
    ports.check(home)


def _binary(name: str) -> bool:
    return (ROOT / "bin" / name).exists()


def _start(home: Home) -> None:
    configs.write(home)
    for old in home.run.glob("beat*"):
        old.unlink()
    (home.data / "worker" / "ready.json").unlink(missing_ok=True)
    supervise.start_daemon(home)
    by_name = {part.name: part for part in parts.all_parts(home)}
    _begin(home, "redis", "s3")
    manage(home, "migrate", "--noinput", title="database")
    _ready(home, by_name["redis"], by_name["s3"])
    manage(home, "makebucket", title="bucket")
    manage(home, "makeroles", title="roles")
    manage(home, "loadprices", title="prices")
    manage(home, "demoproject", title="demo project")
    _begin(home, "livekit-server", "web")
    _ready(home, by_name["livekit-server"])
    edge = ("edge",) if home.has_edge else ()
    _begin(home, "livekit-sip", *edge, "celery", "beat", "worker")
    manage(home, "synclivekit", "--apply", title="lines")
    _ready(home, *(by_name[n] for n in ("web", "livekit-sip", *edge, "celery", "beat", "worker")))


def _begin(home: Home, *names: str) -> None:
    for name in names:
        supervise.start(home, name)


def _ready(home: Home, *wanted: parts.Part) -> None:
    for part in wanted:
        begun = time.monotonic()
        _say(f"  {part.name} … ")
        while not parts.is_ready(home, part):
            if time.monotonic() - begun > WAIT_S:
                _say("not ready\n")
                raise Trouble(
                    f"{part.name} was not ready within {WAIT_S} s. "
                    f"Its last lines ({home.logs}/{part.name}.log):\n{tail(home, part.name)}"
                )
            time.sleep(0.1)
        _say(f"ready ({time.monotonic() - begun:.1f} s)\n")


def manage(home: Home, *command: str, title: str) -> None:
    begun = time.monotonic()
    _say(f"  {title} … ")
    done = subprocess.run(
        [ROOT / ".venv/bin/python", ROOT / "manage.py", *command],
        env=home.env, cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    if done.returncode != 0:
        _say("failed\n")
        raise Trouble(f"manage.py {command[0]} failed:\n{(done.stdout + done.stderr)[-1500:]}")
    _say(f"ready ({time.monotonic() - begun:.1f} s)\n")


def tail(home: Home, name: str, lines: int = 12) -> str:
    path = home.logs / f"{name}.log"
    if not path.exists():
        return "    (no log)"
    return "\n".join("    " + line[:300] for line in path.read_text().splitlines()[-lines:])


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
