"""Reaction to what concerns ingress. Each event may come twice, late, or out of order."""

from collections.abc import Mapping
from typing import Any

from telephony import ingress_push, tasks_ingress
from telephony.later import after_commit
from telephony.models import Ingress


def ingress_changed(*, payload: Mapping[str, Any]) -> None:
    """The state at once; the list, which is the truth, soon after."""
    told = payload.get("ingress")
    if not told:
        return
    if ingress_push.told(
        remote_id=told["ingress_id"],
        status=told["status"],
        error=told["error"],
        at_ns=told["at_ns"],
    ):
        after_commit(tasks_ingress.push_ingress.delay)


def call_over(*, payload: Mapping[str, Any]) -> None:
    """What plays into a call ends with it: else its room would stay open for ever."""
    if Ingress.objects.filter(call=payload["call"], enabled=True).exists():
        after_commit(tasks_ingress.push_ingress.delay)
