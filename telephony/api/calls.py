"""Calls: what came in, what became of it. Recordings add the transcript and the sound."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import AwareDatetime, Field

from telephony.api.errors import missing
from telephony.api.paging import Id, Page, Paging, page
from telephony.api.security import needs
from telephony.models import Call
from telephony.outgoing import describe

router = Router(tags=["Calls"])
Dialled = Annotated[str, Field(max_length=64, pattern=r"^[+0-9A-Za-z._*#-]*$")]


class CallOut(Schema):
    id: int
    room: str = Field(description="LiveKit's room.")
    direction: str
    state: str = Field(description="ringing, talking, ended or failed")
    end_reason: str
    caller: str = Field(description="Empty: withheld.")
    called: str
    project_id: int | None
    project: str | None = Field(description="Its slug.")
    trunk_id: int | None
    number_id: int | None
    handover_requested: bool
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None


class LegOut(Schema):
    id: int
    role: str
    outbound: bool
    remote: str
    state: str
    sip_status: int | None
    sip_call_id: str = Field(description="LiveKit's id, SCL_…")
    carrier_id: str = Field(description="The call's name at the carrier.")
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None


class CallDetail(CallOut):
    plan_digest: str
    legs: list[LegOut]


class Calls(Page):
    items: list[CallOut]


class Filters(Paging):
    state: Literal["ringing", "talking", "ended", "failed", "open"] | None = Field(
        None, description="`open`: ringing or talking."
    )
    direction: Literal["inbound", "outbound"] | None = None
    project_id: Id | None = None
    trunk_id: Id | None = None
    number_id: Id | None = None
    caller: Dialled = Field("", description="Exactly so, as +12025550100 (write + as %2B).")
    called: Dialled = ""
    handover_requested: bool | None = None
    started_after: AwareDatetime | None = Field(None, description="With its zone; included.")
    started_before: AwareDatetime | None = Field(None, description="With its zone; excluded.")


@router.get("", **needs("calls:read", Calls), summary="List calls, newest first")
def list_calls(request: HttpRequest, filters: Query[Filters]) -> Any:
    rows = _filtered(Call.objects.select_related("project"), filters)
    found, following = page(rows, filters, by="started_at")
    return {"items": [describe(call) for call in found], "next_cursor": following}


@router.get("/{call_id}", **needs("calls:read", CallDetail, also=[404]), summary="Get a call")
def get_call(request: HttpRequest, call_id: Id) -> Any:
    return show(find(call_id))


def show(call: Call) -> dict[str, Any]:
    legs = call.legs.order_by("started_at", "pk")
    return describe(call) | {"plan_digest": call.plan_digest, "legs": list(legs)}


def find(pk: int) -> Call:
    call = Call.objects.select_related("project").filter(pk=pk).first()
    if call is None:
        raise missing("call", pk)
    return call


def _filtered(rows: QuerySet[Call], filters: Filters) -> QuerySet[Call]:
    if filters.state == "open":
        rows = rows.filter(pk__in=Call.objects.open())
    elif filters.state:
        rows = rows.filter(state=filters.state)
    if filters.started_after:
        rows = rows.filter(started_at__gte=filters.started_after)
    if filters.started_before:
        rows = rows.filter(started_at__lt=filters.started_before)
    exact = {
        "direction": filters.direction,
        "project": filters.project_id,
        "trunk": filters.trunk_id,
        "number": filters.number_id,
        "caller": filters.caller or None,
        "called": filters.called or None,
        "handover_requested": filters.handover_requested,
    }
    return rows.filter(**{name: value for name, value in exact.items() if value is not None})
