"""Supervisors and other systems send a running call elsewhere. The call's own worker does it."""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from telephony import directory, tasks
from telephony.directory import Answer
from telephony.errors import TransferNotAllowed
from telephony.later import after_commit
from telephony.lifecycle import CallState
from telephony.models import Call, Destination, TransferOrder
from telephony.orders import OPEN_STATES

__all__ = ["TransferNotAllowed", "transfer"]

LOST = timedelta(minutes=10)  # a worker which took it and never told has died


def transfer(*, call_id: int, destination_id: int, by: str, now: datetime) -> None:
    """Queue a transfer of a running call. Raises TransferNotAllowed, whose text says why."""
    call = Call.objects.filter(pk=call_id).first()
    row = Destination.objects.filter(pk=destination_id).select_related("schedule", "trunk").first()
    if call is None or call.state != CallState.TALKING:
        raise TransferNotAllowed("Nobody talks in this call now, so nobody can be put through.")
    if row is None:
        raise TransferNotAllowed("This destination is no longer in the directory. Choose another.")
    _check(row, directory.answer_for(row, now))
    TransferOrder.objects.filter(call=call, state__in=OPEN_STATES, at__lt=now - LOST).update(
        state=TransferOrder.State.FAILED, outcome="Nobody told what became of it."
    )
    try:
        with transaction.atomic():
            TransferOrder.objects.create(call=call, destination=row, by=by[:150], at=now)
    except IntegrityError:
        raise TransferNotAllowed(
            "This call is being put through already. Wait until that is over."
        ) from None
    after_commit(tasks.deliver_transfers.delay)


def _check(row: Destination, answer: Answer) -> None:
    if answer.why == "closed":
        raise TransferNotAllowed(f"“{row}” is closed now. Choose another, or change its hours.")
    if answer.why and not row.enabled:
        raise TransferNotAllowed(f"“{row}” is switched off. Switch it on in the directory first.")
    if answer.why:
        raise TransferNotAllowed(f"“{row}” has no working outbound trunk. Repair its trunk first.")
