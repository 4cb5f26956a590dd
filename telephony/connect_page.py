"""What the last page of “Connect a number” shows, each time it asks."""

from datetime import datetime
from typing import Any

from django.db.models import Q

from telephony import connect, dryrun, shapes, testline, wiring
from telephony.carriers_known import CARRIERS
from telephony.connect import Line
from telephony.doctor import Scope, refused_unseen
from telephony.dryrun import SAME_END
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.models import Call, DispatchRule, Number, SyncState, Trunk

MOST = 5


def told(number: Number) -> dict[str, tuple[str, ...]] | None:
    trunk = number.trunk
    if trunk.template not in CARRIERS:
        return None
    line = Line(carrier=trunk.template, e164=number.e164, username=trunk.auth_username)
    return connect.told(line)


def hindrance(number: Number) -> str:
    carrier = CARRIERS.get(number.trunk.template)
    return connect.hindrance(carrier) if carrier else ""


def state(number: Number, since: datetime) -> dict[str, Any]:
    """Rows, who would answer, calls since then, and the last test call."""
    trunk = Trunk.objects.get(pk=number.trunk_id)
    rules = list(DispatchRule.objects.filter(trunks=trunk, enabled=True))
    synced = [_synced("Trunk", trunk), *(_synced("Rule", rule) for rule in rules)]
    is_up = bool(rules) and all(row["state"] == SyncState.SYNCED for row in synced)
    return {
        "synced": synced,
        "is_up": is_up,
        "answer": _answer(number, trunk) if is_up else None,
        "calls": [_line(call, number) for call in _calls(number, since)],
        "unseen": [
            r for r in refused_unseen(MOST, Scope(trunk=trunk, number=number)) if r.at >= since
        ],
        "last_test": testline.last(),
    }


def _synced(noun: str, row: Trunk | DispatchRule) -> dict[str, str]:
    return {
        "noun": noun, "name": row.name, "state": row.sync_state,
        "words": str(SyncState(row.sync_state).label), "why": row.sync_error,
    }  # fmt: skip


def _answer(number: Number, trunk: Trunk) -> dict[str, object]:
    address = str(trunk.allowed_addresses[0]).partition("/")[0] if trunk.allowed_addresses else ""
    try:
        told = dryrun.ask(called=number.e164, address=address, gateway=wiring.gateway())
    except (GatewayUnavailable, GatewayRefused, shapes.Misshapen) as trouble:
        return {"works": False, "headline": str(trouble)}
    return told.plain()


def _calls(number: Number, since: datetime) -> list[Call]:
    """Newest first. By time first, which has an index; then what fits among those."""
    # a call whose number came in another form is shown, too
    near = Q(number=number) | Q(called__endswith=number.e164[-SAME_END:])
    return list(Call.objects.for_desk().filter(near, started_at__gte=since)[:MOST])


def _line(call: Call, number: Number) -> dict[str, Any]:
    words = call.get_end_reason_display() or call.get_state_display().capitalize() + "."
    return {
        "call": call, "caller": shapes.readable(call.caller), "words": words,
        "is_bad": call.state == "failed", "is_good": bool(call.answered_at),
        "called": shapes.readable(call.called) if call.number_id != number.pk else "",
    }  # fmt: skip
