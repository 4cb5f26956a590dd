"""What can be done to a call which is on: send it elsewhere, end it."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema, Status

from telephony import endings, transfers
from telephony.api import calls
from telephony.api.errors import Problem
from telephony.api.paging import Id, Page, Paging, listed
from telephony.api.security import by, needs
from telephony.errors import TransferNotAllowed
from telephony.models import Destination

router = Router(tags=["Calls"])


class TransferIn(Schema, extra="forbid"):
    destination_id: Id


class DestinationOut(Schema):
    id: int
    key: str
    name: str
    description: str


class Destinations(Page):
    items: list[DestinationOut]


@router.get("", **needs("calls:read", Destinations), summary="List whom calls can be sent to")
def list_destinations(request: HttpRequest, paging: Query[Paging]) -> Any:
    return listed(Destination.objects.filter(enabled=True), _show, paging)


@calls.router.post(
    "/{call_id}/transfer",
    **needs("calls:write", None, status=202, also=[404, 409]),
    summary="Transfer a call to a destination of the directory",
)
def transfer_call(request: HttpRequest, call_id: Id, body: TransferIn) -> Any:
    calls.find(call_id)
    try:
        transfers.transfer(
            call_id=call_id,
            destination_id=body.destination_id,
            by=by(request),
            now=timezone.now(),
        )
    except TransferNotAllowed as reason:
        raise Problem(409, str(reason), code="transfer_not_allowed") from reason
    return Status(202, None)


@calls.router.post(
    "/{call_id}/hangup",
    **needs("calls:write", None, status=202, also=[404, 409]),
    summary="Hang up",
)
def hang_up_call(request: HttpRequest, call_id: Id) -> Any:
    calls.find(call_id)
    if not endings.hang_up(call_id=call_id, by=by(request), now=timezone.now()):
        raise Problem(409, f"Call {call_id} is over already.", code="call_over")
    return Status(202, None)


def _show(row: Destination) -> DestinationOut:
    return DestinationOut(**{name: getattr(row, name) for name in DestinationOut.model_fields})
