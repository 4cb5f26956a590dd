"""What is done with a call once it is over: steps in order, each repeatable, none lost.

A step is claimed by a conditional UPDATE, done, and its result written in the transaction in which
it becomes done: who dies in the middle leaves a claim and nothing else. The sweep gives the claim
back, and the step is done again. Who comes back after that finds that the claim is not his, and
what he did is rolled back.
"""

import logging
import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Min, Q

from recordings.after_outcome import NotYet
from recordings.after_steps import DO
from recordings.after_wants import STEPS
from recordings.models_after import AfterStep, Analysis
from telephony.models import Call

log = logging.getLogger(__name__)

State = AfterStep.State
CLAIM_S = 180  # a task is stopped after 120; who holds a claim longer has died
WAITS_S = (10, 60, 600)  # after each failed attempt; then the steps behind it go on without it
KEPT = timedelta(days=30)  # of finished steps
AT_ONCE = 200
_OVER = (State.DONE, State.SKIPPED, State.FAILED)


class ClaimLost(Exception):
    """Somebody else took the step over, or it is to begin again."""


def begin(*, call_id: int, now: datetime) -> None:
    """All steps of a call, from the first; again if they were done before.

    Whoever is at one of them loses his claim.
    """
    AfterStep.objects.bulk_create(
        [
            AfterStep(call_id=call_id, name=name, position=n, next_try_at=now)
            for n, name in enumerate(STEPS)
        ],
        ignore_conflicts=True,
    )
    AfterStep.objects.filter(call=call_id).update(
        state=State.WANTED, attempts=0, error="", claim="", claimed_at=None, next_try_at=now
    )
    Analysis.objects.filter(call=call_id, state=Analysis.State.FAILED).update(tries=0)


def run(*, call_id: int, now: datetime) -> int:
    """Do what can be done of a call now; how many steps that was."""
    done = 0
    while advance(call_id=call_id, now=now):
        done += 1
    return done


def advance(*, call_id: int, now: datetime) -> bool:
    """Do the next step of a call, if it is free and due. False: nothing more to be done now."""
    step = next_step(call_id)
    if step is None or step.state != State.WANTED or step.next_try_at > now:
        return False
    step.claim = uuid.uuid4().hex
    free = AfterStep.objects.due(now).filter(pk=step.pk)
    if not free.update(
        state=State.RUNNING, claim=step.claim, claimed_at=now, attempts=F("attempts") + 1
    ):
        return False
    step.attempts += 1
    return _do(step, now)


def next_step(call_id: int) -> AfterStep | None:
    """The first one which is not over, whoever may be at it."""
    rows = AfterStep.objects.filter(call=call_id).exclude(state__in=_OVER)
    return rows.order_by("position").first()


def _do(step: AfterStep, now: datetime) -> bool:
    call = Call.objects.select_related("project__published").get(pk=step.call_id)
    try:
        with transaction.atomic():
            outcome = DO[step.name](call, now)
            _move(step, state=outcome.state, error=outcome.words, claim="")
    except ClaimLost:
        return False
    except Exception as trouble:
        if not isinstance(trouble, NotYet):
            log.exception("A step after a call failed", extra={"step": step.name})
        return _try_later(step, trouble, now)
    return outcome.state in _OVER


def _move(step: AfterStep, **changes: object) -> None:
    mine = AfterStep.objects.filter(pk=step.pk, state=State.RUNNING, claim=step.claim)
    if not mine.update(**changes):
        raise ClaimLost


def _try_later(step: AfterStep, trouble: Exception, now: datetime) -> bool:
    """True if it was the last time, and the next step may begin."""
    words = str(trouble) if isinstance(trouble, NotYet) else _in_words(step, trouble)
    gone = step.attempts > len(WAITS_S)
    wait = timedelta(seconds=WAITS_S[min(step.attempts, len(WAITS_S)) - 1])
    try:
        _move(
            step, state=State.FAILED if gone else State.WANTED, error=words, claim="",
            next_try_at=now + wait,
        )  # fmt: skip
    except ClaimLost:
        return False
    return gone


def _in_words(step: AfterStep, trouble: Exception) -> str:
    """No text of the call: messages of errors may quote it."""
    return (
        f"“{STEPS[step.name]}” failed ({type(trouble).__name__}). The log of the Celery worker "
        f"says where. Mend it, then repeat the steps on the call's page."
    )


# --- swept ----------------------------------------------------------------------------------------


def release_lost(*, now: datetime) -> int:
    """What somebody began and never brought to an end. Who kills its worker again and again is
    given up: a call must not stop those behind it."""
    lost = AfterStep.objects.lost(now - timedelta(seconds=CLAIM_S))
    poison = Q(attempts__gt=len(WAITS_S))
    given_up = lost.filter(poison).update(
        state=State.FAILED, claim="",
        error="Whoever did it died each time. The log of the Celery worker may say why.",
    )  # fmt: skip
    return given_up + lost.update(state=State.WANTED, claim="", next_try_at=now)


def due(*, now: datetime) -> list[int]:
    """Calls with a step to be done now, oldest first; at most AT_ONCE."""
    calls = AfterStep.objects.due(now).values("call").annotate(since=Min("next_try_at"))
    return [row["call"] for row in calls.order_by("since", "call")[:AT_ONCE]]


def forget_old(*, now: datetime, most: int = 5000) -> int:
    """Steps which were over long ago; what they found stays."""
    old = AfterStep.objects.filter(next_try_at__lt=now - KEPT, state__in=_OVER)
    ids = list(old.values_list("pk", flat=True)[:most])
    return AfterStep.objects.filter(pk__in=ids).delete()[0]
