"""Builds a transcript from journal entries. Repeatable: it is replaced as a whole."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from agents.services import published_plan
from recordings import blind, spoken
from recordings.intake import share
from recordings.models import Forgotten, JournalEntry, Transcript
from recordings.tally import tally
from recordings.turn_providers import Providers, main_one, providers_of
from telephony import events
from telephony.models import Call

ANYWAY_S = 60  # so long after a call its journal may be lost
# nobody took these calls, so nobody wrote about them
_UNHEARD = {"refused", "no_agent", "unknown_number"}


def build_transcript(*, call_id: int, now: datetime) -> Transcript | None:
    """The transcript of a call, or None: it is on, or its journal is still on the way."""
    call = Call.objects.filter(pk=call_id).first()
    if call is None or not _is_due(call, now):
        return None
    if Forgotten.objects.filter(call=call, transcript_at__isnull=False).exists():
        # its journal is gone; an empty one says that nothing is to be built
        return Transcript.objects.get_or_create(call=call, defaults={"built_at": now})[0]
    blind.mask_entries(call_id=call_id)
    segments = segments_of(call)
    transcript = _store(call, segments, now)
    tally(call_id=call_id, now=now)
    return transcript


@transaction.atomic
def _store(call: Call, segments: list[dict[str, Any]], now: datetime) -> Transcript:
    """Others are told only when it says something new: building it repeats."""
    spoken.write(call_id=call.pk, segments=segments)
    plan = published_plan(digest=call.plan_digest)
    before = Transcript.objects.filter(call=call).values_list("segments", flat=True).first()
    transcript, _ = Transcript.objects.update_or_create(
        call=call,
        defaults={
            "language": plan.language if plan else "",
            "text": "\n".join(segment["text"] for segment in segments),
            "segments": segments,
            "built_at": now,
            "spoken_at": now,
        },
    )
    if before != segments:
        events.emit("transcript_ready", payload={"call": call.pk})
    return transcript


def _is_due(call: Call, now: datetime) -> bool:
    if call.ended_at is None:
        return False
    if now - call.ended_at > timedelta(seconds=ANYWAY_S):
        return True
    entries = JournalEntry.objects.filter(call=call)
    unheard = call.end_reason in _UNHEARD and not entries.exists()
    return unheard or JournalEntry.objects.is_complete(call.pk)


def segments_of(call: Call) -> list[dict[str, Any]]:
    """Turns and digits in the order they began, over all journals of the call."""
    entries = JournalEntry.objects.filter(call=call, kind__in=["turn", "dtmf"]).order_by(
        "journal", "n"
    )
    shifts = JournalEntry.objects.shifts(call.pk)
    providers = providers_of(call)
    segments = [
        _segment(entry, shifts.get(entry.journal, 0), providers.get(entry.pk, {}))
        for entry in entries
    ]
    return sorted(segments, key=lambda segment: segment["start_ms"])


def _segment(entry: JournalEntry, shift_ms: int, providers: Providers) -> dict[str, Any]:
    """Transcripts of older releases have no confidence and no providers."""
    data = entry.data
    if entry.kind == "dtmf":
        digit, pressed = str(data.get("digit", "")), entry.ms + shift_ms
        return {
            "who": "caller", "text": f"[{digit}]", "start_ms": pressed, "end_ms": pressed,
            "via": "dtmf", "interrupted": False, "latency": {}, "digit": digit,
        }  # fmt: skip
    names = ("who", "text", "via", "interrupted", "latency", "confidence")
    times = {name: data.get(name, entry.ms) + shift_ms for name in ("start_ms", "end_ms")}
    more = {
        "confidence": share(data.get("confidence")), "provider": main_one(providers),
        "providers": providers,
    }  # fmt: skip
    return {name: data.get(name) for name in names} | times | more
