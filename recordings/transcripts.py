"""Builds a transcript from journal entries. Repeatable: it is replaced as a whole."""

from datetime import datetime
from typing import Any

from agents.models import PublishedPlan
from agents.plan import CallPlan, PlanError
from recordings.models import JournalEntry, Transcript
from telephony.models import Call


def build_transcript(*, call_id: int, now: datetime) -> Transcript | None:
    """The transcript of a call which is over, or None while it is on."""
    call = Call.objects.filter(pk=call_id).first()
    if call is None or call.ended_at is None:
        return None
    segments = segments_of(call)
    transcript, _ = Transcript.objects.update_or_create(
        call=call,
        defaults={
            "language": _language(call),
            "text": "\n".join(segment["text"] for segment in segments),
            "segments": segments,
            "built_at": now,
        },
    )
    return transcript


def segments_of(call: Call) -> list[dict[str, Any]]:
    """Turns and digits in the order they began, over all journals of the call."""
    entries = JournalEntry.objects.filter(call=call, kind__in=["turn", "dtmf"]).order_by(
        "journal", "n"
    )
    segments = [_segment(entry) for entry in entries]
    return sorted(segments, key=lambda segment: segment["start_ms"])


def _segment(entry: JournalEntry) -> dict[str, Any]:
    data = entry.data
    if entry.kind == "dtmf":
        digit = str(data.get("digit", ""))
        return {
            "who": "caller", "text": f"[{digit}]", "start_ms": entry.ms, "end_ms": entry.ms,
            "via": "dtmf", "interrupted": False, "latency": {}, "digit": digit,
        }  # fmt: skip
    return {
        "who": "agent" if data.get("who") == "agent" else "caller",
        "text": str(data.get("text", "")),
        "start_ms": int(data.get("start_ms", entry.ms)),
        "end_ms": int(data.get("end_ms", entry.ms)),
        "via": str(data.get("via", "")),
        "interrupted": bool(data.get("interrupted")),
        "latency": data.get("latency") or {},
    }


def _language(call: Call) -> str:
    body = (
        PublishedPlan.objects.filter(digest=call.plan_digest).values_list("body", flat=True).first()
    )
    try:
        return CallPlan.from_json(body).language if body else ""
    except PlanError:
        return ""
