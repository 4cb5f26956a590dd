"""/metrics and /metrics/latency. Figures are nobody's business: a token, or the own network."""

import hmac
from collections.abc import Callable
from functools import wraps
from ipaddress import ip_address

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from recordings import metrics

View = Callable[[HttpRequest], HttpResponse]
FORWARDED = ("x-forwarded-", "forwarded", "x-real-ip", "via")  # a proxy added these
REFUSED = (
    "Metrics are shown to the machine itself and to private networks without a proxy between. "
    "For anybody else set METRICS_TOKEN and send it as “Authorization: Bearer …”.\n"
)


def protected(view: View) -> View:
    @wraps(view)
    def checked(request: HttpRequest) -> HttpResponse:
        if settings.METRICS_TOKEN:
            if not _has_token(request):
                return HttpResponse(
                    "This needs the METRICS_TOKEN.\n",
                    status=401,
                    content_type="text/plain; charset=utf-8",
                    headers={"WWW-Authenticate": "Bearer"},
                )
        elif not _is_near(request):
            return HttpResponse(REFUSED, status=403, content_type="text/plain; charset=utf-8")
        return view(request)

    return checked


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return scheme == "Bearer" and hmac.compare_digest(
        token.encode(), settings.METRICS_TOKEN.encode()
    )


def _is_near(request: HttpRequest) -> bool:
    """A proxy of ours is near whoever stands before it: what it forwards is not."""
    if any(name.lower().startswith(FORWARDED) for name in request.headers):
        return False
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:  # as over a socket file
        return False
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_private


@never_cache
@require_safe
@protected
def prometheus(request: HttpRequest) -> HttpResponse:
    return HttpResponse(metrics.text(now=timezone.now()), content_type=CONTENT_TYPE_PLAIN_0_0_4)


@never_cache
@require_safe
@protected
def latency(request: HttpRequest) -> JsonResponse:
    return JsonResponse(metrics.latency(now=timezone.now()))
