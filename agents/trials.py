"""“Try it”: a supervisor wishes, a worker takes the wish once, tries and tells."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from agents.chains import member_of
from agents.draft import account_problems, stage_of
from agents.models import ProviderAccount
from agents.models_trials import MOST_SOUND, MOST_WORDS, ProviderTrial
from agents.plan import Stage
from agents.providers import PROVIDERS, Role

KEPT = 5  # trials of each account
TAKEN_WITHIN = timedelta(seconds=15)
TOLD_WITHIN = timedelta(seconds=30)  # a worker gives up after 15, and then has to tell
NOBODY = "No worker took it within 15 s: is one running?"
UNHEARD = "A worker took it and was not heard of again within 30 s."
NO_SOUND = "It said that it spoke, but there was no sound."
TOO_BIG = "The sound has more than 2 MB. Try a shorter text."
OF_A_PROJECT = frozenset({"sphinx", "faq"})  # know what a published project taught them, only

State = ProviderTrial.State


class CannotTry(Exception):
    """Nobody needs to be asked to know that it cannot work. The text is for a supervisor."""


class NoSuchTrial(Exception):
    """Never asked for, or deleted."""


class TrialOver(Exception):
    """Its outcome is known, or nobody was given it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    text: str  # said to a recogniser, asked of a model, spoken by a voice
    voice: str = ""
    model: str = ""
    language: str = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    ok: bool
    ms: int = 0
    text: str = ""
    error: str = ""
    sound: bytes = b""


def hindrance(account: ProviderAccount) -> str:
    """Why this account cannot be tried; empty if it can."""
    provider = PROVIDERS.get(account.provider)
    if provider is None:
        return f"This version does not know the provider “{account.provider}”."
    if provider.slug in OF_A_PROJECT:
        return (
            f"{provider.label} knows only what a project taught it: publish a project which uses "
            f"it, and call."
        )
    return next(account_problems(account, provider), "")


def ask_for_trial(*, account: ProviderAccount, wish: Wish, by: str, now: datetime) -> ProviderTrial:
    """Raises CannotTry."""
    if problem := hindrance(account):
        raise CannotTry(problem)
    expire(now=now)
    role = PROVIDERS[account.provider].role
    options = _stage(account, wish).options
    return ProviderTrial.objects.create(
        account=account, role=role, text=wish.text, language=wish.language,
        model=str(options.get("model", "")), voice=str(options.get("voice", "")),
        asked_at=now, asked_by=by,
    )  # fmt: skip


def hand_out(*, now: datetime) -> list[dict[str, Any]]:
    """What a worker shall try now. One at most: it tries one after another, and others may help."""
    waiting = ProviderTrial.objects.filter(state=State.PENDING)
    if not waiting.exists():
        return []
    expire(now=now)
    for trial in waiting.select_related("account").order_by("pk"):
        if waiting.filter(pk=trial.pk).update(state=State.RUNNING, taken_at=now):
            return [_for_worker(trial)]
    return []


def _for_worker(trial: ProviderTrial) -> dict[str, Any]:
    """With the key as it is sealed now: for workers only, never for a browser."""
    wish = Wish(text=trial.text, voice=trial.voice, model=trial.model, language=trial.language)
    return {
        "id": trial.pk, "role": trial.role, "stage": asdict(_stage(trial.account, wish)),
        "language": trial.language, "text": trial.text,
    }  # fmt: skip


def _stage(account: ProviderAccount, wish: Wish) -> Stage:
    member = member_of(account, model=wish.model, voice=wish.voice, language=wish.language)
    return stage_of(member)


@transaction.atomic
def take_outcome(*, trial_id: int, outcome: Outcome, now: datetime) -> Outcome:
    """Returns it as it is noted. Raises NoSuchTrial, TrialOver."""
    trial = ProviderTrial.objects.defer("sound").filter(pk=trial_id).first()
    if trial is None:
        raise NoSuchTrial
    told = _sensible(trial, outcome)
    taken = ProviderTrial.objects.filter(pk=trial_id, taken_at__isnull=False)
    if not taken.exclude(state=State.DONE).update(
        state=State.DONE, done_at=now, ok=told.ok, ms=told.ms, answer=told.text[:MOST_WORDS],
        error=told.error[:MOST_WORDS], sound=told.sound,
    ):  # fmt: skip
        raise TrialOver
    _forget_old(trial.account_id)
    return told


def _sensible(trial: ProviderTrial, outcome: Outcome) -> Outcome:
    """A sound is a voice's, and no voice works without one."""
    if trial.role != Role.TTS or not outcome.ok:
        return Outcome(ok=outcome.ok, ms=outcome.ms, text=outcome.text, error=outcome.error)
    if len(outcome.sound) > MOST_SOUND:
        return Outcome(ok=False, ms=outcome.ms, error=TOO_BIG)
    return outcome if outcome.sound else Outcome(ok=False, ms=outcome.ms, error=NO_SOUND)


def _forget_old(account_id: int) -> None:
    kept = list(ProviderTrial.objects.of_account(account_id).values_list("pk", flat=True)[:KEPT])
    old = ProviderTrial.objects.filter(account=account_id).exclude(pk__in=kept)
    old.exclude(state__in=(State.PENDING, State.RUNNING)).delete()


def latest(*, account_id: int, now: datetime) -> list[ProviderTrial]:
    """The last ones of an account, the newest first."""
    expire(now=now)
    return list(ProviderTrial.objects.of_account(account_id)[:KEPT])


def expire(*, now: datetime) -> None:
    """Give up what nobody took, and what a worker took and never told of."""
    trials = list(ProviderTrial.objects.unfinished().defer("sound"))
    running = [trial for trial in trials if trial.state == State.RUNNING]
    for trial in running:
        if trial.taken_at and trial.taken_at < now - TOLD_WITHIN:
            _lose(trial, UNHEARD, now)
    if len(trials) == len(running) or _is_worker_busy(running, now):
        return
    for trial in trials:
        if trial.state == State.PENDING and trial.asked_at < now - TAKEN_WITHIN:
            _lose(trial, NOBODY, now)


def _is_worker_busy(running: list[ProviderTrial], now: datetime) -> bool:
    """Then the next one waits in line, which is no reason to look for a worker."""
    if any(one.taken_at and one.taken_at >= now - TOLD_WITHIN for one in running):
        return True
    done = ProviderTrial.objects.filter(state=State.DONE, done_at__gte=now - TAKEN_WITHIN)
    return done.exists()


def _lose(trial: ProviderTrial, why: str, now: datetime) -> None:
    """Only if it has not moved on meanwhile."""
    unmoved = ProviderTrial.objects.filter(pk=trial.pk, state=trial.state)
    unmoved.update(state=State.LOST, done_at=now, error=why)
