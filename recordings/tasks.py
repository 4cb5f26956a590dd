"""Celery's edge: keywords in, one service call, retry policy. Unknown keywords are swallowed."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from celery import Task, shared_task
from django.utils import timezone

from recordings import (
    after,
    analyses,
    budgets,
    consents,
    masking,
    services,
    spoken,
    transcripts,
    wiring,
)
from recordings import egress as egresses
from recordings.errors import StoreUnavailable
from recordings.lifecycle import RecordingState
from recordings.models import AudioMask, Recording, Transcript
from recordings.tally import tally
from telephony import wiring as telephony
from telephony.errors import GatewayRefused, GatewayUnavailable

log = logging.getLogger(__name__)


CONFIRM_S = 2  # an egress is active 0.9 to 3.3 s after it was asked for
RECENT = timedelta(days=3)  # what every sweep looks at
TRANSCRIPTS_AT_ONCE = 200  # made searchable by one task


@shared_task(acks_late=True)
def want_recording(*, call_id: int, **_newer: object) -> None:
    """A second run finds the row of the first."""
    recording = services.want_recording(call_id=call_id, now=timezone.now())
    is_egress = recording and recording.recorder == Recording.Recorder.EGRESS
    if recording and is_egress and recording.state == RecordingState.WANTED:
        start_recording.delay(recording_id=recording.pk)


@shared_task(bind=True, acks_late=True, max_retries=4)
def start_recording(self: "Task[Any, Any]", /, *, recording_id: int, **_newer: object) -> None:
    """A second run finds the claim taken, or the egress by its object key."""
    try:
        started = egresses.start_recording(
            recording_id=recording_id, now=timezone.now(), recorder=telephony.gateway()
        )
        if started:  # its hook may be lost; the sweep asks again
            watch_egress.apply_async(kwargs={"recording_id": recording_id}, countdown=CONFIRM_S)
    except GatewayUnavailable as trouble:
        egresses.release_claim(recording_id=recording_id, error=str(trouble))
        raise self.retry(exc=trouble, countdown=2**self.request.retries) from trouble


@shared_task(bind=True, acks_late=True, max_retries=4)
def stop_recording(self: "Task[Any, Any]", /, *, recording_id: int, **_newer: object) -> None:
    """A second stop of the same egress is refused by LiveKit, which changes nothing."""
    try:
        egresses.stop_recording(recording_id=recording_id, recorder=telephony.gateway())
    except GatewayUnavailable as trouble:
        raise self.retry(exc=trouble, countdown=2**self.request.retries) from trouble
    except GatewayRefused:
        log.info("An egress had ended before it was stopped", extra={"recording": recording_id})


@shared_task(bind=True, acks_late=True, max_retries=6)
def throw_away_refused(self: "Task[Any, Any]", /, *, call_id: int, **_newer: object) -> None:
    """A second run finds nothing in the store."""
    try:
        consents.throw_away(call_id=call_id, bucket=wiring.bucket())
    except StoreUnavailable as trouble:
        raise self.retry(exc=trouble, countdown=2**self.request.retries) from trouble


@shared_task(bind=True, acks_late=True, max_retries=4)
def stop_unwanted(self: "Task[Any, Any]", /, *, call_id: int, **_newer: object) -> None:
    """An egress of a caller who refused, begun before it was known that he is to be asked. A second
    run finds it stopped."""
    recording = Recording.objects.filter(call=call_id).first()
    if recording and recording.recorder == Recording.Recorder.EGRESS and recording.egress_id:
        stop_recording.delay(recording_id=recording.pk)


@shared_task(bind=True, acks_late=True, max_retries=6)
def watch_egress(self: "Task[Any, Any]", /, *, recording_id: int, **_newer: object) -> None:
    """A second run finds the recording stored, or asks the store again."""
    try:
        died = egresses.watch_egress(
            recording_id=recording_id,
            now=timezone.now(),
            recorder=telephony.gateway(),
            bucket=wiring.bucket(),
        )
    except (GatewayUnavailable, StoreUnavailable) as trouble:
        raise self.retry(exc=trouble, countdown=2**self.request.retries) from trouble
    _start_again(died)


def _start_again(recordings: Iterable[int]) -> None:
    for pk in recordings:
        start_recording.delay(recording_id=pk)


@shared_task(acks_late=True)
def build_transcript(*, call_id: int, **_newer: object) -> None:
    """A second run writes the same transcript and figures again."""
    now = timezone.now()
    transcripts.build_transcript(call_id=call_id, now=now)
    budgets.watch_call(call_id=call_id, now=now)


@shared_task(bind=True, acks_late=True, max_retries=6, time_limit=1700)
def mask_recording(self: "Task[Any, Any]", /, *, recording_id: int, **_newer: object) -> None:
    """A second run finds the claim taken, or goes on where the first one died."""
    try:
        masking.mask_recording(
            recording_id=recording_id, bucket=wiring.bucket(), now=timezone.now()
        )
    except StoreUnavailable as trouble:
        raise self.retry(exc=trouble, countdown=2**self.request.retries) from trouble


@shared_task(acks_late=True)
def index_turns(**_newer: object) -> None:
    """Makes transcripts of an older release searchable, part by part until none is left.

    A second run goes on where the first one is; one which died is begun again by beat.
    """
    if spoken.catch_up(limit=TRANSCRIPTS_AT_ONCE, now=timezone.now()) == TRANSCRIPTS_AT_ONCE:
        index_turns.delay()


@shared_task(acks_late=True)
def after_call(*, call_id: int, **_newer: object) -> None:
    """A second run finds each step done, or claimed by the first."""
    after.run(call_id=call_id, now=timezone.now())


@shared_task
def sweep_after(**_newer: object) -> None:
    """Steps which wait, or whose worker died. A second run finds them queued; claims are single."""
    now = timezone.now()
    after.release_lost(now=now)
    analyses.expire(now=now)
    for call_id in after.due(now=now):
        after_call.delay(call_id=call_id)


@shared_task
def forget_steps(**_newer: object) -> None:
    """A second run finds the next ones."""
    after.forget_old(now=timezone.now())


@shared_task
def watch_budgets(**_newer: object) -> None:
    """A second run finds everything done."""
    budgets.watch(now=timezone.now())


@shared_task
def count_calls(**_newer: object) -> None:
    """Calls of an older release, and those where counting failed. A second run finds no more.

    Looks at all calls, so it comes less often than `sweep`: it also finds an old one without
    transcript.
    """
    _build_transcripts(timezone.now(), since=None)
    for call in Transcript.objects.calls_uncounted().order_by("-pk")[:1000]:
        try:
            tally(call_id=call.pk, now=timezone.now())
        except Exception:
            log.exception("A call could not be counted", extra={"call_id": call.pk})


@shared_task
def sweep(**_newer: object) -> None:
    """Whatever got lost between the other tasks. Each step may be repeated, none stops the next."""
    for step in (_restart_egresses, _watch_egresses, _give_up, _build_transcripts, _mask):
        try:
            step(timezone.now())
        except (GatewayUnavailable, StoreUnavailable) as trouble:
            log.warning("A part of the sweep has to wait", extra={"reason": str(trouble)})
        except Exception:
            log.exception("A part of the sweep failed", extra={"step": step.__name__})


def _restart_egresses(now: datetime) -> None:
    for recording in Recording.objects.claims_older_than(now - timedelta(seconds=egresses.CLAIM_S)):
        egresses.release_claim(recording_id=recording.pk)
    for recording in Recording.objects.egress_wanted():
        start_recording.delay(recording_id=recording.pk)


def _watch_egresses(now: datetime) -> None:
    died = egresses.watch_egress(now=now, recorder=telephony.gateway(), bucket=wiring.bucket())
    _start_again(died)


@shared_task
def recover_egress(**_newer: object) -> None:
    """A second run finds no more."""
    now = timezone.now()
    egresses.recover_lost(since=now - timedelta(days=1), now=now, bucket=wiring.bucket())


def _give_up(now: datetime) -> None:
    for recording in Recording.objects.of_unanswered():
        services.skip_unanswered(call_id=recording.call_id, now=now)
    egresses.give_up_unstarted(now=now)
    services.give_up_waiting(ended_before=now - timedelta(days=1))


def _build_transcripts(now: datetime, since: timedelta | None = RECENT) -> None:
    missing = Transcript.objects.calls_without(
        over_before=now - timedelta(seconds=transcripts.ANYWAY_S),
        since=now - since if since else None,
    )
    for call in missing[:100]:
        transcripts.build_transcript(call_id=call.pk, now=now)


def _mask(now: datetime) -> None:
    """Recordings nobody has looked at, and work which lost its worker."""
    for call_id in masking.unconsidered(since=now - RECENT):
        masking.consider(call_id=call_id)
    lost = now - timedelta(seconds=masking.CLAIM_S)
    due = AudioMask.objects.due(claimed_before=lost).order_by("pk")
    for recording_id in due.values_list("recording", flat=True)[:100]:
        mask_recording.delay(recording_id=recording_id)


from recordings import tasks_checks as tasks_checks  # noqa: E402
from recordings.tasks_keeping import keep as keep  # noqa: E402
from recordings.tasks_keeping import sweep_requests as sweep_requests  # noqa: E402
from recordings.tasks_keeping import work_request as work_request  # noqa: E402
from recordings.tasks_review import draw_sound as draw_sound  # noqa: E402
from recordings.tasks_review import sweep_reviews as sweep_reviews  # noqa: E402
