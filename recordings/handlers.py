"""Recordings' reaction to telephony's events. Each may come twice, late, or out of order."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q
from django.utils import timezone

from agents.models import CheaperOrder
from recordings import after, services, tasks
from recordings import egress as egresses
from recordings.models import Recording, Transcript
from telephony.later import after_commit
from telephony.models import Call


def call_opened(*, payload: Mapping[str, Any]) -> None:
    after_commit(tasks.want_recording.delay, call_id=payload["call"])


def call_over(*, payload: Mapping[str, Any]) -> None:
    call = Call.objects.get(pk=payload["call"])
    services.skip_unanswered(call_id=call.pk, now=timezone.now())
    services.say_unrecorded(call_id=call.pk)
    recording = Recording.objects.filter(call=call).first()
    if recording and recording.recorder == Recording.Recorder.EGRESS:
        after_commit(tasks.stop_recording.delay, recording_id=recording.pk)
    after_commit(tasks.build_transcript.delay, call_id=call.pk)


def transcript_ready(*, payload: Mapping[str, Any]) -> None:
    """What was found out before was of another transcript. A call nobody took tells nothing."""
    call = Call.objects.get(pk=payload["call"])
    if call.answered_at is None and not Transcript.objects.get(call=call).segments:
        return
    after.begin(call_id=call.pk, now=timezone.now())
    after_commit(tasks.after_call.delay, call_id=call.pk)


def egress_changed(*, payload: Mapping[str, Any]) -> None:
    """The task is told our id only: file and room are named after the caller's number."""
    egress = payload.get("egress")
    if not egress or egress["status"] in egresses.RUNNING:
        return
    ours = Q(egress_id=egress["egress_id"]) | Q(egress_id="", object_key=egress["object_key"])
    for pk in Recording.objects.egress_unfinished().filter(ours).values_list("pk", flat=True):
        after_commit(tasks.watch_egress.delay, recording_id=pk)


def plan_published() -> None:
    """A project over its budget takes the cheaper order of the new plan as well."""
    if CheaperOrder.objects.exists():
        tasks.watch_budgets.delay()
