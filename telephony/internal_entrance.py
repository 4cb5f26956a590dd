"""What workers ask about a ringing call. Edges only."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from agents.internal import for_workers
from telephony import entrance

LIMIT = 4096
LONGEST = {"plan": 64, "caller": 128, "called": 64}


@for_workers
@require_POST
def decide(request: HttpRequest) -> HttpResponse:
    try:
        asked = _asked(request)
    except (ValueError, RecursionError):
        return JsonResponse({"error": "The body is no question about a call."}, status=400)
    return JsonResponse(entrance.decisions(now=timezone.now(), **asked))


def _asked(request: HttpRequest) -> dict[str, str]:
    """Raises ValueError."""
    text = request.read(LIMIT + 1)
    body: Any = json.loads(text) if len(text) <= LIMIT else None
    if not isinstance(body, dict):
        raise ValueError("no object")
    asked = {name: body.get(name, "") for name in LONGEST}
    if any(not isinstance(v, str) or len(v) > LONGEST[n] or "\0" in v for n, v in asked.items()):
        raise ValueError("malformed")
    return asked
