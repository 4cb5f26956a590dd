"""Whether a call may be recorded, by what its caller answered. The journal's `consent` tells.

Where callers have to be told or asked, nothing of ours records before the worker says how it went:
no row, and so no egress. A refusal makes a row which says so, and is final.
"""

from typing import Any

from agents.consent import GOOD
from agents.plan import CallPlan
from recordings import stores
from recordings.lifecycle import RecordingState
from recordings.models import JournalEntry, Recording
from recordings.storage import Bucket
from telephony.models import Call

State = RecordingState
WHY = {
    "refused": "The caller refused.",
    "unanswered": "The caller did not answer the question whether he may be recorded.",
}
_UNBEGUN = (State.WANTED, State.STARTING)


def outcome_of(call_id: int) -> str:
    """The last word; empty if there is none. A second worker in the call asks again, and whoever
    refused once is not recorded any more."""
    told = JournalEntry.objects.filter(call=call_id, kind="consent").order_by("at", "pk")
    outcomes = [str(data.get("outcome", "")) for data in told.values_list("data", flat=True)]
    bad = [outcome for outcome in outcomes if outcome in WHY]
    return bad[0] if bad else (outcomes[-1] if outcomes else "")


def is_refused(call_id: int) -> bool:
    return outcome_of(call_id) in WHY


def holds_back(call: Call, plan: CallPlan) -> bool:
    """Whether nothing may be recorded yet, or at all."""
    outcome = outcome_of(call.pk)
    return outcome in WHY or (plan.consent.mode != "none" and outcome not in GOOD)


def say_refused(*, call: Call, row: dict[str, Any]) -> Recording | None:
    """The row of a call whose caller refused: there is no recording, and why. None if he did not.
    `row`: how it is made if there is none."""
    why = WHY.get(outcome_of(call.pk))
    if why is None:
        return None
    defaults = row | {"state": State.SKIPPED, "error": why}
    recording, made = Recording.objects.get_or_create(call=call, defaults=defaults)
    if not made:
        Recording.objects.filter(pk=recording.pk, state__in=_UNBEGUN).update(
            state=State.SKIPPED, error=why
        )
        recording.refresh_from_db()
    return recording


def throw_away(*, call_id: int, bucket: Bucket) -> bool:
    """What was recorded although the caller refused: a hook may have begun an egress by the rule's
    plan before the worker told that the number's own project asks. Object first, row after."""
    stored = Recording.objects.select_related("store").filter(call=call_id, state=State.STORED)
    recording = stored.first()
    why = WHY.get(outcome_of(call_id))
    if recording is None or why is None:
        return False
    stores.bucket_of(recording, default=bucket).delete(recording.object_key)
    facts = {"size": None, "sha256": "", "duration_ms": None, "stored_at": None}
    done = Recording.objects.filter(pk=recording.pk, state=State.STORED).update(
        state=State.SKIPPED, error=why, **facts
    )
    return done == 1
