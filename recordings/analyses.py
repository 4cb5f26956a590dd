"""Questions about a finished call which only a worker can ask: it has the keys and the SDKs.

As with “Try it”, a worker comes for the wish, takes it once, and tells. What nobody takes or
nobody tells of is given back, asked again a few times, and given up in words.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from agents.chains import member_of
from agents.draft import stage_of
from agents.house import stays_inside
from agents.models import ProviderAccount
from agents.plan import Stage
from agents.providers import PROVIDERS, Role
from recordings import after_prompt
from recordings.after_heard import heard, plan_of_models, settings_of, wants_of
from recordings.after_outcome import NotYet
from recordings.after_prompt import NoAnswer, Question
from recordings.after_rules import said_by
from recordings.after_values import clean
from recordings.after_wants import Wants
from recordings.intake import clean as storable
from recordings.intake import share
from recordings.lifecycle import OPEN_STATES, RecordingState
from recordings.models import Recording, Transcript
from recordings.models_after import AfterStep, Analysis
from recordings.redaction import redact
from recordings.storage import Bucket
from recordings.tally import tally
from telephony.models import Call

Kind, State = Analysis.Kind, Analysis.State

MOST_TRIES = 3
WAITS = (timedelta(seconds=30), timedelta(minutes=5))  # before the second and the third try
TAKEN_WITHIN = timedelta(minutes=10)
ASKED_WITHIN = timedelta(minutes=3)  # a worker gives up after two
RETOLD_WITHIN = timedelta(minutes=10)  # … and the length of the recording on top
MOST_TURNS = 20_000
MOST_TURN = 4000  # characters
LONGEST_MS = 2**31 - 1
NOBODY = "No worker took it within 10 minutes: is one running?"
UNHEARD = "A worker took it and was not heard of again."
OUTDATED = "What is asked has changed meanwhile."


class NoSuchAnalysis(Exception):
    """Never asked for, or deleted with its call."""


class AnalysisOver(Exception):
    """Its answer is known, or nobody was given it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a worker brings. `text` of a model; `turns` of a recogniser."""

    ok: bool
    text: str = ""
    turns: tuple[Mapping[str, Any], ...] = ()
    error: str = ""
    provider: str = ""
    model: str = ""
    account: str = ""
    usage: Mapping[str, Any] = field(default_factory=dict)


# --- whether to ask, and what ---------------------------------------------------------------------


def why_not_ask(call: Call, wants: Wants) -> str:
    """Empty if the project's models are to be asked."""
    if not wants.by_model:
        return "This project's calls are understood by rules."
    if not models_of(call):
        return "The project's live plan has no language model which may be asked: rules do it."
    said = heard(call, redacted=True)
    return "" if next(said_by(said, "caller"), None) else "The caller said nothing."


def models_of(call: Call) -> tuple[Stage, ...]:
    """Of the live plan: those which answer freely. A local one sends nothing out of the house."""
    plan = plan_of_models(call)
    stages = [stage for stage in plan.llm if stage.provider != "faq"] if plan else []
    is_local = plan is not None and plan.mode == "local"
    return tuple(stage for stage in stages if not is_local or stays_inside(stage))


def question_of(call: Call, wants: Wants) -> Question:
    return after_prompt.question(heard(call, redacted=True), wants)


def why_not_retell(call: Call) -> str:
    """Empty if another speech to text is to hear the recording. Raises NotYet."""
    account = _recogniser(call)
    if account is None:
        return "The project does not want it."
    if problem := unfit(account):
        return problem
    plan = plan_of_models(call)
    if plan and plan.mode == "local" and not stays_inside(_hearing_stage(account, "en")):
        return "The project is local, and this speech to text is not in the house."
    recording = Recording.objects.filter(call=call).first()
    if recording and RecordingState(recording.state) in OPEN_STATES:
        raise NotYet("The recording is not in the store yet.")
    is_there = recording is not None and recording.state == RecordingState.STORED
    return "" if is_there else "There is no recording."


def unfit(account: ProviderAccount) -> str:
    """Why an account cannot transcribe again; empty if it can."""
    known = PROVIDERS.get(account.provider)
    if known is None or known.role is not Role.STT or known.embedded:
        return f"“{account.name}” cannot transcribe a recording: choose another speech to text."
    return "" if account.enabled else f"“{account.name}” is gone from the environment."


def _recogniser(call: Call) -> ProviderAccount | None:
    settings = settings_of(call)
    return settings.retranscribe_with if settings else None


def _hearing_stage(account: ProviderAccount, language: str) -> Stage:
    return stage_of(member_of(account, language=language))


