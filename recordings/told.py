"""The kinds of events recordings tell other systems of."""

from typing import Any

from recordings.models import CallInsight, Recording, Transcript
from telephony import outgoing
from telephony.models import Call
from telephony.outgoing import Kind


def register() -> None:
    outgoing.register(
        Kind("call.recording_stored", "A recording is in the store", more=_recording),
        on="recording_stored",
    )
    outgoing.register(
        Kind("call.transcript_ready", "A transcript can be read", more=_transcript),
        on="transcript_ready",
    )
    outgoing.register(
        Kind("call.insight_ready", "What a call was about is known", more=_insight),
        on="after_call_ready",
    )


def _recording(call: Call) -> dict[str, Any]:
    """No link: one which plays is good for five minutes, the API makes it when it is asked."""
    recording = Recording.objects.get(call=call)
    return {
        "recording": {
            "id": recording.pk,
            "size": recording.size,
            "duration_ms": recording.duration_ms,
            "content_type": recording.content_type,
            "sha256": recording.sha256,
        }
    }


def _transcript(call: Call) -> dict[str, Any]:
    """Its words are read over the API, by whoever has the scope for it."""
    transcript = Transcript.objects.get(call=call)
    return {"transcript": {"language": transcript.language, "segments": len(transcript.segments)}}


def _insight(call: Call) -> dict[str, Any]:
    """What it is filed under; words of the call are read over the API."""
    found = CallInsight.objects.get(call=call)
    names = ("disposition", "sentiment", "sentiment_label", "quality", "resolved", "by")
    return {
        "insight": {name: getattr(found, name) for name in names}
        | {"followups": len(found.followups), "fields": call.field_values.count()}
    }
