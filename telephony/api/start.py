"""Calls we make, asked for over the API. Whether somebody may be called is decided elsewhere."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema
from pydantic import Field

from telephony import outbound
from telephony.api import calls
from telephony.api.errors import Problem, missing
from telephony.api.paging import Id
from telephony.api.security import by, needs
from telephony.api.trunks import Short
from telephony.api.writing import creating
from telephony.errors import CallNotAllowed
from telephony.models import OutboundCall

router = Router(tags=["Calls"])
Value = Annotated[str, Field(max_length=1000)]


class CallIn(Schema, extra="forbid"):
    to: Short = Field(description="The number, as +12025550123.")
    project_id: Id = Field(description="Whose bot talks. It must be published.")
    trunk_id: Id | None = Field(None, description="Left out: the first outbound trunk.")
    caller_id: Short = Field("", description="One of the trunk's; empty: its first.")
    variables: Annotated[dict[Short, Value], Field(max_length=50)] = Field(
        {}, description="What the bot may say of whom it calls, as name."
    )
    consent: bool = Field(False, description="He agreed to be called; some projects ask for it.")


class OutboundOut(Schema):
    id: int = Field(description="Of the wish; each attempt is a call.")
    to: str
    project_id: int
    trunk_id: int
    caller_id: str
    state: str
    attempts: int
    outcome: str
    words: str = Field(description="What became of it, for people.")
    next_at: datetime
    call_id: int | None = Field(description="The last attempt.")


@calls.router.post(
    "",
    **needs("calls:write", OutboundOut, status=201, also=[409]),
    summary="Start a call",
    description="It is dialled once rules, hours and the trunk's caps allow it; 409 if never.",
)
def start_call(request: HttpRequest, body: CallIn) -> Any:
    def make() -> OutboundOut:
        try:
            row = outbound.request_call(**body.model_dump(), by=by(request), now=timezone.now())
        except CallNotAllowed as reason:
            raise Problem(409, str(reason), code="call_not_allowed") from reason
        return show(row)

    return creating(request, make)


@router.get(
    "/{outbound_id}",
    **needs("calls:read", OutboundOut, also=[404]),
    summary="See what became of a call which was started",
)
def get_outbound_call(request: HttpRequest, outbound_id: Id) -> Any:
    row = OutboundCall.objects.filter(pk=outbound_id).first()
    if row is None:
        raise missing("outbound call", outbound_id)
    return show(row)


def show(row: OutboundCall) -> OutboundOut:
    return OutboundOut(**{name: getattr(row, name) for name in OutboundOut.model_fields})
