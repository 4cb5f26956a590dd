"""Recordings' reaction to telephony's events. Each may come twice, late, or out of order."""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from agents.models import CheaperOrder
from recordings import after, consents, masking, services, tasks
from recordings.models import Recording, RecordingPart, Transcript
from telephony.later import after_commit
from telephony.models import Call

# of the others we know already: we asked for them
TELLING = {"active", "complete", "failed", "aborted", "limit_reached"}


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
    if not egress or egress["status"] not in TELLING:
        return
    ours = Recording.objects.egress_unfinished().filter(call__room=egress["room"])
    for pk in ours.values_list("pk", flat=True):
        after_commit(tasks.watch_egress.delay, recording_id=pk)


def participant_left(*, payload: Mapping[str, Any]) -> None:
    """An egress records under its own id. Of one whose service was killed this is all one hears."""
    who = payload["participant"]
    if who["kind"] != "egress":
        return
    ours = RecordingPart.objects.filter(egress_id=who["identity"], state__in=RecordingPart.GOING_ON)
    for pk in ours.values_list("recording", flat=True):
        after_commit(tasks.watch_egress.delay, recording_id=pk)


def words_or_sound_complete(*, payload: Mapping[str, Any]) -> None:
    """Masking the sound needs both; whichever comes last begins it."""
    if recording_id := masking.consider(call_id=payload["call"]):
        after_commit(tasks.mask_recording.delay, recording_id=recording_id)


def recording_stored(*, payload: Mapping[str, Any]) -> None:
    if consents.is_refused(payload["call"]):
        after_commit(tasks.throw_away_refused.delay, call_id=payload["call"])


def plan_published() -> None:
    """A project over its budget takes the cheaper order of the new plan as well."""
    if CheaperOrder.objects.exists():
        tasks.watch_budgets.delay()
