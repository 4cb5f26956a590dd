"""The reaction to a stored recording: its sound is drawn."""

from collections.abc import Mapping
from typing import Any

from recordings import tasks_review
from recordings.models import Recording
from telephony.later import after_commit


def recording_stored(*, payload: Mapping[str, Any]) -> None:
    pk = Recording.objects.filter(call=payload["call"]).values_list("pk", flat=True).first()
    if pk:
        after_commit(tasks_review.draw_sound.delay, recording_id=pk)
