"""Keeps the turns one can search: written while a call is on, and again with its transcript."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from math import isfinite
from typing import Any

from django.db import DatabaseError, transaction

from recordings import words
from recordings.models import SpokenTurn, Transcript
from recordings.turn_providers import by_moment
from telephony.models import Call

log = logging.getLogger(__name__)

_ALIKE = (
    "n", "who", "text", "start_ms", "end_ms", "via", "interrupted", "confidence", "provider",
    "started_at", "project_id",
)  # fmt: skip


@transaction.atomic
def write(*, call_id: int, segments: Sequence[Mapping[str, Any]]) -> int:
    """Make a call's turns those of its segments; return how many rows were written.

    May be repeated. Rows before the first difference stay, so a call which goes on costs one row
    a turn. A segment may name its own `provider`; the journal knows it for the others.
    """
    call = Call.objects.select_for_update().get(pk=call_id)  # one at a time
    providers = by_moment(call)
    rows = [
        _row(call, n, segment, providers)
        for n, segment in enumerate(segments)
        if segment.get("via") != "dtmf" and str(segment.get("text") or "").strip()
    ]
    there = list(SpokenTurn.objects.filter(call=call).order_by("n").values_list(*_ALIKE))
    same = _same(there, [tuple(getattr(row, name) for name in _ALIKE) for row in rows])
    if same < len(there):
        SpokenTurn.objects.filter(call=call, n__gte=there[same][0]).delete()
    SpokenTurn.objects.bulk_create(rows[same:])
    return len(rows) - same


def follow(*, call_id: int) -> None:
    """New turns of a journal, as soon as they are stored.

    A failure here costs no journal entry: the transcript brings its turns again. One which is
    there already is built anew by whoever called, perhaps from better words than the journal's.
    """
    from recordings.transcripts import segments_of  # it writes turns as well

    if Transcript.objects.filter(call=call_id).exists():
        return
    try:
        with transaction.atomic():
            write(call_id=call_id, segments=segments_of(Call.objects.get(pk=call_id)))
    except DatabaseError:
        log.exception("The turns of a call wait for its transcript", extra={"call_id": call_id})


def forget(*, call_ids: Sequence[int]) -> int:
    """For whoever deletes what was said and keeps the call; returns how many turns there were.

    With the call itself its turns go anyway. `spoken_index.tidy()` makes the index forget for good.
    """
    gone, _ = SpokenTurn.objects.filter(call__in=call_ids).delete()
    return gone


def catch_up(*, limit: int, now: datetime) -> int:
    """Transcripts nobody can search yet, the newest first; returns how many were looked at.

    Each is noted with its turns in one transaction, so this may end anywhere and be repeated.
    """
    waiting = Transcript.objects.filter(spoken_at=None).order_by("-pk")
    found = list(waiting.values_list("pk", flat=True)[:limit])
    for pk in found:
        _catch_up(pk, now)
    return len(found)


def _catch_up(transcript_id: int, now: datetime) -> None:
    try:
        with transaction.atomic():
            transcript = Transcript.objects.get(pk=transcript_id)
            write(call_id=transcript.call_id, segments=transcript.segments)
    except (Transcript.DoesNotExist, Call.DoesNotExist):
        return  # deleted meanwhile
    except Exception:  # whatever it holds, the next one must have its turn
        log.exception("A transcript cannot be searched", extra={"transcript_id": transcript_id})
    Transcript.objects.filter(pk=transcript_id, spoken_at=None).update(spoken_at=now)


def _row(
    call: Call, n: int, segment: Mapping[str, Any], providers: Mapping[tuple[str, int], str]
) -> SpokenTurn:
    who, start_ms = str(segment.get("who", ""))[:8], _ms(segment.get("start_ms"))
    text = str(segment["text"])
    return SpokenTurn(
        call=call,
        n=n,
        who=who,
        text=text,
        words=" ".join(words.forms(text)),
        start_ms=start_ms,
        end_ms=_ms(segment.get("end_ms")),
        via=str(segment.get("via") or "")[:16],
        interrupted=bool(segment.get("interrupted")),
        confidence=_share(segment.get("confidence")),
        provider=str(segment.get("provider") or providers.get((who, start_ms), ""))[:32],
        started_at=call.started_at,
        project_id=call.project_id,
    )


def _same(there: Sequence[tuple[Any, ...]], rows: Sequence[tuple[Any, ...]]) -> int:
    """How many are alike from the beginning on."""
    pairs = zip(there, rows, strict=False)
    return next(
        (at for at, (old, new) in enumerate(pairs) if old != new), min(len(there), len(rows))
    )


def _ms(value: object) -> int:
    return round(value) if isinstance(value, int | float) and isfinite(value) else 0


def _share(value: object) -> float | None:
    """Recognisers tell 0 to 1; what is neither is unknown."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
    return float(value) if known else None  # type: ignore[arg-type]
