"""A call and its project's settings as the rules and the prompt take them."""

from typing import Any

import phonenumbers
from django.utils import timezone

from agents.entries import END_REASONS
from agents.plan import CallPlan
from agents.services import published_plan
from recordings.after_wants import Criterion, Disposition, Field, Heard, Wants, lines
from recordings.models import JournalEntry, Transcript
from recordings.models_after import AfterCall, TranscriptVersion
from telephony.models import Call

Segments = list[dict[str, Any]]
_MET = frozenset({"accepted", "connected", "ended", "left"})  # a transfer which came to somebody


def settings_of(call: Call) -> AfterCall | None:
    return (
        AfterCall.objects.select_related("retranscribe_with")
        .filter(project=call.project_id)
        .first()
        if call.project_id
        else None
    )


def wants_of(call: Call) -> Wants:
    """Without settings: by rules, and nothing which a project has to name."""
    found = settings_of(call)
    if found is None:
        return Wants()
    return Wants(
        steps=frozenset(found.steps),
        by_model=found.engine == AfterCall.Engine.CHAIN,
        dispositions=tuple(
            Disposition(
                name=row.name, description=row.description, words=lines(row.words),
                end_reason=row.end_reason,
            )
            for row in found.dispositions.all()
        ),
        fields=tuple(
            Field(
                name=row.name, type=row.type, description=row.description,
                choices=lines(row.choices), pattern=row.pattern, words=lines(row.words),
            )
            for row in found.fields.all()
        ),
        criteria=tuple(
            Criterion(text=row.text, weight=row.weight, rule=row.rule, words=lines(row.words))
            for row in found.criteria.all()
        ),
        version=found.version,
    )  # fmt: skip


def heard(call: Call, *, redacted: bool = False) -> Heard:
    """The best transcript there is: of the better speech to text, else the call's own."""
    transcript = Transcript.objects.filter(call=call).first()
    plan = published_plan(digest=call.plan_digest)
    return Heard(
        turns=tuple(segments_for(call, redacted=redacted)),
        language=(transcript.language if transcript else "") or (plan.language if plan else ""),
        end_reason=call.end_reason,
        end_words=END_REASONS.get(call.end_reason, ""),
        handover=call.handover_requested,
        connected=_was_connected(call),
        ask_back=plan.ask_back if plan else "",
        region=_region(call),
        day=timezone.localdate(call.started_at),
    )


def segments_for(call: Call, *, redacted: bool) -> Segments:
    versions = dict(TranscriptVersion.objects.filter(call=call).values_list("kind", "segments"))
    kinds = [TranscriptVersion.Kind.RETOLD.value]
    if redacted:
        kinds.insert(0, TranscriptVersion.Kind.REDACTED.value)
    for kind in kinds:
        if kind in versions:
            return list(versions[kind])
    own: Segments | None = (
        Transcript.objects.filter(call=call).values_list("segments", flat=True).first()
    )
    return list(own or [])


def plan_of_models(call: Call) -> CallPlan | None:
    """What the project's calls run on now: its keys are the ones workers can open."""
    live = call.project.published if call.project else None
    return published_plan(digest=live.digest) if live else None


def _was_connected(call: Call) -> bool:
    transfers = JournalEntry.objects.filter(call=call, kind="transfer").values_list(
        "data", flat=True
    )
    return call.end_reason == "transferred" or any(
        told.get("outcome") in _MET for told in transfers
    )


def _region(call: Call) -> str:
    """Where the number lies which was called: there people leave out the country."""
    try:
        number = phonenumbers.parse(call.called, None)
    except phonenumbers.NumberParseException:
        return ""
    return phonenumbers.region_code_for_number(number) or ""
