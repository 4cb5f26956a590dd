"""The steps themselves. Each may be repeated: it writes what it finds in place of what was there.

They run inside the transaction in which their row becomes done, so they wait for nobody: whom they
need is asked by an Analysis, and the step is done again when the answer is there.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from recordings import after_prompt, after_rules, analyses, transcripts
from recordings.after_heard import heard, segments_for, wants_of
from recordings.after_outcome import ASKED, DONE, NotYet, Outcome, Step, failed, skipped
from recordings.after_wants import RULES, Found, Wants, label, score
from recordings.models import Transcript
from recordings.models_after import Analysis, CallInsight, FieldValue, TranscriptVersion
from recordings.redaction import redact
from telephony import events
from telephony.models import Call

UNWANTED = "The project does not want it."


# --- text -----------------------------------------------------------------------------------------


def transcript(call: Call, now: datetime) -> Outcome:
    known = Transcript.objects.filter(call=call).exists()
    if not known and transcripts.build_transcript(call_id=call.pk, now=now) is None:
        raise NotYet("The call is on, or its journal is still on the way.")
    return DONE


def retranscribe(call: Call, now: datetime) -> Outcome:
    if why := analyses.why_not_retell(call):
        TranscriptVersion.objects.filter(call=call, kind=TranscriptVersion.Kind.RETOLD).delete()
        return skipped(why)
    found = analyses.ask(call, Analysis.Kind.RETELL, analyses.digest_of_sound(call), now)
    if found.state == Analysis.State.FAILED:
        return failed(found.error)
    if found.state != Analysis.State.DONE:
        return ASKED
    _keep(call, TranscriptVersion.Kind.RETOLD, found.answer or [], found.model, now)
    return DONE


def redact_text(call: Call, now: datetime) -> Outcome:
    """A version without what is nobody's business; none if there was nothing to take out."""
    before = segments_for(call, redacted=False)
    after = [segment | {"text": redact(str(segment.get("text", "")))} for segment in before]
    if after == before:
        TranscriptVersion.objects.filter(call=call, kind=TranscriptVersion.Kind.REDACTED).delete()
        return Outcome(words="There was nothing to take out.")
    _keep(call, TranscriptVersion.Kind.REDACTED, after, "", now)
    return DONE


def _keep(
    call: Call, kind: TranscriptVersion.Kind, segments: list[Any], provider: str, now: datetime
) -> None:
    TranscriptVersion.objects.update_or_create(
        call=call, kind=kind,
        defaults={"segments": segments, "provider": provider, "built_at": now},
    )  # fmt: skip


# --- the models -----------------------------------------------------------------------------------


def ask(call: Call, now: datetime) -> Outcome:
    """One question for all of it, so that a call is paid for once."""
    wants = wants_of(call)
    if why := analyses.why_not_ask(call, wants):
        return skipped(why)
    digest = analyses.question_of(call, wants).digest
    found = analyses.ask(call, Analysis.Kind.ASK, digest, now)
    if found.state == Analysis.State.FAILED:
        return failed(f"{found.error} What follows is found by rules.")
    return DONE if found.state == Analysis.State.DONE else ASKED


def _answer(call: Call, wants: Wants) -> tuple[dict[str, Any] | None, str]:
    """The models' answer to exactly this question, and whose it is."""
    if analyses.why_not_ask(call, wants):
        return None, ""
    found = Analysis.objects.filter(
        call=call, kind=Analysis.Kind.ASK, state=Analysis.State.DONE,
        digest=analyses.question_of(call, wants).digest,
    ).first()  # fmt: skip
    return (found.answer, found.model) if found and isinstance(found.answer, dict) else (None, "")


# --- values ---------------------------------------------------------------------------------------

_EMPTY: dict[str, dict[str, Any]] = {
    "summary": {"summary": ""},
    "disposition": {"disposition": ""},
    "sentiment": {"sentiment": None, "sentiment_label": "unknown"},
    "quality": {"quality": None, "criteria": []},
    "resolved": {"resolved": "unknown"},
    "followups": {"followups": []},
}


def _found(
    name: str,
    by_model: Callable[[dict[str, Any], Wants], Any],
    by_rules: Callable[[Any, Wants], Any],
    as_columns: Callable[[Any], dict[str, Any]],
) -> Step:
    """A step which finds one value: the models' if it passes, else the rules'."""

    def step(call: Call, now: datetime) -> Outcome:
        wants = wants_of(call)
        if name not in wants.steps:
            _note(call, wants, name, "", _EMPTY[name])
            return skipped(UNWANTED)
        answer, by = _answer(call, wants)
        value = by_model(answer, wants) if answer is not None else None
        if value is None:
            value, by = by_rules(heard(call, redacted=True), wants), RULES
        _note(call, wants, name, by, as_columns(value))
        return DONE

    return step