def digest_of_sound(call: Call) -> str:
    """The same recording and the same speech to text are asked once."""
    recording, account = Recording.objects.get(call=call), _recogniser(call)
    asked = [recording.object_key, recording.sha256, recording.size]
    told = [account.provider, account.model, account.base_url, account.name] if account else []
    return hashlib.sha256(repr(asked + told).encode()).hexdigest()


def ask(call: Call, kind: Analysis.Kind, digest: str, now: datetime) -> Analysis:
    """The row of this question; it waits for a worker unless it was answered or given up."""
    found, _ = Analysis.objects.get_or_create(
        call=call, kind=kind, digest=digest,
        defaults={"not_before": now, "give_up_at": now + TAKEN_WITHIN},
    )  # fmt: skip
    if found.state == State.FAILED and found.tries < MOST_TRIES:
        start = now + (WAITS[found.tries - 1] if found.tries else timedelta())
        again = {"state": State.PENDING, "not_before": start, "give_up_at": start + TAKEN_WITHIN}
        if Analysis.objects.filter(pk=found.pk, state=State.FAILED).update(**again):
            found.refresh_from_db()
    return found


# --- handed out -----------------------------------------------------------------------------------


def hand_out(*, now: datetime, bucket: Bucket) -> list[dict[str, Any]]:
    """What a worker shall do now. One at most: calls come first, and others may help."""
    waiting = Analysis.objects.filter(state=State.PENDING, not_before__lte=now)
    for row in waiting.select_related("call__project__published").order_by("not_before", "pk")[:20]:
        mine = Analysis.objects.filter(pk=row.pk, state=State.PENDING)
        if not mine.update(
            state=State.RUNNING, taken_at=now, told_by=now + _limit(row), tries=F("tries") + 1
        ):
            continue
        wish = _question_wish(row) if row.kind == Kind.ASK else _sound_wish(row, bucket)
        if wish is not None:
            return [wish | {"id": row.pk, "kind": row.kind}]
        _give_up(row, OUTDATED, for_good=True, now=now)
    return []


def _limit(row: Analysis) -> timedelta:
    if row.kind == Kind.ASK:
        return ASKED_WITHIN
    lengths = Recording.objects.filter(call=row.call_id).values_list("duration_ms", flat=True)
    return RETOLD_WITHIN + timedelta(milliseconds=lengths.first() or 0)


def _question_wish(row: Analysis) -> dict[str, Any] | None:
    """With keys as they are sealed now: for workers only. None: this is not asked any more."""
    wants = wants_of(row.call)
    if why_not_ask(row.call, wants):
        return None
    question = question_of(row.call, wants)
    if question.digest != row.digest:
        return None
    return {
        "stages": [asdict(stage) for stage in models_of(row.call)],
        "system": question.system, "user": question.user, "schema": question.schema,
    }  # fmt: skip


def _sound_wish(row: Analysis, bucket: Bucket) -> dict[str, Any] | None:
    account, call = _recogniser(row.call), row.call
    try:
        if account is None or why_not_retell(call) or digest_of_sound(call) != row.digest:
            return None
    except NotYet:
        return None
    recording = Recording.objects.get(call=call)
    language = _language(call)
    return {
        "stages": [asdict(_hearing_stage(account, language))], "language": language,
        "url": bucket.play_link(recording.object_key, content_type=recording.content_type),
        "size": recording.size,
    }  # fmt: skip


def _language(call: Call) -> str:
    told = Transcript.objects.filter(call=call).values_list("language", flat=True).first()
    return told or "en"


def give_back(*, analysis_id: int, now: datetime) -> bool:
    """A worker which stops does not keep what it took."""
    running = Analysis.objects.filter(pk=analysis_id, state=State.RUNNING)
    return running.update(state=State.PENDING, not_before=now, tries=F("tries") - 1) > 0


# --- told -----------------------------------------------------------------------------------------


@transaction.atomic
def take_outcome(*, analysis_id: int, told: Told, now: datetime) -> int:
    """Note it once, with what it cost; return the call. Raises NoSuchAnalysis, AnalysisOver."""
    row = Analysis.objects.select_for_update().filter(pk=analysis_id).first()
    if row is None:
        raise NoSuchAnalysis
    if row.state in {State.DONE, State.FAILED} or not row.tries:
        raise AnalysisOver
    answer, error = _read(row, told)
    row.usage = [*row.usage, *_usage(row, told)]
    row.state = State.FAILED if error else State.DONE
    row.answer, row.error, row.done_at = answer, error, now
    row.model = clean(" ".join(filter(None, (told.provider, told.model))), 200)
    row.save()
    _answered(row, now)
    if row.usage:
        tally(call_id=row.call_id, now=now)
    return row.call_id


