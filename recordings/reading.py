"""Gathers what the call page shows: the call's facts, its recording's state in words, its lines."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, PermissionsMixin
from django.urls import reverse

from agents.models import PublishedPlan
from recordings import forgetting, latency, legs, money, page, part_list
from recordings.lifecycle import OPEN_STATES as RECORDING_OPEN
from recordings.lifecycle import RecordingState
from recordings.models import CallCost, JournalEntry, Recording, Transcript, TurnFigure
from recordings.part_list import PartShown
from recordings.switches import ROLES, priceless
from recordings.transcripts import segments_of
from telephony.lifecycle import CallState
from telephony.models import Call

# after that nobody waits for a transcript any more: the journal is lost or was never written
PATIENCE = timedelta(minutes=10)

STATE_WORDS = {
    CallState.RINGING: "Ringing",
    CallState.TALKING: "Talking",
    CallState.ENDED: "Ended",
    CallState.FAILED: "Failed",
}
RECORDING_WORDS = {
    RecordingState.WANTED: "This call will be recorded; nothing has arrived yet.",
    RecordingState.STARTING: "The recorder is being started.",
    RecordingState.RUNNING: "The call is being recorded.",
    RecordingState.PAUSED: "The recording pauses: nothing is recorded at the moment.",
    RecordingState.UPLOADING: "The recording is on its way to the store.",
    RecordingState.STORED: "The recording is in the store.",
    RecordingState.SKIPPED: "There is no recording: the call was never answered.",
    RecordingState.FAILED: "The recording failed.",
}
NOT_READ = "You may see that there was a call, but not what was said in it."
Viewer = AbstractBaseUser | AnonymousUser


@dataclass(frozen=True, slots=True)
class Link:
    """`url` is empty if the viewer may not go there, or there is nothing to see."""

    text: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class CostShown:
    amount: Decimal
    words: str  # by role
    missing: str  # what has no price, so that the amount is too small


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPage:
    call: Call
    state: str
    reason: str
    project: Link
    plan: Link
    duration: str
    recording_words: str
    recording_failed: bool
    play_url: str
    parts: list[PartShown]
    lines: list[page.Line]
    summary: page.Summary
    legend: dict[str, str]
    budget_ms: int
    is_open: bool
    is_live: bool  # something is still to come: the page asks again
    cost: "CostShown | None"  # None: it is counted once the call is over
    unanswered: str  # instead of the time it was answered
    empty_words: str
    legs: list[legs.Shown]


def call_page(*, call: Call, viewer: Viewer, now: datetime, play_url: str = "") -> CallPage:
    """`play_url`: of a link which lets the viewer hear this call all the same."""
    recording: Recording | None = getattr(call, "recording", None)
    transcript: Transcript | None = getattr(call, "transcript", None)
    is_open = call.ended_at is None
    is_shared = bool(play_url)  # a link says that this one may be read and heard
    play_url = _play_url(recording, viewer, play_url)
    may_read = is_shared or may(viewer, "recordings.view_transcript")
    lines = _lines(call, recording, transcript, audible=bool(play_url)) if may_read else []
    deleted = forgetting.words(call)
    is_live = is_open or _is_pending(call, recording, transcript, now)
    return CallPage(
        call=call,
        state=STATE_WORDS[CallState(call.state)],
        reason=call.get_end_reason_display() if call.end_reason else "",
        project=_project(call, viewer),
        plan=_plan(call, viewer),
        duration=duration(call, now=now),
        recording_words=_sound_words(recording, deleted, is_open=is_open),
        recording_failed=recording is not None and recording.state == RecordingState.FAILED,
        play_url=play_url,
        parts=part_list.shown(recording, may_hear=may(viewer, "recordings.view_recording")),
        lines=lines,
        summary=page.summary(lines, good_ms=target_ms()),
        legend=latency.LEGEND,
        budget_ms=target_ms(),
        is_open=is_open,
        is_live=is_live,
        cost=_cost(call),
        unanswered="not yet" if is_open else "never",
        empty_words=(deleted or _empty_words(is_open=is_open, is_live=is_live))
        if may_read
        else NOT_READ,
        legs=legs.of(call),
    )


def duration(call: Call, *, now: datetime | None = None) -> str:
    """From the first ring to the end, or until now. Empty if neither is known."""
    end = call.ended_at or now
    if end is None:
        return ""
    return page.clock(round((end - call.started_at).total_seconds() * 1000))


def _sound_words(recording: Recording | None, deleted: str, *, is_open: bool) -> str:
    if recording is None and deleted:
        return deleted
    return f"{recording_words(recording, is_open=is_open)} {deleted}".strip()


def recording_words(recording: Recording | None, *, is_open: bool) -> str:
    if recording is None:
        return "Nothing was recorded so far." if is_open else "This call was not recorded."
    state = RecordingState(recording.state)
    if state is RecordingState.SKIPPED and recording.error:
        return f"There is no recording: {recording.error}"
    if recording.error and state is not RecordingState.STORED:
        return f"{RECORDING_WORDS[state]} {recording.error}"
    return RECORDING_WORDS[state]


def may(viewer: Viewer, permission: str) -> bool:
    """Only staff reads calls here, as in the rest of the admin."""
    return (
        isinstance(viewer, PermissionsMixin)
        and bool(getattr(viewer, "is_staff", False))
        and viewer.has_perm(permission)
    )


def _play_url(recording: Recording | None, viewer: Viewer, given: str) -> str:
    if recording is None or recording.state != RecordingState.STORED:
        return ""
    if given:
        return given
    if not may(viewer, "recordings.view_recording"):
        return ""
    return reverse("recordings:play", args=[recording.pk])


def _lines(
    call: Call, recording: Recording | None, transcript: Transcript | None, *, audible: bool
) -> list[page.Line]:
    """The transcript's turns; until it is built, the turns as the journal brings them."""
    segments: list[dict[str, Any]] = transcript.segments if transcript else segments_of(call)
    events = JournalEntry.objects.filter(call=call, kind__in=page.EVENTS).order_by("journal", "n")
    shifts = JournalEntry.objects.shifts(call.pk)
    told = [(e.ms + shifts.get(e.journal, 0), e.kind, e.data) for e in events]
    starts_ms = recording.starts_ms if recording else None
    costs = dict(TurnFigure.objects.filter(call=call).values_list("n", "cost"))
    return page.timeline(
        segments, told, starts_ms=starts_ms, audible=audible, costs=costs, good_ms=target_ms()
    )


