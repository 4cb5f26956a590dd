"""Whether this process lives, and whether the parts it needs answer. No repair."""

import urllib.error
import urllib.request
from collections.abc import Callable

import redis
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

WAIT_S = 2.0  # for each part


@require_safe
def live(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok", content_type="text/plain")


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 if every part answers, else 503; which one does not, and why, in either case."""
    parts = {name: _state(ask) for name, ask in PARTS.items()}
    well = all(state == "ok" for state in parts.values())
    return JsonResponse({"ready": well, "parts": parts}, status=200 if well else 503)


def _state(ask: Callable[[], None]) -> str:
    try:
        ask()
    except Exception as reason:  # whatever a driver raises, this part is not ready
        return f"{type(reason).__name__}: no answer"
    return "ok"


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _redis() -> None:
    with redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=WAIT_S, socket_connect_timeout=WAIT_S
    ) as client:
        client.ping()


def _livekit() -> None:
    _get(settings.LIVEKIT_URL.replace("ws", "http", 1))


def _bucket() -> None:
    """We ask without a signature, so being refused is a good answer; 404 means there is none."""
    _get(f"{settings.S3_ENDPOINT}/{settings.S3_BUCKET}", well=(200, 401, 403))


def _get(url: str, *, well: tuple[int, ...] = (200,)) -> None:
    if not url.startswith(("http://", "https://")):
        raise ValueError(url)
    try:
        with urllib.request.urlopen(url, timeout=WAIT_S) as answer:  # noqa: S310 checked above
            status = answer.status
    except urllib.error.HTTPError as refusal:
        status = refusal.code
    if status not in well:
        raise OSError(status)


PARTS: dict[str, Callable[[], None]] = {
    "database": _database,
    "redis": _redis,
    "livekit": _livekit,
    "bucket": _bucket,
}
