"""Finding calls by a number, however it is typed, among millions."""

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Reverse

from telephony import shapes
from telephony.models import Call

LEAST = 3  # digits; fewer would find half of all calls


def calls(queryset: QuerySet[Call], text: str) -> QuerySet[Call]:
    """Calls from or to a number, or the one LiveKit calls so (SCL_…).

    Of a number the end is enough: people leave out what stands before it. So the digits are
    compared from the last one on, which an index can do (migration 0006, PostgreSQL).
    """
    term = shapes.searched(text.strip())
    if not term:
        return queryset
    if not term.isdigit():
        return queryset.filter(sip_call_id=term)
    if len(term) < LEAST:
        return queryset.none()
    ends = term[::-1]
    turned = queryset.alias(caller_turned=Reverse(F("caller")), called_turned=Reverse(F("called")))
    return turned.filter(Q(caller_turned__startswith=ends) | Q(called_turned__startswith=ends))
