"""Recordings' reaction to telephony's events. Each may come twice, late, or out of order."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db import transaction

from recordings import services, tasks
from recordings.models import Recording
from telephony.models import Call


def call_opened(*, payload: Mapping[str, Any]) -> None:
    want = partial(tasks.want_recording.delay, call_id=payload["call"])
    transaction.on_commit(want, robust=True)


def call_over(*, payload: Mapping[str, Any]) -> None:
    call = Call.objects.get(pk=payload["call"])
    services.call_over(call_id=call.pk, answered=call.answered_at is not None)
    recording = Recording.objects.filter(call=call).first()
    if recording and recording.recorder == Recording.Recorder.EGRESS:
        stop = partial(tasks.stop_recording.delay, recording_id=recording.pk)
        transaction.on_commit(stop, robust=True)
    build = partial(tasks.build_transcript.delay, call_id=call.pk)
    transaction.on_commit(build, robust=True)


def egress_changed(*, payload: Mapping[str, Any]) -> None:
    egress = payload.get("egress")
    if egress:
        change = partial(tasks.egress_changed.delay, egress=dict(egress))
        transaction.on_commit(change, robust=True)
