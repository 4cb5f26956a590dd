"""The view ours is compared with, and both at their addresses.

As a Django project usually takes a hook: verify, look whether it is known, save it, do everything
it means, say it is done; in one transaction, with the ORM, before the answer. Signature, handlers
and models are the product's own, so only the way of taking it in differs.
"""

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from contactcenter.urls import urlpatterns as product
from telephony import events, webhook
from telephony.models import InboundEvent


@csrf_exempt
@require_POST
@transaction.atomic
def livekit_webhook(request: HttpRequest) -> HttpResponse:
    now = timezone.now()
    try:
        told = webhook.verified(
            request.body, request.headers.get("Authorization", ""), now=now,
            key=settings.LIVEKIT_API_KEY, secret=settings.LIVEKIT_API_SECRET,
        )  # fmt: skip
    except webhook.BadSignature:
        return HttpResponse(status=401)
    event, is_new = InboundEvent.objects.get_or_create(
        event_id=told["id"],
        defaults={"name": told["event"], "payload": told, "received_at": now, "try_after": now},
    )
    if is_new:
        events.emit(event.name, payload=event.payload)
        event.handled_at = timezone.now()
        event.save()
    return HttpResponse(status=204)


urlpatterns = [path("naive/livekit", livekit_webhook), *product]
