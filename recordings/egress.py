"""The egress recorder: LiveKit records, Celery starts and watches it.

What egress says is not the last word: a file may exist after FAILED, and a killed service says
nothing at all. So the object in the store decides, and the watchdog asks. Each start is a part
(`recordings.parts`); the recording itself is the best of them (`recordings.outcome`).
"""

import logging
from datetime import datetime, timedelta

from django.db.models import F, Value
from django.db.models.functions import Concat
from django.utils import timezone

from recordings import outcome, parts, stores, witness
from recordings.errors import StoreRefused
from recordings.lifecycle import RecordingState
from recordings.models import Recording, RecordingPart
from recordings.services import Recorder, move_recording
from recordings.storage import Bucket
from telephony import wiring as telephony
from telephony.errors import GatewayRefused, GatewayUnavailable
from telephony.live import EgressWish, LiveEgress

log = logging.getLogger(__name__)

State, Part = RecordingState, RecordingPart.State
CLAIM_S = 60  # a claim older than this lost its owner
ACTIVE_S = 20  # measured: active within 3.3 s; egress itself waits up to 30 s for a track
GONE_S = 60  # an egress which is still active this long after its call will never end by itself
MOST_PARTS = 12  # of a call whose egress dies again and again, and which pauses in between
RUNNING = {"starting", "active", "ending"}


# --- start --------------------------------------------------------------------------------------


def start_recording(*, recording_id: int, now: datetime, recorder: Recorder) -> bool:
    """Start the egress of one recording, once, however often this is called.

    The claim is a conditional UPDATE: of two tasks, one sees 1 row and goes on. If it dies after
    asking LiveKit, the sweep releases the claim and the next run finds the egress by its object.
    Whether it has become active, the watchdog says.
    """
    tried = F("attempts") + 1
    if not move_recording(
        recording_id=recording_id, to=State.STARTING, claimed_at=now, attempts=tried, egress_id=""
    ):
        return False
    recording = _loaded(recording_id)
    part = parts.begin(recording, now=now)
    try:
        wish, live = stores.wishes(recording, object_key=part.object_key, room=recording.call.room)
        egress_id = _already(recorder, wish) or recorder.start_egress(wish)
    except (GatewayRefused, StoreRefused) as refusal:
        parts.fail(part, str(refusal), now=now)
        outcome.settle(recording, now=now, claimed=True)
        return False
    part.egress_id, part.asked_at = egress_id, now
    part.save(update_fields=["egress_id", "asked_at"])
    # RUNNING: a hook or the sweep saw it active before its id had come back
    claimed = Recording.objects.filter(pk=recording_id, state__in=(State.STARTING, State.RUNNING))
    if not claimed.update(egress_id=egress_id, error=""):
        recorder.stop_egress(egress_id=egress_id)  # paused, or over, while LiveKit was asked
        return False
    _send_live(recording, live, now=now, recorder=recorder)
    return True


def _loaded(recording_id: int) -> Recording:
    return Recording.objects.select_related("call", "store", "profile").get(pk=recording_id)


def _already(recorder: Recorder, wish: EgressWish) -> str:
    """The egress of an earlier try whose answer was lost."""
    live = recorder.list_egress(room=wish.room)
    ours = (e for e in live if e.object_key == wish.object_key and e.status in RUNNING)
    return next((egress.egress_id for egress in ours), "")


def _send_live(
    recording: Recording, wishes: list[EgressWish], *, now: datetime, recorder: Recorder
) -> None:
    """Beside the recording, which must not fail by it."""
    for wish in wishes:
        part = parts.begin_live(recording, now=now)
        try:
            part.egress_id = recorder.start_egress(wish)
            part.save(update_fields=["egress_id"])
        except (GatewayRefused, GatewayUnavailable) as reason:
            parts.fail(part, f"It could not be sent live. {reason}", now=now)


def release_claim(*, recording_id: int, error: str = "") -> None:
    """Give a claim back, so that the next run may try."""
    Recording.objects.filter(pk=recording_id, state=State.STARTING, egress_id="").update(
        state=State.WANTED, claimed_at=None, error=error
    )


# --- stop, pause, resume ------------------------------------------------------------------------


def stop_recording(*, recording_id: int, recorder: Recorder) -> None:
    """Stop explicitly at hang-up: otherwise silence is recorded until the room closes."""
    recording = Recording.objects.get(pk=recording_id)
    known = list(_going_on(recording).exclude(egress_id="").values_list("egress_id", flat=True))
    if not known and recording.state == State.RUNNING:  # begun by an older release
        known = [recording.egress_id]
    for egress_id in known:
        recorder.stop_egress(egress_id=egress_id)


