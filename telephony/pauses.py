"""How an order to pause a call's recording reaches its worker: as an order to transfer does.

The order is a row. Its number goes to the worker as a data packet, again and again until the worker
has claimed it at /internal/pauses; a claim succeeds once. That it was paused, and for how long, the
worker's journal tells.
"""

import json
import logging
from datetime import datetime, timedelta

from agents.services import published_plan
from telephony import tasks
from telephony.errors import GatewayRefused, TelephonyError
from telephony.gateway import Gateway
from telephony.later import after_commit
from telephony.lifecycle import CallState
from telephony.models import Call, PauseOrder

log = logging.getLogger(__name__)

TOPIC = "contactcenter.pause"
PATIENCE = timedelta(seconds=20)  # a worker which has not taken it by then does not hear us
State, What = PauseOrder.State, PauseOrder.What


class PauseNotAllowed(TelephonyError):
    """The text says why."""


def order(*, call_id: int, what: str, by: str, now: datetime) -> PauseOrder:
    """Queue it. Raises PauseNotAllowed."""
    call = Call.objects.filter(pk=call_id).first()
    if call is None or call.state != CallState.TALKING:
        raise PauseNotAllowed("Nobody talks in this call now, so nothing is being recorded.")
    plan = published_plan(digest=call.plan_digest)
    if plan is None or not plan.record:
        raise PauseNotAllowed("This call is not recorded, by its project's own wish.")
    made = PauseOrder.objects.create(call=call, what=What(what), by=by[:150], at=now)
    after_commit(tasks.deliver_pauses.delay)
    return made


def deliver_waiting(*, now: datetime, gateway: Gateway) -> None:
    """Tell the workers, in the order of time. Repeats until they claim; gives up after PATIENCE."""
    waiting = PauseOrder.objects.filter(state=State.WAITING).select_related("call")
    for each in waiting.order_by("at", "pk")[:100]:
        if each.call.ended_at is not None:
            _move(each.pk, State.FAILED, "The call ended before.")
        elif now - each.at > PATIENCE:
            _move(each.pk, State.FAILED, "The worker did not take it.")
        else:
            _deliver(each, gateway)


def _deliver(each: PauseOrder, gateway: Gateway) -> None:
    packet = json.dumps({"order": each.pk}).encode()
    try:
        gateway.send_to_agents(room=each.call.room, topic=TOPIC, data=packet)
    except GatewayRefused as refusal:
        log.warning("order not delivered", extra={"order": each.pk, "reason": str(refusal)})


def claim(*, order_id: int, room: str) -> PauseOrder | None:
    """A worker takes an order; None if it is not, or no longer, his to take."""
    found = PauseOrder.objects.filter(pk=order_id, call__room=room)
    if not found.filter(state=State.WAITING).update(state=State.TAKEN):
        return None
    return found.get()


def _move(order_id: int, to: str, outcome: str) -> None:
    PauseOrder.objects.filter(pk=order_id, state=State.WAITING).update(state=to, outcome=outcome)
