"""The API as a whole. Other apps add their routers to it in `contactcenter/api.py`."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI, Swagger
from ninja.errors import HttpError
from ninja.operation import Operation
from ninja.parser import Parser

from telephony.api import (
    calls,
    errors,
    numbers,
    projects,
    rules,
    running,
    start,
    trunks,
    webhooks,
)
from telephony.api import (
    pauses as pauses,
)
from telephony.api.security import Rate, for_staff_and_keys

ABOUT = """\
Send `Authorization: Bearer cc_…` with a key of *API keys* in the admin; each operation says which
scope it needs (`x-scope`).

- **Errors** have one shape: `{"error": {"code", "message", "details"}}`.
- **Lists** come in pages: send `next_cursor` back as `cursor` until it is empty.
- **Creating** may be repeated: with an `Idempotency-Key` header the same request is done once and
  answered the same for 24 hours.
- **How often**: `X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds) come with each answer;
  after a 429 wait for `Retry-After` seconds.
- **LiveKit** is told of trunks, numbers and rules a moment after the answer: `livekit.state` is
  `pending`, then `synced`, or `failed` with its reason.
"""


class _Parser(Parser):
    """JSON as it is defined, and without what a database cannot hold."""

    def parse_body(self, request: HttpRequest) -> Any:
        if b"\\u0000" in request.body:
            raise HttpError(400, "NUL")
        return json.loads(request.body, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON.")


class Api(NinjaAPI):
    """Adds to every answer what the client may want to know of his rate."""

    def create_response(self, request: HttpRequest, data: Any, **more: Any) -> HttpResponse:
        return _told(request, super().create_response(request, data, **more))

    def create_temporal_response(self, request: HttpRequest) -> HttpResponse:
        return _told(request, super().create_temporal_response(request))

    def get_openapi_operation_id(self, operation: Operation) -> str:
        return operation.view_func.__name__


def _told(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    rate: Rate | None = getattr(request, "rate", None)
    for name, value in rate.headers().items() if rate else ():
        response[name] = value
    if getattr(request, "is_repeated", False):
        response["Idempotent-Replayed"] = "true"
    response["Cache-Control"] = "no-store"
    return response


def make_api() -> Api:
    api = Api(
        title="Contact centre",
        version="1",
        description=ABOUT,
        urls_namespace="api",
        # no validator: it would ask swagger.io about our schema. Extensions: they name the scope
        docs=Swagger({"validatorUrl": None, "showExtensions": True}),
        docs_decorator=for_staff_and_keys,
        parser=_Parser(),
    )
    errors.handle_all(api)
    api.add_router("/trunks", trunks.router)
    api.add_router("/numbers", numbers.router)
    api.add_router("/rules", rules.router)
    api.add_router("/projects", projects.router)
    api.add_router("/calls", calls.router)
    api.add_router("/outbound-calls", start.router)
    api.add_router("/destinations", running.router)
    api.add_router("/webhooks", webhooks.router)
    return api