def _read(row: Analysis, told: Told) -> tuple[Any, str]:
    if not told.ok:
        return None, redact(clean(told.error, 500)) or "It failed, and said nothing."
    if row.kind == Kind.RETELL:
        return _segments(row, told.turns, clean(told.provider, 32)), ""
    try:
        return after_prompt.read(storable(told.text)), ""
    except NoAnswer as reason:
        return None, str(reason)


def _segments(
    row: Analysis, turns: Iterable[Mapping[str, Any]], provider: str
) -> list[dict[str, Any]]:
    """On the journal's clock, as the transcript of the call itself."""
    starts = Recording.objects.filter(call=row.call_id).values_list("starts_ms", flat=True)
    own = Transcript.objects.filter(call=row.call_id).values_list("segments", flat=True).first()
    shift, found = starts.first() or 0, []
    for turn in list(turns)[:MOST_TURNS]:
        start, end = _ms(turn.get("start_ms")), _ms(turn.get("end_ms"))
        text = redact(clean(turn.get("text", ""), MOST_TURN))
        if text:
            who = _speaker(turn.get("who"), start + shift, end + shift, own or [])
            found.append({
                "who": who, "text": text,
                "start_ms": start + shift, "end_ms": max(start, end) + shift, "via": "speech",
                "interrupted": False, "latency": {}, "confidence": share(turn.get("confidence")),
                "provider": provider,
            })  # fmt: skip
    return sorted(found, key=lambda segment: segment["start_ms"])


def _speaker(told: object, start: int, end: int, own: Iterable[Mapping[str, Any]]) -> str:
    """Where both are in one channel, whoever the call's own transcript has there the longest."""
    if told in ("caller", "agent"):
        return str(told)
    shares = {"caller": 0, "agent": 0}
    for turn in own:
        if turn.get("who") in shares:
            both = min(end, _ms(turn.get("end_ms"))) - max(start, _ms(turn.get("start_ms")))
            shares[turn["who"]] += max(0, both)
    return max(shares, key=lambda who: shares[who])


def _ms(value: object) -> int:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return min(max(value, 0), LONGEST_MS) if is_number and isinstance(value, int) else 0


_UNITS = ("input_tokens", "cached_tokens", "output_tokens", "audio_ms")


def _usage(row: Analysis, told: Told) -> list[dict[str, Any]]:
    """In the journal's words, so that it is priced as a call's own."""
    role = Role.LLM if row.kind == Kind.ASK else Role.STT
    known = PROVIDERS.get(told.provider)
    counts = {name: _ms(told.usage.get(name)) for name in _UNITS}
    if known is None or known.role is not role or not any(counts.values()):
        return []
    names = {"model": clean(told.model, 120), "account": clean(told.account, 80)}
    used = {name: count for name, count in counts.items() if count}
    return [{"role": str(role), "provider": told.provider} | names | used]


def _answered(row: Analysis, now: datetime) -> None:
    """The step which asked goes on, whatever came of it."""
    name = "ask" if row.kind == Kind.ASK else "retranscribe"
    asked = AfterStep.objects.filter(call=row.call_id, name=name, state=AfterStep.State.ASKED)
    asked.update(state=AfterStep.State.WANTED, attempts=0, next_try_at=now)


# --- given up -------------------------------------------------------------------------------------


def expire(*, now: datetime) -> int:
    """Give back what a worker never told of; give up what nobody took. How many those were."""
    running = Analysis.objects.filter(state=State.RUNNING, told_by__lt=now)
    given_back = running.filter(tries__lt=MOST_TRIES).update(
        state=State.PENDING, not_before=now, give_up_at=now + TAKEN_WITHIN
    )
    for row in running.filter(tries__gte=MOST_TRIES):
        _give_up(row, UNHEARD, for_good=True, now=now)
    waiting = Analysis.objects.filter(state=State.PENDING, give_up_at__lt=now)
    for row in waiting:
        _give_up(row, NOBODY, for_good=False, now=now)
    return given_back


@transaction.atomic
def _give_up(row: Analysis, why: str, *, for_good: bool, now: datetime) -> None:
    """Only if it has not moved on meanwhile."""
    unmoved = Analysis.objects.filter(
        Q(pk=row.pk), ~Q(state__in=[State.DONE, State.FAILED]), tries__gte=row.tries
    )
    tries: Any = MOST_TRIES if for_good else F("tries") + 1
    if unmoved.update(state=State.FAILED, error=why, done_at=now, tries=tries):
        _answered(row, now)
