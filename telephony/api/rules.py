"""Dispatch rules: which project answers the calls of which trunks."""

from typing import Annotated, Any

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
from telephony.forms import DispatchRuleForm
from telephony.models import DispatchRule

router = Router(tags=["Dispatch rules"])
_CALLED = {"project": "project_id", "trunks": "trunk_ids"}
Ids = Annotated[list[Id], Field(max_length=500)]


class RuleIn(Schema, extra="forbid"):
    name: Short
    project_id: Id
    trunk_ids: Ids = Field(description="Inbound trunks whose calls the project answers.")
    enabled: bool = True


class RuleChange(Schema, extra="forbid"):
    """What is left out stays as it is."""

    name: Short | None = None
    project_id: Id | None = None
    trunk_ids: Ids | None = None
    enabled: bool | None = None


class RuleOut(Schema):
    id: int
    name: str
    project_id: int
    trunk_ids: list[int]
    enabled: bool
    livekit: LiveKitState


class Rules(Page):
    items: list[RuleOut]


def show(rule: DispatchRule) -> RuleOut:
    return RuleOut(
        id=rule.pk,
        name=rule.name,
        project_id=rule.project_id,
        trunk_ids=sorted(trunk.pk for trunk in rule.trunks.all()),
        enabled=rule.enabled,
        livekit=livekit_state(rule),
    )


@router.get("", **needs("rules:read", Rules), summary="List dispatch rules")
def list_rules(request: HttpRequest, paging: Query[Paging]) -> Any:
    rows = DispatchRule.objects.prefetch_related("trunks")
    return listed(rows, show, paging)


@router.post(
    "", **needs("rules:write", RuleOut, status=201, also=[409]), summary="Add a dispatch rule"
)
def create_rule(request: HttpRequest, body: RuleIn) -> Any:
    return creating(request, lambda: _write(DispatchRule(), body.model_dump()))


@router.get("/{rule_id}", **needs("rules:read", RuleOut, also=[404]), summary="Get a dispatch rule")
def get_rule(request: HttpRequest, rule_id: Id) -> Any:
    return show(_find(rule_id))


@router.patch(
    "/{rule_id}",
    **needs("rules:write", RuleOut, also=[404, 409]),
    summary="Change a dispatch rule",
)
def change_rule(request: HttpRequest, rule_id: Id, body: RuleChange) -> Any:
    with transaction.atomic():
        return _write(_find(rule_id), body.model_dump(exclude_none=True))


@router.delete(
    "/{rule_id}",
    **needs("rules:write", None, status=204, also=[404, 409]),
    summary="Delete a dispatch rule",
)
def delete_rule(request: HttpRequest, rule_id: Id) -> Any:
    with transaction.atomic():
        _find(rule_id).delete()
        push_later()
    return Status(204, None)


def _find(pk: int) -> DispatchRule:
    rule = DispatchRule.objects.prefetch_related("trunks").filter(pk=pk).first()
    if rule is None:
        raise missing("dispatch rule", pk)
    return rule


def _write(rule: DispatchRule, given: dict[str, Any]) -> RuleOut:
    names = {"project_id": "project", "trunk_ids": "trunks"}
    typed = {names.get(name, name): value for name, value in given.items()}
    form = DispatchRuleForm(form_data(DispatchRuleForm, rule, typed), instance=rule)
    require_valid(form, called=_CALLED)
    saved: DispatchRule = form.save()
    push_later(DispatchRule.objects.filter(pk=saved.pk))
    return show(_find(saved.pk))
