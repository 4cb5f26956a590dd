"""Prints one call: state, recording, transcript. `--wait` waits until nothing will change."""

import json
import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse

from recordings import services, wiring
from recordings.lifecycle import OPEN_STATES, RecordingState
from recordings.models import Recording, Transcript
from telephony.models import Call


class Command(BaseCommand):
    help = __doc__

    def add_arguments(self, parser: CommandParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--room", help="the call's room")
        which.add_argument("--last", action="store_true", help="the newest call (the default)")
        parser.add_argument("--wait", type=float, default=0, help="seconds to wait at most")
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: object, **options: Any) -> None:
        end = time.monotonic() + options["wait"]
        while (call := _find(options["room"])) is None or not _is_final(call):
            if time.monotonic() >= end:
                break
            time.sleep(0.1)
        if call is None:
            raise CommandError("There is no such call.")
        shown = _shown(call)
        self.stdout.write(json.dumps(shown, indent=2) if options["json"] else _prose(shown))


def _find(room: str | None) -> Call | None:
    calls = Call.objects.order_by("-started_at", "-pk")
    return (calls.filter(room=room) if room else calls).first()


def _is_final(call: Call) -> bool:
    recording = Recording.objects.filter(call=call).first()
    if recording is None:  # the task which makes the row may be late
        waiting = call.answered_at is not None and services.is_to_be_recorded(call)
    else:
        waiting = recording.state in OPEN_STATES
    return Transcript.objects.filter(call=call).exists() and not waiting


def _shown(call: Call) -> dict[str, Any]:
    recording = Recording.objects.filter(call=call).first()
    transcript = Transcript.objects.filter(call=call).first()
    return {
        "room": call.room,
        "state": call.state,
        "end_reason": call.end_reason,
        "caller": call.caller,
        "called": call.called,
        "recording": _recording(recording) if recording else None,
        "transcript": transcript.segments if transcript else [],
        "page": settings.PUBLIC_URL + reverse("admin:telephony_call_change", args=[call.pk]),
    }


def _recording(recording: Recording) -> dict[str, Any]:
    stored = recording.state == RecordingState.STORED
    url = services.playable_url(recording=recording, bucket=wiring.bucket()) if stored else ""
    return {
        "state": recording.state,
        "object_key": recording.object_key,
        "duration_ms": recording.duration_ms,
        "starts_ms": recording.starts_ms,
        "sha256": recording.sha256,
        "size": recording.size,
        "error": recording.error,
        "url": url,
    }


def _prose(shown: dict[str, Any]) -> str:
    lines = [f"{shown['room']}  {shown['state']}  {shown['end_reason']}"]
    lines += [
        f"  {s['start_ms'] / 1000:6.1f}  {s['who']:<7}{s['text']}" for s in shown["transcript"]
    ]
    return "\n".join([*lines, shown["page"]])
