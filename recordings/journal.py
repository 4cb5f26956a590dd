"""Takes what workers journal: stores each entry once, and moves the call by what it says."""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.dateparse import parse_datetime

from agents.entries import END_REASONS, Entry
from recordings import blind, consents, forgetting, intake, services, spoken, tasks
from recordings.errors import BadEntries
from recordings.models import JournalEntry
from recordings.models_keeping import Kind
from telephony import orders, outbound_ends
from telephony import services as telephony
from telephony.errors import CallErased
from telephony.later import after_commit
from telephony.lifecycle import CallState
from telephony.models import Call

log = logging.getLogger(__name__)

# endings which are nobody's call: it was refused, or something of ours failed
_FAILURES = {"refused", "no_agent", "error"}


@transaction.atomic
def take_entries(*, journal: str, room: str, entries: Sequence[Entry], now: datetime) -> int:
    """Store entries; return up to which number this journal is complete, -1 for not at all.

    May be repeated: what is known already is left alone and has no effect a second time.
    Raises BadEntries for another room's or another journal's entries, CallErased for what was
    deleted and must not come back.
    """
    if not telephony.is_ours(room):
        raise BadEntries(f"Room {room!r} was not made by one of our rules.")
    call = _call(room, entries, now)
    Call.objects.select_for_update().get(pk=call.pk)  # one delivery at a time, else two may block
    _check_owner(journal, call)
    if forgetting.is_forgotten(call, Kind.TRANSCRIPT):
        raise CallErased
    known = set(JournalEntry.objects.filter(journal=journal).values_list("n", flat=True))
    fresh = [entry for entry in sorted(entries, key=lambda e: e.n) if entry.n not in known]
    redacting = intake.Blind(blind.rules_of(call.project))
    rows = {entry.n: _row(call, journal, entry, redacting) for entry in fresh}
    JournalEntry.objects.bulk_create(rows.values(), ignore_conflicts=True)
    blind.count(call_id=call.pk, counts=redacting.counts)
    if any(entry.kind in ("turn", "dtmf") for entry in fresh):
        blind.mask_entries(call_id=call.pk, whole=False)
    for entry in fresh:
        _apply(call, entry, rows[entry.n].at)
    if any(entry.kind == "turn" for entry in fresh):
        spoken.follow(call_id=call.pk)
    _follow_up(call.pk, {entry.kind for entry in fresh}, now)
    return _complete_until(known | set(rows))


def _call(room: str, entries: Sequence[Entry], now: datetime) -> Call:
    opened = next((entry for entry in entries if entry.kind == "opened"), None)
    data = opened.data if opened else {}
    return telephony.ensure_call(
        room=room,
        at=_at(opened) if opened else now,
        sip_call_id=_short(data, "sip_call_id"),
        caller=_short(data, "caller"),
        called=_short(data, "called"),
        trunk_remote_id=_short(data, "trunk"),
        plan_digest=_short(data, "plan"),
    )


def _short(data: dict[str, Any], name: str) -> str:
    return intake.clean(str(data.get(name) or ""))[:64]


def _check_owner(journal: str, call: Call) -> None:
    other = JournalEntry.objects.filter(journal=journal).exclude(call=call).exists()
    if other:
        raise BadEntries(f"Journal {journal} belongs to another call.")


def _row(call: Call, journal: str, entry: Entry, redacting: intake.Blind) -> JournalEntry:
    try:
        data = intake.fit(entry, redacting)
    except (ValueError, RecursionError) as reason:
        raise BadEntries(str(reason)) from reason
    return JournalEntry(
        call=call, journal=journal, n=entry.n, ms=entry.ms, at=_at(entry), kind=entry.kind,
        data=data,
    )  # fmt: skip


def _at(entry: Entry) -> datetime:
    try:
        at = parse_datetime(entry.at)
    except (ValueError, TypeError):
        at = None
    if at is None or at.tzinfo is None or not 2000 <= at.year < 2200:
        raise BadEntries(f"Entry {entry.n}: {entry.at!r} is no time with a zone.")
    return at


def _apply(call: Call, entry: Entry, at: datetime) -> None:
    if entry.kind == "answered":
        telephony.move_call(room=call.room, to=CallState.TALKING, at=at)
    elif entry.kind == "handover":
        telephony.request_handover(room=call.room)
    elif entry.kind == "transfer":
        orders.told(call_id=call.pk, data=entry.data)
        telephony.touch_call(room=call.room, at=at)
    elif entry.kind == "closed":
        _close(call, entry, at)
    else:
        telephony.touch_call(room=call.room, at=at)
    if call.direction == Call.Direction.OUTBOUND:
        outbound_ends.heard(room=call.room, kind=entry.kind, data=entry.data, at=at)


def _close(call: Call, entry: Entry, at: datetime) -> None:
    reason = str(entry.data.get("reason", ""))
    if reason not in END_REASONS:
        reason = "unknown"
    if reason == "error" or (reason == "shutdown" and entry.data.get("answered")):
        # the caller may still be there: another job can take over, hooks say when he is gone
        telephony.settle_reason(room=call.room, reason=reason, at=at)
        return
    if reason == "unknown" and not entry.data.get("answered") and _is_over(call, reason=""):
        reason = "abandoned"  # a hook saw him go before the worker had seen him
    to = CallState.FAILED if reason in _FAILURES else CallState.ENDED
    if not telephony.move_call(room=call.room, to=to, at=at, reason=reason):
        telephony.settle_reason(room=call.room, reason=reason, at=at)


def _is_over(call: Call, *, reason: str) -> bool:
    return Call.objects.filter(pk=call.pk, ended_at__isnull=False, end_reason=reason).exists()


def _follow_up(call_id: int, fresh: set[str], now: datetime) -> None:
    """What is done once new entries are stored. Late ones change a transcript which is there."""
    if "opened" in fresh:  # the worker knows the plan; a hook may not have known it
        after_commit(tasks.want_recording.delay, call_id=call_id)
    if "consent" in fresh:
        services.want_recording(call_id=call_id, now=now)  # a refusal counts at once
        after_commit(tasks.want_recording.delay, call_id=call_id)
        if consents.is_refused(call_id):
            after_commit(tasks.stop_unwanted.delay, call_id=call_id)
    if fresh and Call.objects.filter(pk=call_id, ended_at__isnull=False).exists():
        services.skip_unanswered(call_id=call_id, now=now)
        services.say_unrecorded(call_id=call_id)
        after_commit(tasks.build_transcript.delay, call_id=call_id)


def _complete_until(numbers: set[int]) -> int:
    n = -1
    while n + 1 in numbers:
        n += 1
    return n
