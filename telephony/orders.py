"""How a supervisor's order to transfer reaches the worker of the call, and what became of it.

The order is a row. Its number goes to the worker as a data packet, again and again until the worker
has claimed it at /internal/transfers; a claim succeeds once, so a packet which comes twice does
nothing. What became of it, the worker's journal tells.
"""

import json
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from agents.entries import TRANSFER_ENDS, TRANSFER_OUTCOMES
from telephony import directory
from telephony.directory import Answer
from telephony.errors import GatewayRefused
from telephony.gateway import Gateway
from telephony.models import TransferOrder

log = logging.getLogger(__name__)

TOPIC = "contactcenter.transfer"
PATIENCE = timedelta(seconds=20)  # a worker which has not taken it by then does not hear us
OPEN_STATES = (TransferOrder.State.WAITING, TransferOrder.State.TAKEN)
_GOOD = {"accepted", "ended", "left"}


def deliver_waiting(*, now: datetime, gateway: Gateway) -> None:
    """Tell the workers. Repeats until they claim; gives up after PATIENCE."""
    waiting = TransferOrder.objects.filter(state=TransferOrder.State.WAITING)
    for order in waiting.select_related("call").order_by("at")[:100]:
        if order.call.ended_at is not None:
            _move(order.pk, TransferOrder.State.FAILED, "The call ended before.")
        elif now - order.at > PATIENCE:
            _move(order.pk, TransferOrder.State.FAILED, "The worker did not take it.")
        else:
            _deliver(order, gateway)


def _deliver(order: TransferOrder, gateway: Gateway) -> None:
    packet = json.dumps({"order": order.pk}).encode()
    try:
        gateway.send_to_agents(room=order.call.room, topic=TOPIC, data=packet)
    except GatewayRefused as refusal:
        log.warning("order not delivered", extra={"order": order.pk, "reason": str(refusal)})


def claim(*, order_id: int, room: str, now: datetime) -> Answer | None:
    """A worker takes an order; None if it is not, or no longer, his to take."""
    found = TransferOrder.objects.filter(pk=order_id, call__room=room)
    if not found.filter(state=TransferOrder.State.WAITING).update(state=TransferOrder.State.TAKEN):
        return None
    order = found.select_related("destination__schedule", "destination__trunk").get()
    return directory.answer_for(order.destination, now)


def told(*, call_id: int, data: Mapping[str, Any]) -> None:
    """The journal tells a step of a transfer; the last one settles its order."""
    order, outcome = data.get("order"), str(data.get("outcome", ""))
    if not isinstance(order, int) or isinstance(order, bool) or outcome not in TRANSFER_ENDS:
        return
    state = TransferOrder.State.DONE if outcome in _GOOD else TransferOrder.State.FAILED
    mine = TransferOrder.objects.filter(pk=order, call_id=call_id, state__in=OPEN_STATES)
    mine.update(state=state, outcome=TRANSFER_OUTCOMES[outcome])


def _move(order_id: int, to: TransferOrder.State, outcome: str) -> None:
    waiting = TransferOrder.objects.filter(pk=order_id, state=TransferOrder.State.WAITING)
    waiting.update(state=to, outcome=outcome)