def target_ms() -> int:
    """An answer which takes longer is a slow one (TARGET_LATENCY_MS)."""
    target: int = settings.AGENT_DEFAULTS.target_latency_ms
    return target


def _cost(call: Call) -> CostShown | None:
    cost: CallCost | None = getattr(call, "cost", None)
    if cost is None:
        return None
    parts = [
        f"{words.lower()} {money.usd(Decimal(cost.by_role[role]))}"
        for role, words in ROLES.items()
        if role in cost.by_role
    ]
    return CostShown(cost.amount, ", ".join(parts), priceless(cost.missing))


def _is_pending(
    call: Call, recording: Recording | None, transcript: Transcript | None, now: datetime
) -> bool:
    """The call is over, but its recording or transcript is not complete."""
    if recording is not None and recording.state in RECORDING_OPEN:
        return True
    fresh = call.ended_at is not None and now - call.ended_at < PATIENCE
    return transcript is None and fresh


def _empty_words(*, is_open: bool, is_live: bool) -> str:
    if is_open:
        return "Nothing has been said yet."
    return "The transcript is being put together." if is_live else "Nothing was said."


def _project(call: Call, viewer: Viewer) -> Link:
    if call.project is None:
        return Link("No project")
    if not may(viewer, "agents.view_project"):
        return Link(call.project.name)
    return Link(call.project.name, reverse("admin:agents_project_change", args=[call.project.pk]))


def _plan(call: Call, viewer: Viewer) -> Link:
    if not call.plan_digest:
        return Link("None")
    short = call.plan_digest[:12]
    plan = PublishedPlan.objects.filter(digest=call.plan_digest).only("pk", "version").first()
    if plan is None:
        return Link(f"{short}, no longer here")
    if not may(viewer, "agents.view_publishedplan"):
        return Link(f"Version {plan.version} ({short})")
    url = reverse("admin:agents_publishedplan_change", args=[plan.pk])
    return Link(f"Version {plan.version} ({short})", url)
