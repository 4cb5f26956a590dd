"""Asks each part whether it is ready: over the wire, as its users would."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass

from celery import Celery
from redis import Redis, RedisError

from deploy.embedded import supervise
from deploy.embedded.home import Home
from telephony.caller.options import options


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    name: str
    address: str
    ready: Callable[[Home], bool]


def all_parts(home: Home) -> tuple[Part, ...]:
    """In the order they start."""
    env = home.env
    # it answers nobody before it was told who may call: its RPC says that it runs
    edge = [Part(name="edge", address=f"sip:127.0.0.1:{env['EDGE_PORT']}", ready=_edge)]
    edge = edge if home.has_edge else []
    return (
        Part(name="redis", address=f"127.0.0.1:{env['REDIS_PORT']}", ready=_redis),
        Part(name="s3", address=env["S3_ENDPOINT"], ready=_s3),
        Part(name="livekit-server", address=env["LIVEKIT_URL"], ready=_livekit),
        Part(name="livekit-sip", address=f"sip:127.0.0.1:{env['SIP_PORT']}", ready=_sip),
        *edge,
        Part(name="web", address=home.admin_url, ready=_web),
        Part(name="celery", address="", ready=_celery),
        Part(name="beat", address="", ready=lambda home: any(home.run.glob("beat*"))),
        Part(name="worker", address=f"http://127.0.0.1:{env['WORKER_PORT']}", ready=_worker),
    )


def report(home: Home) -> list[dict[str, object]]:
    """One row a part: name, state (ready, starting, failing, stopped), address, pid."""
    states = supervise.states(home)
    return [_row(home, part, states.get(part.name, {})) for part in all_parts(home)]


def _row(home: Home, part: Part, info: dict[str, object]) -> dict[str, object]:
    name = str(info.get("statename", "STOPPED"))
    if name == "RUNNING":
        state = "ready" if is_ready(home, part) else "starting"
    else:
        state = {"STARTING": "starting", "STOPPED": "stopped"}.get(name, "failing")
    return {"name": part.name, "state": state, "address": part.address, "pid": info.get("pid", 0)}


def is_ready(home: Home, part: Part) -> bool:
    try:
        return part.ready(home)
    except (OSError, ValueError, RedisError):
        return False


# a proxy of this machine has no business with our loopback addresses
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _status(url: str, token: str = "") -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 – our own loopback address
    try:
        with _DIRECT.open(request, timeout=3) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, b""


def _redis(home: Home) -> bool:
    with Redis.from_url(home.env["REDIS_URL"], socket_timeout=2) as client:
        return bool(client.ping())


def _s3(home: Home) -> bool:
    return _status(home.env["S3_ENDPOINT"])[0] in {200, 403}  # an anonymous list is refused


def _livekit(home: Home) -> bool:
    return _status(home.env["LIVEKIT_URL"].replace("ws", "http", 1))[0] == 200


def _edge(home: Home) -> bool:
    return _status(f"{home.env['SIP_EDGE_RPC_URL']}")[0] == 403  # without our token


def _web(home: Home) -> bool:
    return _status(f"{home.env['PUBLIC_URL']}/health")[0] == 200


def _celery(home: Home) -> bool:
    with Celery(broker=home.env["REDIS_URL"]) as app:
        return bool(app.control.ping(timeout=1, limit=1))


def _worker(home: Home) -> bool:
    """Registered with LiveKit, and every plan in use is prepared."""
    if _status(f"http://127.0.0.1:{home.env['WORKER_PORT']}/")[0] != 200:
        return False
    _, body = _status(f"{home.env['PUBLIC_URL']}/internal/plans/", home.env["WORKER_TOKEN"])
    wanted = set(json.loads(body)["plans"])
    prepared = json.loads((home.data / "worker" / "ready.json").read_text())
    return wanted <= set(prepared["plans"])


def _sip(home: Home) -> bool:
    return options("127.0.0.1", home.port("SIP_PORT")) == 200
