"""Pausing the recording of a call which is on."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Status

from telephony import pauses
from telephony.api import calls
from telephony.api.errors import Problem
from telephony.api.paging import Id
from telephony.api.security import by, needs

ABOUT = (
    "The call's worker does it within a second or two, and its journal (`pause`) tells when. Twice "
    "is as good as once."
)


@calls.router.post(
    "/{call_id}/recording/pause",
    **needs("recordings:pause", None, status=202, also=[404, 409]),
    summary="Pause the recording of a running call",
    description=ABOUT,
)
def pause_recording(request: HttpRequest, call_id: Id) -> Any:
    return _order(request, call_id, "pause")


@calls.router.post(
    "/{call_id}/recording/resume",
    **needs("recordings:pause", None, status=202, also=[404, 409]),
    summary="Let a paused recording go on",
    description=ABOUT,
)
def resume_recording(request: HttpRequest, call_id: Id) -> Any:
    return _order(request, call_id, "resume")


def _order(request: HttpRequest, call_id: int, what: str) -> Any:
    calls.find(call_id)
    try:
        pauses.order(call_id=call_id, what=what, by=by(request), now=timezone.now())
    except pauses.PauseNotAllowed as reason:
        raise Problem(409, str(reason), code="pause_not_allowed") from reason
    return Status(202, None)
