"""What workers ask about transfers. Edges only."""

import json
import re
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from agents.internal import for_workers
from telephony import directory, orders
from telephony.directory import Answer
from telephony.models import Call

BODY_LIMIT = 4096
ROOM = r"[^\s/\x00-\x1f\x7f\ud800-\udfff]{1,128}"


@for_workers
@require_POST
def ask_transfer(request: HttpRequest) -> HttpResponse:
    """May this call be sent there now? `{"room", "destination"}`, or `{"room", "order"}`, which
    also takes the order."""
    try:
        said = json.loads(request.read(BODY_LIMIT))
        room, key, order = said["room"], said.get("destination"), said.get("order")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _no(400, "The body is no question about a transfer.")
    if not isinstance(room, str) or not re.fullmatch(ROOM, room):
        return _no(400, "room is missing or malformed.")
    now = timezone.now()
    if isinstance(order, int) and not isinstance(order, bool) and 0 < order < 2**31:
        answer = orders.claim(order_id=order, room=room, now=now)
    elif isinstance(key, str):
        project = Call.objects.filter(room=room).values_list("project", flat=True).first()
        answer = directory.ask(key=key[:40].replace("\0", ""), project_id=project, now=now)
    else:
        return _no(400, "destination is missing or malformed.")
    if answer is None:
        return _no(409, "This order was taken, or is over.")
    return JsonResponse(_told(answer))


def _told(answer: Answer) -> dict[str, Any]:
    row = answer.destination
    target = row and {
        "key": row.key, "name": row.name, "description": row.description, "number": row.number,
        "method": row.method, "ring_s": row.ring_s, "has_hours": row.schedule_id is not None,
        "for_people": row.for_people, "announcement": row.announcement, "sorry": row.sorry,
        "closed": row.closed,
    }  # fmt: skip
    return {
        "allowed": not answer.why,
        "why": answer.why,
        "target": target,
        "trunk": answer.trunk_id,
        "caller_id": answer.caller_id,
        "post_dial": row.post_dial if row else "",
    }


def _no(status: int, reason: str) -> JsonResponse:
    return JsonResponse({"error": reason}, status=status)
