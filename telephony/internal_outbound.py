"""What workers ask about calls they are to make. Edges only."""

import json

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from agents.internal import for_workers
from telephony import outbound
from telephony.errors import CallNotAllowed


@for_workers
@require_POST
def claim(request: HttpRequest, pk: int) -> HttpResponse:
    """Whom to dial; told once for each attempt. 409: this call is not to be dialled (any more)."""
    try:
        room = str(json.loads(request.body)["room"])[:128]
    except (ValueError, KeyError, TypeError):
        return JsonResponse({"error": 'Send {"room": name}.'}, status=400)
    try:
        order = outbound.claim(outbound_id=pk, room=room, now=timezone.now())
    except CallNotAllowed as reason:
        return JsonResponse({"error": str(reason)}, status=409)
    return JsonResponse(order.to_dict())
