"""Redaction with a project's rules: which they are, how often they struck, and what only several
entries together show. Values are kept nowhere.
"""

from collections.abc import Mapping
from typing import Any

import phonenumbers
from django.db import transaction
from django.db.models import F

from agents.models import Project
from recordings import intake
from recordings.finders import Kind, Rules
from recordings.models import JournalEntry, RedactionCount, RedactionRules
from recordings.redaction import CARDS_ONLY
from recordings.spanning import Line, spanning
from telephony.models import Call, Number

PRESSED = "•"  # as for a key of a secret
_NEAR = 40  # entries looked at together while a call is on
_REGIONS = {
    "en": "US", "da": "DK", "sv": "SE", "cs": "CZ", "el": "GR", "uk": "UA", "ja": "JP", "ko": "KR",
    "zh": "CN", "ar": "SA", "he": "IL", "hi": "IN", "fa": "IR",
}  # fmt: skip


def rules_of(project: Project | None) -> Rules:
    """Without rules of its own a project has cards and security codes taken out."""
    if project is None:
        return CARDS_ONLY
    own = RedactionRules.objects.filter(project=project).first()
    return rules_from(own) if own else CARDS_ONLY


def rules_from(own: RedactionRules) -> Rules:
    chosen = {
        Kind.PHONE: own.phones,
        Kind.EMAIL: own.emails,
        Kind.IBAN: own.ibans,
        Kind.BIRTH: own.births,
        Kind.NAME: own.names,
        Kind.ID: bool(own.id_patterns.strip()),
    }
    ours = Number.objects.filter(trunk__rules__project=own.project_id).values_list("e164")
    return Rules(
        kinds=frozenset(kind for kind, is_on in chosen.items() if is_on),
        region=own.region or region_of(own.project.language),
        own_numbers=frozenset(_lines(own.allowed)) | {e164 for (e164,) in ours},
        own_emails=frozenset(line for line in _lines(own.allowed) if "@" in line),
        names=tuple(_lines(own.name_list)),
        id_patterns=tuple(_lines(own.id_patterns)),
    )


def region_of(language: str) -> str:
    """“de-AT” → AT, “de” → DE, “en” → US."""
    tag, _, country = language.partition("-")
    if len(country) == 2:
        return country.upper()
    region = _REGIONS.get(tag, tag.upper())
    return region if region in phonenumbers.SUPPORTED_REGIONS else "US"


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def count(*, call_id: int, counts: Mapping[str, int]) -> None:
    """Add to what was taken out of a call. The caller holds the call's row."""
    for kind, more in counts.items():
        row, _ = RedactionCount.objects.get_or_create(call_id=call_id, kind=kind)
        RedactionCount.objects.filter(pk=row.pk).update(count=F("count") + more)


@transaction.atomic
def mask_entries(*, call_id: int, whole: bool = True) -> int:
    """Mask in stored entries what only several of them show; return how many changed.

    May be repeated: what is masked is not found again. `whole=False` looks at the last entries,
    while a call is on.
    """
    call = Call.objects.select_for_update().get(pk=call_id)
    entries = _in_order(call, whole=whole)
    found = spanning([_line(entry, at) for at, entry in entries], rules_of(call.project))
    changed = []
    for index, hits in found.hits.items():
        entry = entries[index][1]
        if entry.kind == "turn":
            entry.data = intake.masked_turn(entry.data, hits)
        else:
            entry.data = {**entry.data, "digit": PRESSED}
        changed.append(entry)
    JournalEntry.objects.bulk_update(changed, ["data"], batch_size=200)
    count(call_id=call_id, counts=found.counts)
    return len(changed)


def _in_order(call: Call, *, whole: bool) -> list[tuple[int, JournalEntry]]:
    """Turns and keys with their time on the call's clock, as the transcript has them."""
    entries = JournalEntry.objects.filter(call=call, kind__in=["turn", "dtmf"])
    shifts = JournalEntry.objects.shifts(call.pk)
    told = list(entries.order_by("journal", "n")) if whole else _last(call)
    timed = [(_start(entry) + shifts.get(entry.journal, 0), entry) for entry in told]
    return sorted(timed, key=lambda pair: pair[0])


def _last(call: Call) -> list[JournalEntry]:
    entries = JournalEntry.objects.filter(call=call, kind__in=["turn", "dtmf"])
    return list(entries.order_by("-at", "-n")[:_NEAR])[::-1]


def _start(entry: JournalEntry) -> int:
    start: int = entry.data.get("start_ms", entry.ms) if entry.kind == "turn" else entry.ms
    return start


def _line(entry: JournalEntry, at_ms: int) -> Line:
    data: dict[str, Any] = entry.data
    if entry.kind == "dtmf":
        return Line(who="caller", text=str(data.get("digit", "")), key=True, at_ms=at_ms)
    return Line(who=str(data.get("who", "")), text=str(data.get("text", "")), at_ms=at_ms)
