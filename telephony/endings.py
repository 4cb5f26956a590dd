"""A supervisor or another system ends a running call."""

from datetime import datetime

from django.db import transaction

from telephony import services, tasks
from telephony.later import after_commit
from telephony.lifecycle import CallState
from telephony.models import Call


@transaction.atomic
def hang_up(*, call_id: int, by: str, now: datetime) -> bool:
    """End a call which is on; False if it is over already. First the state, then the room: the
    hooks of its end must not be heard as the caller's hang-up."""
    call = Call.objects.filter(pk=call_id).first()
    if call is None or not services.move_call(
        room=call.room, to=CallState.ENDED, at=now, reason="supervisor"
    ):
        return False
    Call.objects.filter(pk=call_id).update(end_reason="supervisor", ended_by=by[:150])
    after_commit(tasks.end_call.delay, call_id=call_id)
    return True
