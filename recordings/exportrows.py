"""Calls as they leave the house: a line of CSV, an object of JSON. No store, no progress."""

import csv
import io
import json
from statistics import median
from typing import Any

from recordings.models import CallCost, Recording, Transcript, TurnFigure
from telephony.models import Call

COLUMNS = (
    "id", "direction", "caller", "called", "project", "state", "end", "started", "answered",
    "ended", "seconds", "handover_asked", "turns", "median_ms", "cost", "currency", "recording",
    "recording_ms",
)  # fmt: skip
_RISKY = ("=", "+", "-", "@", "\t", "\r")


def harmless(value: Any) -> Any:
    """What a spreadsheet would take for a formula begins with an apostrophe. Numbers stay."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_RISKY) else value


def csv_line(values: Any) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerow([harmless(value) for value in values])
    return out.getvalue().encode()


def calls_of(ids: list[int]) -> list[Call]:
    """In the order of `ids`; those which are gone are missing."""
    rows = Call.objects.select_related("project", "recording", "cost").in_bulk(ids)
    return [rows[pk] for pk in ids if pk in rows]


def figures_of(calls: list[Call]) -> dict[int, list[TurnFigure]]:
    found: dict[int, list[TurnFigure]] = {}
    for figure in TurnFigure.objects.filter(call__in=calls).order_by("call", "n"):
        found.setdefault(figure.call_id, []).append(figure)
    return found


def transcripts_of(calls: list[Call]) -> dict[int, Transcript]:
    return {one.call_id: one for one in Transcript.objects.filter(call__in=calls)}


def row(call: Call, figures: list[TurnFigure]) -> dict[str, Any]:
    cost: CallCost | None = getattr(call, "cost", None)
    recording: Recording | None = getattr(call, "recording", None)
    totals = [figure.total_ms for figure in figures if figure.total_ms is not None]
    values = (
        call.pk, call.direction, call.caller, call.called,
        call.project.slug if call.project else "", call.state, call.end_reason,
        *(at.isoformat() if at else "" for at in (call.started_at, call.answered_at,
                                                  call.ended_at)),
        cost.seconds if cost else "", int(call.handover_requested), len(figures),
        round(median(totals)) if totals else "", str(cost.amount) if cost else "",
        cost.currency if cost else "", recording.state if recording else "",
        recording.duration_ms if recording and recording.duration_ms is not None else "",
    )  # fmt: skip
    return dict(zip(COLUMNS, values, strict=True))


def json_object(call: Call, figures: list[TurnFigure], transcript: Transcript | None) -> bytes:
    told = row(call, figures) | {
        "language": transcript.language if transcript else "",
        "turns": transcript.segments if transcript else [],
        "text": transcript.text if transcript else "",
    }
    return json.dumps(told, ensure_ascii=False).encode()


def file_name(call: Call, recording: Recording) -> str:
    """Without the caller's number: names of files travel further than files."""
    end = recording.object_key.rpartition(".")[2][:5]
    end = end if end.isalnum() else "ogg"
    project = call.project.slug if call.project else "unknown"
    return f"{project}/{call.started_at:%Y-%m-%d/%H%M%S}-{call.pk}.{end}"
