"""What workers ask about orders to pause. Edge only."""

import json
import re

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_POST

from agents.internal import for_workers
from telephony import pauses
from telephony.internal import BODY_LIMIT, ROOM


@for_workers
@require_POST
def take_order(request: HttpRequest) -> HttpResponse:
    """`{"room", "order"}`: takes it."""
    try:
        said = json.loads(request.read(BODY_LIMIT))
        room, number = said["room"], said["order"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return JsonResponse({"error": "The body names no order."}, status=400)
    is_number = isinstance(number, int) and not isinstance(number, bool) and 0 < number < 2**31
    if not is_number or not isinstance(room, str) or not re.fullmatch(ROOM, room):
        return JsonResponse({"error": "room or order is malformed."}, status=400)
    taken = pauses.claim(order_id=number, room=room)
    if taken is None:
        return JsonResponse({"error": "This order was taken, or is over."}, status=409)
    return JsonResponse({"what": taken.what, "by": taken.by})