def pause_egress(recording_id: int, *, recorder: Recorder | None = None) -> bool:
    """Record nothing from now on, until `resume_egress`. False if nothing can be paused.

    The state is moved first: whoever is just starting an egress finds it and stops that. Raises
    GatewayUnavailable if LiveKit does not confirm the stop; the sweep goes on asking it.
    """
    if not move_recording(recording_id=recording_id, to=State.PAUSED):
        return False
    stop_recording(recording_id=recording_id, recorder=recorder or telephony.gateway())
    return True


def resume_egress(
    recording_id: int, *, recorder: Recorder | None = None, now: datetime | None = None
) -> bool:
    """Go on recording, in a part of its own. False if it did not pause, or the call is over.

    Raises nothing when LiveKit is away: the sweep starts it.
    """
    paused = Recording.objects.filter(
        pk=recording_id, state=State.PAUSED, call__ended_at__isnull=True
    )
    if not paused.update(state=State.WANTED, claimed_at=None):
        return False
    try:
        start_recording(
            recording_id=recording_id, now=now or timezone.now(),
            recorder=recorder or telephony.gateway(),
        )  # fmt: skip
    except GatewayUnavailable as trouble:
        release_claim(recording_id=recording_id, error=str(trouble))
    return True


# --- the watchdog -------------------------------------------------------------------------------


def watch_egress(
    *, now: datetime, recorder: Recorder, bucket: Bucket, recording_id: int | None = None
) -> list[int]:
    """Ask LiveKit what became of egresses, and end what egress left behind. May be repeated.

    Of one recording after a hook, of all which run in the sweep: hooks get lost and are repeated,
    so they only say where to look. Returns the recordings whose egress died and is to be followed
    by another.
    """
    if recording_id is None:
        looked_at = Recording.objects.egress_running()
    else:
        looked_at = Recording.objects.egress_unfinished().filter(pk=recording_id)
    recordings = list(looked_at.select_related("call", "store"))
    if not recordings:
        return []
    again: list[int] = []
    room = recordings[0].call.room if len(recordings) == 1 else ""
    live = recorder.list_egress(room=room)
    for recording in recordings:
        parts.adopt(recording, now=now)
        mine = _as_they_are(recording, live, recorder)
        for part in recording.parts.of_egress().exclude(state__in=(Part.STORED, Part.SENT)):
            part.recording = recording
            _watch(part, _egress_of(part, mine), now=now, recorder=recorder, bucket=bucket)
        if _want_again(recording, mine):
            again.append(recording.pk)
        else:
            outcome.settle(recording, now=now)
    return again


def _as_they_are(
    recording: Recording, live: list[LiveEgress], recorder: Recorder
) -> list[LiveEgress]:
    """A recording's egresses; of a call which goes on, those which were killed as failed."""
    mine = [egress for egress in live if egress.room == recording.call.room]
    if recording.call.ended_at or recording.state != State.RUNNING:
        return mine
    running = _going_on(recording).filter(state=Part.RUNNING).values_list("egress_id", flat=True)
    return [
        witness.checked(egress, recorder=recorder) if egress.egress_id in running else egress
        for egress in mine
    ]


def _watch(
    part: RecordingPart, egress: LiveEgress | None, *, now: datetime, recorder: Recorder,
    bucket: Bucket,
) -> None:  # fmt: skip
    recording = part.recording
    if egress and egress.status not in RUNNING:
        _finish(part, egress, bucket=bucket, now=now)
    elif part.state not in RecordingPart.GOING_ON:
        return
    elif _left_behind(recording, now):
        _finish(part, _killed(part), bucket=bucket, now=now)
    elif part.egress_id and (recording.state == State.PAUSED or recording.call.ended_at):
        _stop_again(part, recorder)
    elif egress and egress.status == "active":
        _active(part, egress)
    elif part.egress_id and part.state == Part.STARTING:
        _hurry(part, now=now, recorder=recorder)


def _want_again(recording: Recording, live: list[LiveEgress]) -> bool:
    """An egress which ran died while the call goes on: another one records the rest, in a part of
    its own. One which never ran would not run the next time either."""
    made = list(recording.parts.of_egress().exclude(object_key="").order_by("n"))
    if not made or any(part.state in RecordingPart.GOING_ON for part in made):
        return False
    last = _egress_of(made[-1], live)
    if not last or last.status != "failed" or not last.started_at or len(made) >= MOST_PARTS:
        return False
    running = Recording.objects.filter(
        pk=recording.pk, state=State.RUNNING, call__ended_at__isnull=True
    )
    return bool(
        running.update(state=State.WANTED, claimed_at=None, egress_id="", error=made[-1].note)
    )


