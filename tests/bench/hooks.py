"""`make bench-hooks`: how fast hooks are taken in, ours against a naive view, in one run.

Both views stand in one Django with the product's middleware, on one PostgreSQL (SQLite if there is
none) and one Redis, and get the same captured hooks of LiveKit: all ten of each call, some of them
twice and some forged, from THREADS at once (8: what a web process has as installed). Blocks go
there and back (A B B A …). Exit code 0 whatever the figures are;
1 when an event was lost, doubled or forged, or nothing could be measured.
"""

import hashlib
import io
import json
import logging
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CALLS = int(os.environ.get("CALLS") or 12)  # a block
BLOCKS = int(os.environ.get("BLOCKS") or 10)  # an arm
ARMS = {"ours": "/hooks/livekit", "naive": "/naive/livekit"}
THREADS = int(os.environ.get("THREADS") or 8)
TWICE, FORGED = 0.1, 0.05  # of the hooks of a block


@dataclass(frozen=True, slots=True)
class Hook:
    body: bytes
    authorization: str
    genuine: str  # the event's id; empty if forged
    name: str  # of the event


@dataclass(slots=True)
class Arm:
    seconds: list[tuple[float, str]] = field(default_factory=list)  # each hook, and its name
    blocks: list[float] = field(default_factory=list)  # hooks a second
    cpu: list[float] = field(default_factory=list)  # ms of this process, each hook of a block
    sent: set[str] = field(default_factory=set)  # genuine ids
    wrong: int = 0  # answers other than they should be


def main() -> int:
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="cc-hooks-")))
        database = _database(parts, folder)
        os.environ |= {
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            "DATABASE_URL": database,
            "REDIS_URL": parts.enter_context(_redis(folder)),
            "LOG_LEVEL": "ERROR",
        }
        parts.enter_context(_taker(os.environ["REDIS_URL"]))
        arms, problems = _measure()
        _report(arms, database.partition(":")[0], problems)
        from django.db import connection

        connection.close()
    return 1 if problems else 0


def _database(parts: ExitStack, folder: Path) -> str:
    from tests import postgres

    try:
        return parts.enter_context(postgres.running(fsync=True))
    except postgres.NoPostgres as why:
        print(f"{why}: measured on SQLite.", file=sys.stderr)
        return f"sqlite:///{folder}/db.sqlite3"


