"""Adds a finished call to its hour, and keeps what was asked in it. Repeatable."""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from agents.services import published_plan
from recordings import questions
from recordings.models import AskedQuestion, CountedCall, HourFigure, Transcript
from telephony.models import Call

COLUMNS = (
    "calls", "answered", "abandoned", "contained", "transferred", "handover", "repeated", "seconds",
)  # fmt: skip
AGAIN = timedelta(days=7)


@transaction.atomic
def roll_up(*, call_id: int) -> None:
    """In place of what this call added before. Call it where a call is counted."""
    call = Call.objects.select_for_update().get(pk=call_id)
    now = _added(call)
    row, _ = CountedCall.objects.select_for_update().get_or_create(call=call)
    if row.added != now:
        if row.added:
            _add(row.added, -1)
        _add(now, 1)
        row.added = now
        row.save()
    _keep_questions(call)


def _added(call: Call) -> dict[str, Any]:
    is_answered = call.answered_at is not None
    transferred = call.end_reason in {"transferred", "overflow"}
    ours = call.end_reason in {"error", "providers", "shutdown"}
    counts = {
        "calls": 1,
        "answered": int(is_answered),
        "abandoned": int(not is_answered and call.end_reason in {"abandoned", "refused"}),
        "contained": int(
            is_answered and not transferred and not ours and not call.handover_requested
        ),
        "transferred": int(transferred),
        "handover": int(call.handover_requested),
        "repeated": int(_is_repeated(call)),
        "seconds": _seconds(call),
    }
    hour = call.started_at.replace(minute=0, second=0, microsecond=0)
    return counts | {"project": call.project_id, "hour": hour.isoformat()}


def _seconds(call: Call) -> int:
    if call.answered_at is None or call.ended_at is None:
        return 0
    return max(0, round((call.ended_at - call.answered_at).total_seconds()))


def _is_repeated(call: Call) -> bool:
    """The same number called the same project in the seven days before."""
    if not call.caller:
        return False
    before = Call.objects.filter(
        caller=call.caller, started_at__lt=call.started_at, project=call.project_id,
        started_at__gte=call.started_at - AGAIN, direction=call.direction,
    )  # fmt: skip
    return before.exclude(pk=call.pk).exists()


def _add(added: dict[str, Any], sign: int) -> None:
    place = {"project_id": added["project"], "hour": added["hour"]}
    if sign > 0:
        HourFigure.objects.bulk_create([HourFigure(**place)], ignore_conflicts=True)
    changes: dict[str, Any] = {name: F(name) + sign * added[name] for name in COLUMNS}
    HourFigure.objects.filter(**place).update(**changes)


def _keep_questions(call: Call) -> None:
    transcript = Transcript.objects.filter(call=call).first()
    plan = published_plan(digest=call.plan_digest)
    AskedQuestion.objects.filter(call=call).delete()
    if transcript is None:
        return
    answers = (
        frozenset(questions.plain(entry.answer) for entry in plan.faq) if plan else frozenset()
    )
    found = questions.asked(
        transcript.segments, ask_back=plan.ask_back if plan else "", answers=answers
    )
    AskedQuestion.objects.bulk_create(
        AskedQuestion(
            call=call, project=call.project, how=one.how, text=one.text,
            at=call.started_at + timedelta(milliseconds=one.at_ms),
            cluster=questions.cluster(one.text),
        )
        for one in found
    )  # fmt: skip
