"""Numbers people dial."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from telephony.api.errors import missing
from telephony.api.paging import Id, Page, Paging, listed
from telephony.api.security import needs
from telephony.api.trunks import Short
from telephony.api.writing import (
    LiveKitState,
    creating,
    form_data,
    livekit_state,
    push_later,
    require_valid,
)
from telephony.forms import NumberForm
from telephony.models import Number, Trunk

router = Router(tags=["Numbers"])
_CALLED = {"e164": "number", "trunk": "trunk_id"}


class NumberIn(Schema, extra="forbid"):
    number: Short = Field(description="With its country code, as +12025550100.")
    trunk_id: Id = Field(description="An inbound trunk.")
    label: Short = ""


class NumberChange(Schema, extra="forbid"):
    """What is left out stays as it is."""

    number: Short | None = None
    trunk_id: Id | None = None
    label: Short | None = None


class NumberOut(Schema):
    id: int
    number: str
    trunk_id: int
    label: str
    livekit: LiveKitState = Field(description="Of its trunk, which carries the number.")


class Numbers(Page):
    items: list[NumberOut]


def show(number: Number) -> NumberOut:
    return NumberOut(
        id=number.pk,
        number=number.e164,
        trunk_id=number.trunk_id,
        label=number.label,
        livekit=livekit_state(number.trunk),
    )


@router.get("", **needs("numbers:read", Numbers), summary="List numbers")
def list_numbers(
    request: HttpRequest, paging: Query[Paging], trunk_id: Query[Id | None] = None
) -> Any:
    rows = Number.objects.select_related("trunk")
    if trunk_id:
        rows = rows.filter(trunk=trunk_id)
    return listed(rows, show, paging)


@router.post(
    "", **needs("numbers:write", NumberOut, status=201, also=[409]), summary="Add a number"
)
def create_number(request: HttpRequest, body: NumberIn) -> Any:
    return creating(request, lambda: _write(Number(), body.model_dump()))


@router.get("/{number_id}", **needs("numbers:read", NumberOut, also=[404]), summary="Get a number")
def get_number(request: HttpRequest, number_id: Id) -> Any:
    return show(_find(number_id))


@router.patch(
    "/{number_id}",
    **needs("numbers:write", NumberOut, also=[404, 409]),
    summary="Change a number, or move it to another trunk",
)
def change_number(request: HttpRequest, number_id: Id, body: NumberChange) -> Any:
    with transaction.atomic():
        return _write(_find(number_id), body.model_dump(exclude_none=True))


@router.delete(
    "/{number_id}",
    **needs("numbers:write", None, status=204, also=[404, 409]),
    summary="Delete a number",
)
def delete_number(request: HttpRequest, number_id: Id) -> Any:
    with transaction.atomic():
        number = _find(number_id)
        number.delete()
        push_later(Trunk.objects.filter(pk=number.trunk_id))
    return Status(204, None)


def _find(pk: int) -> Number:
    number = Number.objects.select_related("trunk").filter(pk=pk).first()
    if number is None:
        raise missing("number", pk)
    return number


def _write(number: Number, given: dict[str, Any]) -> NumberOut:
    before = number.trunk_id
    names = {"number": "e164", "trunk_id": "trunk"}
    typed = {names.get(name, name): value for name, value in given.items()}
    form = NumberForm(form_data(NumberForm, number, typed), instance=number)
    require_valid(form, called=_CALLED)
    saved: Number = form.save()
    push_later(Trunk.objects.filter(pk__in={pk for pk in (before, saved.trunk_id) if pk}))
    return show(_find(saved.pk))