@contextmanager
def _redis(folder: Path) -> Iterator[str]:
    program = shutil.which("redis-server")
    if program is None:
        raise SystemExit("bench-hooks: redis-server is not installed; run make setup.")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [program, "--port", str(port), "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(timeout=10)


@contextmanager
def _taker(url: str) -> Iterator[None]:
    """Takes each task from the queue at once, as a Celery with nothing else to do would: ours hands
    on less while a notice lies there, so this is the least favourable case. It handles nothing."""
    program = (
        "import redis, sys\n"
        "r = redis.Redis.from_url(sys.argv[1])\n"
        "while True:\n"
        "    if r.blpop('celery', 1): r.delete(':1:events-waiting')\n"
    )
    taker = subprocess.Popen([sys.executable, "-c", program, url], stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        taker.terminate()
        taker.wait(timeout=10)


# --- what is sent ---------------------------------------------------------------------------------


def _calls(count: int, tag: str, rng: random.Random) -> list[Hook]:
    """The hooks of some calls which go on at the same time, as LiveKit sends them."""
    captured = [
        json.loads(path.read_text())
        for path in sorted((ROOT / "tests/payloads/livekit").glob("*.json"))
    ]
    captured.sort(key=lambda event: (int(event["createdAt"]), event["event"] != "room_started"))
    rounds = [[_of_call(event, f"{tag}{n}") for n in range(count)] for event in captured]
    hooks = [hook for one in rounds for hook in one]
    again = rng.sample(hooks, round(len(hooks) * TWICE))
    forged = [
        Hook(hook.body.replace(b'"id": "', b'"id": "F'), hook.authorization, "", "")
        for hook in rng.sample(hooks, round(len(hooks) * FORGED))
    ]
    for extra in again + forged:
        hooks.insert(rng.randrange(len(hooks)), extra)
    return hooks


def _of_call(event: dict[str, Any], tag: str) -> Hook:
    told = json.loads(json.dumps(event).replace("XdadJ382EQFy", tag))
    told["id"] = f"EV_{tag}_{hashlib.sha256(json.dumps(event).encode()).hexdigest()[:12]}"
    body = json.dumps(told).encode()
    return Hook(body, _signature(body), told["id"], told["event"])


def _signature(body: bytes) -> str:
    from tests import hooks

    return hooks.signature(body)


# --- how it is sent -------------------------------------------------------------------------------


def _send(application: Callable[..., Any], path: str, hook: Hook) -> int:
    answer: list[str] = []
    environ = {
        "REQUEST_METHOD": "POST", "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1:8000", "CONTENT_TYPE": "application/webhook+json",
        "CONTENT_LENGTH": str(len(hook.body)), "HTTP_AUTHORIZATION": hook.authorization,
        "wsgi.input": io.BytesIO(hook.body), "wsgi.errors": sys.stderr, "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http", "wsgi.multithread": True, "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }  # fmt: skip
    response = application(environ, lambda status, headers, exc=None: answer.append(status))
    b"".join(response)
    response.close()
    return int(answer[0].split()[0])


def _measure() -> tuple[dict[str, Arm], list[str]]:
    import django

    django.setup()
    logging.disable(logging.WARNING)  # each forged hook is logged
    from django.conf import settings
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    settings.ROOT_URLCONF = "tests.bench.hooks_naive"
    settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    call_command("migrate", verbosity=0)
    application = get_wsgi_application()
    _a_line()
    arms = {name: Arm() for name in ARMS}
    order = [name for n in range(BLOCKS) for name in (ARMS if n % 2 == 0 else reversed(ARMS))]
    with ThreadPoolExecutor(THREADS) as pool:
        for name in ARMS:  # what is loaded and connected once
            _block(pool, application, name, Arm(), f"warm{name}", random.Random(0))
        for n, name in enumerate(order):
            _block(pool, application, name, arms[name], f"{name}{n}x", random.Random(n // 2))
        list(pool.map(lambda _: _close(), range(THREADS * 4)))
    return arms, _problems(arms)


def _close() -> None:
    from django.db import connection

    connection.close()
    time.sleep(0.01)  # so that each thread gets one of these


def _a_line() -> None:
    """A published project, as calls have one."""
    from tests.factories import make_rule, make_trunk

    make_rule(make_trunk(remote_id="ST_ts3Vz4Vp8XvX"))


def _block(
    pool: ThreadPoolExecutor, application: Any, name: str, arm: Arm, tag: str, rng: random.Random
) -> None:
    hooks = _calls(CALLS, tag, rng)

    def send(hook: Hook) -> tuple[float, bool]:
        at = time.perf_counter()
        status = _send(application, ARMS[name], hook)
        return time.perf_counter() - at, status == (204 if hook.genuine else 401)

    begun, cpu = time.perf_counter(), time.process_time()
    answers = list(pool.map(send, hooks))
    arm.seconds += [(answer[0], hook.name) for answer, hook in zip(answers, hooks, strict=True)]
    arm.wrong += sum(not right for _, right in answers)
    arm.cpu.append((time.process_time() - cpu) * 1000 / len(hooks))
    arm.blocks.append(len(hooks) / (time.perf_counter() - begun))
    arm.sent |= {hook.genuine for hook in hooks if hook.genuine}


# --- what came of it ------------------------------------------------------------------------------


def _problems(arms: dict[str, Arm]) -> list[str]:
    """Lost, doubled, forged; and whether handling what ours stored makes the same calls."""
    from django.utils import timezone

    from telephony import inbox
    from telephony.models import Call, InboundEvent

    found = [f"{name}: {arm.wrong} wrong answers" for name, arm in arms.items() if arm.wrong]
    stored = list(InboundEvent.objects.values_list("event_id", flat=True))
    for name, arm in arms.items():
        mine = [one for one in stored if one.startswith(f"EV_{name}")]
        if sorted(mine) != sorted(arm.sent):
            found.append(f"{name}: {len(mine)} events stored of {len(arm.sent)} sent")
    if forged := [one for one in stored if one.startswith("F")]:
        found.append(f"{len(forged)} forged events stored")
    for pk in InboundEvent.objects.filter(handled_at=None).values_list("pk", flat=True):
        inbox.handle_event(pk=pk, now=timezone.now())
    for name in arms:
        calls = Call.objects.filter(room__contains=f"_{name}")
        if (calls.count(), calls.filter(state="ended").count()) != (CALLS * BLOCKS,) * 2:
            found.append(f"{name}: {calls.count()} calls of {CALLS * BLOCKS}, or not all ended")
    return found


def _report(arms: dict[str, Arm], database: str, problems: list[str]) -> None:
    print(
        f"\nhook intake on {database}, {BLOCKS} blocks an arm of {CALLS} calls, {THREADS} at once"
    )
    for name, arm in arms.items():
        ms = sorted(seconds * 1000 for seconds, _ in arm.seconds)
        print(
            f"  {name:8}{statistics.mean(arm.blocks):6.0f} hooks/s"
            f"   p50 {statistics.median(ms):6.2f} ms   p95 {ms[int(len(ms) * 0.95)]:6.2f} ms"
            f"   CPU {statistics.mean(arm.cpu):4.2f} ms"
            f"   {len(ms)} sent, {len(arm.sent)} of them genuine and new"
        )
    ours, naive = arms["ours"], arms["naive"]
    pairs = zip(ours.blocks, naive.blocks, strict=True)
    ratios = sorted(mine / theirs for mine, theirs in pairs)
    print(
        f"  ratio {statistics.mean(ours.blocks) / statistics.mean(naive.blocks):.2f} in hooks/s"
        f" (pairs of blocks: median {statistics.median(ratios):.2f}, {ratios[0]:.2f} to"
        f" {ratios[-1]:.2f}), {statistics.mean(naive.cpu) / statistics.mean(ours.cpu):.2f} in CPU,"
        f" {_meaning_ms(naive) / _meaning_ms(ours):.2f} in the time of an answer to hooks which"
        " mean something"
    )
    print("  " + ("; ".join(problems) or "nothing lost, doubled or forged"))


def _meaning_ms(arm: Arm) -> float:
    """Mean, of the hooks somebody has a handler for."""
    from telephony import events

    return statistics.mean(s * 1000 for s, name in arm.seconds if name and events.handlers(name))


if __name__ == "__main__":
    sys.exit(main())