def _egress_of(part: RecordingPart, live: list[LiveEgress]) -> LiveEgress | None:
    """By its id; by its object if it ended before we had noted its id."""
    if part.egress_id:
        found = [egress for egress in live if egress.egress_id == part.egress_id]
    else:
        found = [e for e in live if part.object_key and e.object_key == part.object_key]
    return found[-1] if found else None


def _active(part: RecordingPart, egress: LiveEgress) -> None:
    RecordingPart.objects.filter(pk=part.pk, state=Part.STARTING).update(
        state=Part.RUNNING, started_at=egress.started_at, egress_id=egress.egress_id
    )
    if part.object_key:
        move_recording(
            recording_id=part.recording_id, to=State.RUNNING, egress_id=egress.egress_id, error=""
        )


def _hurry(part: RecordingPart, *, now: datetime, recorder: Recorder) -> None:
    """It was accepted and does not become active: stop it and try another, while the call is on.

    Our own rows first: the hook of its end comes while it is being stopped.
    """
    if now - part.asked_at < timedelta(seconds=ACTIVE_S):
        return
    parts.fail(part, f"Egress took it and was not active after {ACTIVE_S} s.", now=now)
    if part.object_key:
        Recording.objects.filter(pk=part.recording_id, state=State.STARTING).update(
            state=State.WANTED, claimed_at=None, egress_id="", error=part.note
        )
    _stop_again(part, recorder)


def _stop_again(part: RecordingPart, recorder: Recorder) -> None:
    try:
        recorder.stop_egress(egress_id=part.egress_id)
    except (GatewayUnavailable, GatewayRefused) as reason:
        log.info(
            "An egress could not be stopped yet",
            extra={"recording": part.recording_id, "reason": type(reason).__name__},
        )


def _left_behind(recording: Recording, now: datetime) -> bool:
    ended = recording.call.ended_at
    return ended is not None and now - ended > timedelta(seconds=GONE_S)


def _killed(part: RecordingPart) -> LiveEgress:
    """The call is long over and its egress never said so. Perhaps a file is there."""
    return LiveEgress(
        egress_id=part.egress_id,
        room=part.recording.call.room,
        status="failed",
        object_key=part.object_key,
        error=witness.KILLED,
    )


def _finish(part: RecordingPart, egress: LiveEgress, *, bucket: Bucket, now: datetime) -> None:
    if part.state == Part.FAILED and egress.status != "complete":
        return  # said already; `recover_lost` looks for a file now and then
    try:
        parts.close(part, egress, bucket=stores.bucket_of(part.recording, default=bucket), now=now)
    except StoreRefused as refusal:  # a person must look; the watchdog goes on asking
        Recording.objects.filter(pk=part.recording_id).update(error=str(refusal))
    finally:
        if part.state == Part.UPLOADING:
            outcome.uploading(part.recording_id)


def recover_lost(*, since: datetime, now: datetime, bucket: Bucket) -> int:
    """FAILED recordings whose file has come to the store after all. May be repeated."""
    found = 0
    lost = RecordingPart.objects.lost_since(since).exclude(object_key="")
    for part in lost.select_related("recording__call", "recording__store")[:200]:
        held = stores.bucket_of(part.recording, default=bucket)
        if parts.recover(part, bucket=held):
            outcome.settle(part.recording, now=now)
            found += 1
    return found


def give_up_unstarted(*, now: datetime) -> int:
    """Calls which are over, and no egress ever began. A worker's file is still welcome."""
    before = now - timedelta(seconds=GONE_S)
    RecordingPart.objects.unheard(ended_before=before).update(state=Part.FAILED, ended_at=now)
    late = Recording.objects.egress_unstarted(ended_before=before)
    for recording in late.filter(parts__state=Part.STORED).distinct():  # it paused meanwhile
        outcome.settle(recording, now=now)
    return late.update(
        state=State.FAILED,
        error=Concat(
            Value("Egress was never started. Check that an egress service runs. "), F("error")
        ),
    )


def _going_on(recording: Recording):  # type: ignore[no-untyped-def]  # a queryset
    return recording.parts.of_egress().filter(state__in=RecordingPart.GOING_ON)