def _note(call: Call, wants: Wants, name: str, by: str, columns: dict[str, Any]) -> None:
    insight, _ = CallInsight.objects.get_or_create(
        call=call, defaults={"project": call.project, "at": call.started_at}
    )
    who = {key: value for key, value in insight.by.items() if key != name}
    CallInsight.objects.filter(pk=insight.pk).update(
        by=who | ({name: by} if by else {}), settings_version=wants.version,
        project=call.project, **columns,
    )  # fmt: skip


def _sentiment(value: float | None) -> dict[str, Any]:
    return {"sentiment": value, "sentiment_label": label(value)}


summary = _found(
    "summary",
    lambda answer, wants: after_prompt.summary(answer),
    lambda call, wants: after_rules.summary(call),
    lambda value: {"summary": value},
)
disposition = _found(
    "disposition",
    after_prompt.disposition,
    lambda call, wants: after_rules.disposition(call, wants.dispositions),
    lambda value: {"disposition": value},
)
sentiment = _found(
    "sentiment",
    lambda answer, wants: after_prompt.sentiment(answer),
    lambda call, wants: after_rules.sentiment(call),
    _sentiment,
)
quality = _found(
    "quality",
    after_prompt.judged,
    lambda call, wants: after_rules.judge(call, wants.criteria),
    lambda value: {"quality": score(value), "criteria": [asdict(one) for one in value]},
)
resolved = _found(
    "resolved",
    lambda answer, wants: after_prompt.resolved(answer),
    lambda call, wants: after_rules.resolved(call),
    lambda value: {"resolved": value},
)
followups = _found(
    "followups",
    lambda answer, wants: after_prompt.followups(answer),
    lambda call, wants: after_rules.followups(call),
    lambda value: {"followups": value},
)


def fields(call: Call, now: datetime) -> Outcome:
    wants = wants_of(call)
    FieldValue.objects.filter(call=call).delete()
    if "fields" not in wants.steps or not wants.fields:
        return skipped(UNWANTED if wants.fields else "The project has no fields.")
    answer, by = _answer(call, wants)
    said = heard(call)
    rows = []
    for field in wants.fields:
        value = after_prompt.value_of(answer, field, said) if answer is not None else None
        who = by if value else RULES
        value = value or after_rules.value_of(said, field)
        if value:
            rows.append(_row(call, value, who))
    FieldValue.objects.bulk_create(rows)
    return DONE


def _row(call: Call, value: Found, by: str) -> FieldValue:
    return FieldValue(
        call=call, project=call.project, name=value.name, type=value.type,
        value_text=value.text, value_number=value.number, value_date=value.day,
        value_bool=value.flag, confidence=value.confidence, turn=value.turn, by=by,
    )  # fmt: skip


# --- the end --------------------------------------------------------------------------------------


def tell(call: Call, now: datetime) -> Outcome:
    """Others are told once of the same: repeating the steps alone is no news."""
    insight, _ = CallInsight.objects.get_or_create(
        call=call, defaults={"project": call.project, "at": call.started_at}
    )
    digest = _digest(insight)
    if insight.told == digest:
        return Outcome(words="Nothing has changed since others were told.")
    CallInsight.objects.filter(pk=insight.pk).update(told=digest, ready_at=now)
    events.emit("after_call_ready", payload={"call": call.pk})
    return DONE


def _digest(insight: CallInsight) -> str:
    names = (
        "summary", "disposition", "sentiment", "quality", "criteria", "resolved", "followups", "by",
    )  # fmt: skip
    values = FieldValue.objects.filter(call=insight.call_id).order_by("name")
    told = [getattr(insight, name) for name in names]
    told += [
        [row.name, row.value_text, row.value_number, row.value_date, row.value_bool]
        for row in values
    ]
    return hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()


DO: dict[str, Step] = {
    "transcript": transcript,
    "retranscribe": retranscribe,
    "redact": redact_text,
    "ask": ask,
    "summary": summary,
    "disposition": disposition,
    "fields": fields,
    "sentiment": sentiment,
    "quality": quality,
    "resolved": resolved,
    "followups": followups,
    "tell": tell,
}
