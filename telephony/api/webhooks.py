"""Webhooks: who is told what, and what became of each delivery."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema, Status
from pydantic import Field

from telephony import delivering, hook_signature, outgoing, subscribing, tasks
from telephony.api.errors import Detail, Problem, missing
from telephony.api.paging import Id, Page, Paging, listed
from telephony.api.security import by, needs
from telephony.api.trunks import Short
from telephony.api.writing import creating, form_data, require_valid
from telephony.forms_outgoing import SubscriptionForm
from telephony.later import after_commit
from telephony.models import Delivery, Subscription
from telephony.models_outgoing import DeliveryState

router = Router(tags=["Webhooks"])
Url = Annotated[str, Field(max_length=500)]
Events = Annotated[list[Short], Field(min_length=1, max_length=50)]


class WebhookIn(Schema, extra="forbid"):
    name: Short
    url: Url = Field(description="https://…")
    events: Events = Field(description="As call.ended; an unknown one is answered with all.")
    enabled: bool = True
    secret: Short = Field("", description="whsec_…; empty: we make one and show it once.")


class WebhookChange(Schema, extra="forbid"):
    """What is left out stays as it is. After a new `secret` the old one signs, too, for a day."""

    name: Short | None = None
    url: Url | None = None
    events: Events | None = None
    enabled: bool | None = None
    secret: Short | None = None


class WebhookOut(Schema):
    id: int
    name: str
    url: str
    events: list[str]
    version: int
    enabled: bool
    off_reason: str = Field(description="Why we switched it off.")
    failing_since: datetime | None
    created_at: datetime


class WebhookMade(WebhookOut):
    secret: str = Field(description="If we made it: shown this once. Else empty.")


class Webhooks(Page):
    items: list[WebhookOut]


class DeliveryOut(Schema):
    id: int
    webhook_id: str = Field(description="The header of that name; the same in every attempt.")
    type: str
    call_id: int | None
    sequence: int
    state: str = Field(description="pending, sending, delivered or dead")
    attempts: int
    last_status: int | None
    error: str
    next_try_at: datetime | None
    delivered_at: datetime | None
    created_at: datetime


class Deliveries(Page):
    items: list[DeliveryOut]


def show(hook: Subscription) -> WebhookOut:
    return WebhookOut(**{name: getattr(hook, name) for name in WebhookOut.model_fields})


def show_delivery(row: Delivery) -> DeliveryOut:
    own = ("id", "state", "attempts", "last_status", "error", "next_try_at", "delivered_at")
    event = row.event
    return DeliveryOut(
        **{name: getattr(row, name) for name in own},
        webhook_id=event.uid,
        type=event.type,
        call_id=event.call_id,
        sequence=event.sequence,
        created_at=event.created_at,
    )


@router.get("", **needs("webhooks:read", Webhooks), summary="List webhooks")
def list_webhooks(request: HttpRequest, paging: Query[Paging]) -> Any:
    return listed(Subscription.objects.all(), show, paging)


@router.post(
    "",
    **needs("webhooks:write", WebhookMade, status=201, also=[409]),
    summary="Add a webhook",
    description="Events: the types of `call.…`; a wrong one is answered with the right ones.",
)
def create_webhook(request: HttpRequest, body: WebhookIn) -> Any:
    def make() -> WebhookMade:
        hook = Subscription(created_at=timezone.now(), created_by=by(request))
        given = body.model_dump()
        _check_secret(given["secret"])
        made = subscribing.give_secret(hook, now=timezone.now(), secret=given.pop("secret"))
        return WebhookMade(**show(_write(hook, given)).model_dump(), secret=made)

    return creating(request, make)


@router.get(
    "/{webhook_id}", **needs("webhooks:read", WebhookOut, also=[404]), summary="Get a webhook"
)
def get_webhook(request: HttpRequest, webhook_id: Id) -> Any:
    return show(_find(webhook_id))


@router.patch(
    "/{webhook_id}",
    **needs("webhooks:write", WebhookOut, also=[404, 409]),
    summary="Change a webhook, or switch it on again",
)
def change_webhook(request: HttpRequest, webhook_id: Id, body: WebhookChange) -> Any:
    given = body.model_dump(exclude_none=True)
    with transaction.atomic():
        hook = _find(webhook_id)
        if secret := given.pop("secret", ""):
            _check_secret(secret)
            subscribing.give_secret(hook, now=timezone.now(), secret=secret)
        return show(_write(hook, given))


@router.delete(
    "/{webhook_id}",
    **needs("webhooks:write", None, status=204, also=[404]),
    summary="Delete a webhook with its deliveries",
)
def delete_webhook(request: HttpRequest, webhook_id: Id) -> Any:
    _find(webhook_id).delete()
    return Status(204, None)


@router.post(
    "/{webhook_id}/test",
    **needs("webhooks:write", DeliveryOut, status=202, also=[404, 409]),
    summary="Send a test event",
)
def test_webhook(request: HttpRequest, webhook_id: Id) -> Any:
    hook = _find(webhook_id)
    if not hook.enabled:
        raise Problem(409, "It is switched off. Switch it on first.", code="switched_off")
    return Status(202, show_delivery(outgoing.tell_test(subscription=hook)))


@router.get(
    "/{webhook_id}/deliveries",
    **needs("webhooks:read", Deliveries, also=[404]),
    summary="List a webhook's deliveries, newest first",
)
def list_deliveries(
    request: HttpRequest,
    webhook_id: Id,
    paging: Query[Paging],
    state: Query[Literal["pending", "sending", "delivered", "dead"] | None] = None,
) -> Any:
    rows = _find(webhook_id).deliveries.select_related("event")
    if state:
        rows = rows.filter(state=state)
    return listed(rows, show_delivery, paging)


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/replay",
    **needs("webhooks:write", DeliveryOut, status=202, also=[404, 409]),
    summary="Send a delivery again",
)
def replay_delivery(request: HttpRequest, webhook_id: Id, delivery_id: Id) -> Any:
    mine = Delivery.objects.filter(subscription=webhook_id, pk=delivery_id)
    if not mine.exists():
        raise missing("delivery", delivery_id)
    if not delivering.replay(mine, now=timezone.now()):
        states = f"{DeliveryState.DELIVERED.value} or {DeliveryState.DEAD.value}"
        raise Problem(409, f"It is on its way already. Replay what is {states}.")
    after_commit(tasks.send_delivery.delay, pk=delivery_id)
    return Status(202, show_delivery(mine.select_related("event").get()))


def _find(pk: int) -> Subscription:
    hook = Subscription.objects.filter(pk=pk).first()
    if hook is None:
        raise missing("webhook", pk)
    return hook


def _check_secret(secret: str) -> None:
    try:
        if secret:
            hook_signature.check(secret)
    except ValueError as reason:
        raise Problem(
            422, str(reason), details=[Detail(field="secret", message=str(reason))]
        ) from reason


def _write(hook: Subscription, given: dict[str, Any]) -> Subscription:
    form = SubscriptionForm(form_data(SubscriptionForm, hook, given), instance=hook)
    require_valid(form)
    saved: Subscription = form.save()
    return saved
