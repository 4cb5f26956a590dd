"""Where the pieces of a recording came from, as the call page lists them."""

from dataclasses import dataclass

from django.urls import reverse

from recordings.models import Recording, RecordingPart
from recordings.page import clock


@dataclass(frozen=True, slots=True, kw_only=True)
class PartShown:
    n: int
    source: str
    state: str
    span: str  # from where to where on the clock of the call, or nothing
    size: int | None
    note: str
    is_played: bool
    url: str  # empty: nothing to be heard, or not by this viewer


def shown(recording: Recording | None, *, may_hear: bool) -> list[PartShown]:
    """None if it is one file which one recorder made without trouble: there is nothing to say."""
    if recording is None:
        return []
    made = list(recording.parts.order_by("n"))
    if len(made) < 2 and not any(part.note for part in made):
        return []
    return [_shown(part, recording, may_hear=may_hear) for part in made]


def _shown(part: RecordingPart, recording: Recording, *, may_hear: bool) -> PartShown:
    is_stored = part.state == RecordingPart.State.STORED
    is_played = is_stored and part.object_key == recording.object_key
    can_hear = may_hear and is_stored and not is_played
    return PartShown(
        n=part.n,
        source=str(RecordingPart.Source(part.source).label),
        state=str(RecordingPart.State(part.state).label).lower(),
        span=_span(part),
        size=part.size,
        note=part.note,
        is_played=is_played,
        url=reverse("recordings:play-part", args=[recording.pk, part.n]) if can_hear else "",
    )


def _span(part: RecordingPart) -> str:
    if part.duration_ms is None:
        return ""
    return f"{clock(part.starts_ms)} to {clock(part.starts_ms + part.duration_ms)} of the call"
