"""Pauses LiveKit's egress of a running call for its worker, which waits for the answer."""

import logging
from datetime import datetime

from recordings import egress, services
from recordings.lifecycle import RecordingState
from recordings.models import Recording
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.models import Call

log = logging.getLogger(__name__)

_STILL = (RecordingState.SKIPPED, RecordingState.FAILED, RecordingState.STORED)


def pause(*, room: str, begin: bool, now: datetime, recorder: services.Recorder) -> bool:
    """Whether the egress records nothing any more (`begin`), or records again.

    A call which no egress records is paused already. What cannot be done is False: whoever asks
    must know, for he may be about to ask for a card.
    """
    recording = _recording(room, now)
    if recording is None or recording.recorder != Recording.Recorder.EGRESS:
        return True
    if recording.state in _STILL or (begin and recording.state == RecordingState.PAUSED):
        return True
    try:
        if begin:
            return egress.pause_egress(recording.pk, recorder=recorder)
        return egress.resume_egress(recording.pk, recorder=recorder, now=now)
    except (GatewayRefused, GatewayUnavailable) as trouble:
        facts = {"recording": recording.pk, "reason": str(trouble)}
        log.warning("an egress was not paused", extra=facts)
        return False


def _recording(room: str, now: datetime) -> Recording | None:
    """Also one whose task has not run yet: it must not begin in the middle of a pause."""
    call = Call.objects.filter(room=room).first()
    return services.want_recording(call_id=call.pk, now=now) if call else None
