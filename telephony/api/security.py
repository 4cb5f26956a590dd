"""Who asks, whether he may, and how often. Every operation names the scope it needs."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from ninja.security import HttpBearer

from telephony import keys
from telephony.api.errors import ALWAYS, NO_KEY, Error, Problem
from telephony.models import ApiKey
from telephony.scopes import SCOPES

log = logging.getLogger(__name__)

WINDOW_S = 60
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 255},
    "description": "The same request with the same key is done once, and answered the same for a "
    "day. Another request with it is refused (409).",
}


@dataclass(frozen=True, slots=True)
class Rate:
    limit: int
    left: int
    reset_s: int  # until the window is over

    def headers(self) -> dict[str, str]:
        return {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(max(0, self.left)),
            "X-RateLimit-Reset": str(self.reset_s),
        } | ({"Retry-After": str(self.reset_s)} if self.left < 0 else {})


class KeyAuth(HttpBearer):
    """`Authorization: Bearer cc_…` of a key with this scope."""

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey:
        key = _key(request, token)
        request.rate = rate = _count(key)  # type: ignore[attr-defined]  # for the headers
        if rate and rate.left < 0:
            raise Problem(
                429,
                f"This key may ask {rate.limit} times a minute. Wait {rate.reset_s} s, or raise "
                f"its limit in the admin.",
            )
        if self.scope not in key.scopes:
            raise Problem(
                403,
                f"This needs the scope {self.scope} ({SCOPES[self.scope].lower()}), which the key "
                f"“{key.name}” does not have. Add it in the admin.",
                code="missing_scope",
            )
        return key


def needs(scope: str, out: Any, *, status: int = 200, also: Sequence[int] = ()) -> dict[str, Any]:
    """Arguments of an operation: the scope, its answer, and the errors it may answer.

    201 is answered by `writing.creating`, which knows the Idempotency-Key.
    """
    assert scope in SCOPES, scope
    extra: dict[str, Any] = {"x-scope": scope}
    if status == 201:
        extra["parameters"] = [IDEMPOTENCY_KEY]
    return {
        "auth": KeyAuth(scope),
        "response": {status: out} | dict.fromkeys(sorted({*ALWAYS, *also}), Error),
        "openapi_extra": extra,
    }


def key_of(request: HttpRequest) -> ApiKey:
    key: ApiKey = request.auth  # type: ignore[attr-defined]
    return key


def by(request: HttpRequest) -> str:
    """How journals and histories call whoever asks."""
    return f"api: {key_of(request).name}"


def address_of(request: HttpRequest) -> str:
    """The client's address. What he writes into X-Forwarded-For himself stands further left than
    what our own proxies added."""
    told = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",")]
    steps: int = settings.API_PROXIES
    if steps and len(told) >= steps:
        return told[-steps]
    return str(request.META.get("REMOTE_ADDR", ""))


def _key(request: HttpRequest, token: str) -> ApiKey:
    try:
        return keys.recognise(token, address=address_of(request), now=timezone.now())
    except keys.KeyRefused as reason:
        raise Problem(401, str(reason)) from reason


def _count(key: ApiKey) -> Rate | None:
    """One more request of this minute; None if nobody can count: Redis away shuts nobody out."""
    limit = key.requests_per_minute or settings.API_REQUESTS_PER_MINUTE
    now = int(timezone.now().timestamp())
    name = f"api:rate:{key.pk}:{now // WINDOW_S}"
    try:
        cache.add(name, 0, timeout=2 * WINDOW_S)
        used = cache.incr(name)
    except Exception:  # whichever cache it is
        log.warning("API requests cannot be counted: the cache is away")
        return None
    return Rate(limit=limit, left=limit - used, reset_s=WINDOW_S - now % WINDOW_S)


def for_staff_and_keys(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The description of the API tells nothing of this house, yet only who may use it sees it."""

    @wraps(view, assigned=())
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        user = request.user
        if user.is_authenticated and user.is_staff:
            return view(request, *args, **kwargs)
        _, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            keys.recognise(token, address=address_of(request), now=timezone.now())
        except keys.KeyRefused as reason:
            if request.path.endswith("/docs"):
                return redirect_to_login(request.get_full_path(), "admin:login")
            body = {"code": "unauthorised", "message": str(reason) if token else NO_KEY}
            headers = {"WWW-Authenticate": "Bearer"}
            return JsonResponse({"error": body | {"details": []}}, status=401, headers=headers)
        return view(request, *args, **kwargs)

    return guarded
