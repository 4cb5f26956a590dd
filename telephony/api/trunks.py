"""Trunks, with the numbers of inbound ones."""

from typing import Annotated, Any

from django.db import transaction
from django.forms import inlineformset_factory
from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from telephony.api.errors import missing
from telephony.api.paging import Id, Page, Paging, listed
from telephony.api.security import needs
from telephony.api.writing import (
    LiveKitState,
    creating,
    form_data,
    livekit_state,
    push_later,
    require_valid,
    require_valid_set,
)
from telephony.forms import NumberForm, NumberFormSet, TrunkForm
from telephony.models import Number, Trunk

router = Router(tags=["Trunks"])
_Numbers = inlineformset_factory(
    Trunk, Number, form=NumberForm, formset=NumberFormSet, fields=("e164", "label"), extra=0
)
Short = Annotated[str, Field(max_length=255)]
Shorts = Annotated[list[Short], Field(max_length=500)]


class NumberOfTrunk(Schema):
    number: Short = Field(description="With its country code, as +12025550100.")
    label: Short = ""


class TrunkIn(Schema, extra="forbid"):
    name: Short
    direction: Short = Field("inbound", description="inbound or outbound")
    enabled: bool = True
    allowed_addresses: Shorts = Field([], description="Inbound: IP addresses or networks.")
    auth_username: Short = ""
    password: Short = Field("", description="Kept sealed and never shown again.")
    address: Short = Field("", description="Outbound: host or host:port of the provider.")
    transport: Short = Field("auto", description="auto, udp, tcp or tls")
    caller_ids: Shorts = Field([], description="Outbound: numbers shown to whom we call.")
    numbers: Annotated[list[NumberOfTrunk], Field(max_length=500)] = Field(
        [], description="Inbound: the numbers people dial, at least one."
    )


class TrunkChange(Schema, extra="forbid"):
    """What is left out stays as it is. `numbers`, if given, replaces all of them."""

    name: Short | None = None
    direction: Short | None = None
    enabled: bool | None = None
    allowed_addresses: Shorts | None = None
    auth_username: Short | None = None
    password: Short | None = None
    address: Short | None = None
    transport: Short | None = None
    caller_ids: Shorts | None = None
    numbers: Annotated[list[NumberOfTrunk], Field(max_length=500)] | None = None


class TrunkOut(Schema):
    id: int
    name: str
    direction: str
    enabled: bool
    allowed_addresses: list[str]
    auth_username: str
    has_password: bool
    address: str
    transport: str
    caller_ids: list[str]
    numbers: list[NumberOfTrunk]
    livekit: LiveKitState


class Trunks(Page):
    items: list[TrunkOut]


def show(trunk: Trunk) -> TrunkOut:
    return TrunkOut(
        id=trunk.pk,
        name=trunk.name,
        direction=trunk.direction,
        enabled=trunk.enabled,
        allowed_addresses=trunk.allowed_addresses,
        auth_username=trunk.auth_username,
        has_password=bool(trunk.sealed_auth_password),
        address=trunk.address,
        transport=trunk.transport,
        caller_ids=trunk.caller_ids,
        numbers=[NumberOfTrunk(number=n.e164, label=n.label) for n in trunk.numbers.all()],
        livekit=livekit_state(trunk),
    )


@router.get("", **needs("trunks:read", Trunks), summary="List trunks")
def list_trunks(request: HttpRequest, paging: Query[Paging]) -> Any:
    rows = Trunk.objects.prefetch_related("numbers")
    return listed(rows, show, paging)


@router.post("", **needs("trunks:write", TrunkOut, status=201, also=[409]), summary="Add a trunk")
def create_trunk(request: HttpRequest, body: TrunkIn) -> Any:
    return creating(request, lambda: _write(Trunk(), body.model_dump()))


@router.get("/{trunk_id}", **needs("trunks:read", TrunkOut, also=[404]), summary="Get a trunk")
def get_trunk(request: HttpRequest, trunk_id: Id) -> Any:
    return show(_find(trunk_id))


@router.patch(
    "/{trunk_id}",
    **needs("trunks:write", TrunkOut, also=[404, 409]),
    summary="Change a trunk",
)
def change_trunk(request: HttpRequest, trunk_id: Id, body: TrunkChange) -> Any:
    with transaction.atomic():
        return _write(_find(trunk_id), body.model_dump(exclude_none=True))


@router.delete(
    "/{trunk_id}",
    **needs("trunks:write", None, status=204, also=[404, 409]),
    summary="Delete a trunk with its numbers",
)
def delete_trunk(request: HttpRequest, trunk_id: Id) -> Any:
    with transaction.atomic():
        _find(trunk_id).delete()
        push_later()
    return Status(204, None)


def _find(pk: int) -> Trunk:
    trunk = Trunk.objects.prefetch_related("numbers").filter(pk=pk).first()
    if trunk is None:
        raise missing("trunk", pk)
    return trunk


def _write(trunk: Trunk, given: dict[str, Any]) -> TrunkOut:
    numbers: list[dict[str, str]] | None = given.pop("numbers", None)
    form = TrunkForm(form_data(TrunkForm, trunk, given), instance=trunk)
    require_valid(form)
    rows = _Numbers(_set_data(trunk, numbers), instance=form.instance)
    require_valid_set(rows, "numbers", called={"e164": "number", "__all__": ""})
    saved = form.save()
    rows.instance = saved
    rows.save()
    push_later(Trunk.objects.filter(pk=saved.pk))
    return show(_find(saved.pk))


def _set_data(trunk: Trunk, wanted: list[dict[str, str]] | None) -> dict[str, Any]:
    """The rows below the admin's form: those which stay, go, and come. None: all stay."""
    kept = {n.e164: n for n in trunk.numbers.all()} if trunk.pk else {}
    if wanted is None:
        wanted = [{"number": n.e164, "label": n.label} for n in kept.values()]
    typed = {each["number"].strip() for each in wanted}
    lines: list[dict[str, Any]] = [
        {"id": n.pk, "e164": n.e164, "label": n.label, "DELETE": "on"}
        for number, n in kept.items()
        if number not in typed
    ]
    stay = [each for each in wanted if each["number"].strip() in kept]
    come = [each for each in wanted if each["number"].strip() not in kept]
    lines += [
        {"id": kept[each["number"].strip()].pk, "e164": each["number"], "label": each["label"]}
        for each in stay
    ]
    first_new = len(lines)
    lines += [{"e164": each["number"], "label": each["label"]} for each in come]
    prefix = _Numbers.get_default_prefix()
    data: dict[str, Any] = {
        f"{prefix}-TOTAL_FORMS": len(lines),
        f"{prefix}-INITIAL_FORMS": first_new,
    }
    for n, line in enumerate(lines):
        data |= {f"{prefix}-{n}-{name}": value for name, value in line.items()}
    return data
