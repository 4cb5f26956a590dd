"""Takes out of calls whose they were. What is left are figures: when, how long, how it ended."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Case, CharField, F, Q, QuerySet, Value, When
from django.db.models.functions import Cast, Concat

from telephony import erased
from telephony.models import Call, CarrierCall, Leg, OutboundCall
from telephony.models_outbound import OutboundState

PREFIX = "erased"  # of the room such a call is left with: no room of LiveKit's is called so
_OUT = Call.Direction.OUTBOUND


def names_of(calls: Iterable[int]) -> list[str]:
    """By which others may still speak of these calls."""
    calls = list(calls)
    rooms = Call.objects.filter(pk__in=calls).exclude(room__startswith=f"{PREFIX}_")
    names = list(rooms.values_list("room", flat=True))
    for rows in (CarrierCall.objects.filter(call__in=calls), Leg.objects.filter(call__in=calls)):
        ids = rows.exclude(carrier_id="").values_list("carrier_id", flat=True)
        names += [erased.carriers_name(one) for one in ids]
    return names


def anonymise(calls: list[int], *, now: datetime) -> int:
    """Of calls which are over. Their rooms are remembered as hashes, so that nothing late makes
    them anew. May be repeated."""
    over = Call.objects.filter(pk__in=calls, ended_at__isnull=False)
    mine = list(over.exclude(room__startswith=f"{PREFIX}_").values_list("pk", flat=True))
    erased.note(names_of(mine), now=now)
    return Call.objects.filter(pk__in=mine).update(
        caller=Case(When(direction=_OUT, then=F("caller")), default=Value("")),
        called=Case(When(direction=_OUT, then=Value("")), default=F("called")),
        room=Concat(Value(f"{PREFIX}_"), Cast("pk", CharField())),
        room_sid="",
        sip_call_id="",
    )


def anonymise_wishes(wishes: "QuerySet[OutboundCall]") -> int:
    """Of calls we were to make. None which waits is made; the figures of a batch stay."""
    idle = wishes.filter(~Q(state__in=[OutboundState.DIALLING, OutboundState.TALKING]))
    idle.filter(state=OutboundState.WAITING).update(
        state=OutboundState.CANCELLED, outcome="cancelled"
    )
    return idle.update(to="", variables={}, words="", answered_by_reason="")
