"""Publishing: from an editable project to an immutable plan. Speaks to no other system."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Max

from agents import seal
from agents.models import FaqEntry, Project, ProviderAccount, PublishedPlan
from agents.plan import CallPlan, Faq, PlanError, Stage
from agents.presets import VAD_PRESETS
from agents.providers import PROVIDERS, Role

_listeners: list[Callable[[], object]] = []


class DraftIncomplete(Exception):
    """A draft which callers must not hear. `problems` are for the supervisor, one sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("The project cannot be published. " + " ".join(problems))
        self.problems = problems


def after_publish(listener: Callable[[], object]) -> None:
    """Call `listener` whenever a plan has gone live; for apps which agents must not know."""
    if listener not in _listeners:
        _listeners.append(listener)


def published_plan(*, digest: str) -> CallPlan | None:
    """What a call ran on; None if nobody knows the digest, or this release cannot read it."""
    body = PublishedPlan.objects.filter(digest=digest).values_list("body", flat=True).first()
    try:
        return CallPlan.from_json(body) if body else None
    except PlanError:
        return None


@transaction.atomic
def publish(*, project_id: int, by: str, now: datetime) -> PublishedPlan:
    """Freeze the draft and make it live. Raises DraftIncomplete.

    The plan's name is its content: publishing an unchanged draft again, or an older one, finds
    the plan which is there.
    """
    project = Project.objects.select_for_update().get(pk=project_id)
    if problems := check_draft(project=project):
        raise DraftIncomplete(problems)
    plan = draft(project=project)
    published = PublishedPlan.objects.filter(digest=plan.digest()).first()
    if published is None:
        last = project.plans.aggregate(last=Max("version"))["last"] or 0
        published = PublishedPlan.objects.create(
            project=project,
            digest=plan.digest(),
            version=last + 1,
            body=plan.to_json(),
            created_at=now,
            created_by=by,
        )
    Project.objects.filter(pk=project_id).update(published=published)
    for listener in _listeners:
        transaction.on_commit(listener, robust=True)
    return published


def has_unpublished_changes(*, project: Project) -> bool:
    live = project.published
    return live is None or live.digest != draft(project=project).digest()


def draft(*, project: Project) -> CallPlan:
    """The plan as it would be published now."""
    return CallPlan(
        project=project.slug,
        name=project.name,
        language=project.language,
        greeting=project.greeting,
        instructions=project.instructions,
        ask_back=project.ask_back,
        apology=project.apology,
        handover=project.handover,
        goodbye=project.goodbye,
        silence_prompt=project.silence_prompt,
        silence_s=project.silence_s,
        max_call_s=project.max_call_s,
        stt=(_stage(project.stt_account),),
        llm=(_stage(project.llm_account),),
        tts=(_stage(project.tts_account, voice=project.voice),),
        vad=VAD_PRESETS[project.vad_preset],
        faq=tuple(_faq(entry) for entry in _entries(project)),
        record=project.record,
        recorder=project.recorder,
    )


def _entries(project: Project) -> list[FaqEntry]:
    return list(project.faq.order_by("position", "pk"))


def _faq(entry: FaqEntry) -> Faq:
    return Faq(
        question=entry.question,
        answer=entry.answer,
        variants=tuple(entry.variant_lines()),
        digit=entry.digit,
    )


def _stage(account: ProviderAccount, *, voice: str = "") -> Stage:
    options = {"model": account.model, "voice": voice, "base_url": account.base_url}
    return Stage(
        provider=account.provider,
        options={name: value for name, value in options.items() if value},
        sealed_key=account.sealed_key,
        account=account.name,
    )


def check_draft(*, project: Project) -> list[str]:
    """Why the draft cannot go live: which value, what is wrong with it, and what to do."""
    return [
        *_account_problems(project.stt_account, Role.STT, project.language),
        *_account_problems(project.llm_account, Role.LLM, project.language),
        *_account_problems(project.tts_account, Role.TTS, project.language),
        *_text_problems(project),
        *_faq_problems(project),
    ]


_ROLES = {Role.STT: "speech to text", Role.LLM: "answers", Role.TTS: "text to speech"}


def _account_problems(account: ProviderAccount, role: Role, language: str) -> Iterator[str]:
    provider = PROVIDERS.get(account.provider)
    if provider is None:
        yield (
            f"Account “{account.name}” names the provider “{account.provider}”, which this version "
            f"does not know. Choose another account."
        )
        return
    if provider.role is not role:
        yield (
            f"Account “{account.name}” ({provider.label}) is for {_ROLES[provider.role]}, "
            f"not for {_ROLES[role]}. Choose another account."
        )
    if provider.languages and language.partition("-")[0] not in provider.languages:
        yield (
            f"{provider.label} speaks {', '.join(provider.languages)} only, the project's language "
            f"is “{language}”. Choose another account or language."
        )
    yield from _key_problems(account, needs_key=provider.needs_key)


def _key_problems(account: ProviderAccount, *, needs_key: bool) -> Iterator[str]:
    if needs_key and not account.sealed_key and not account.base_url:
        yield f"Account “{account.name}” has no key. Enter the provider's key there."
    try:
        seal.unseal(account.sealed_key, keys=settings.SEAL_KEYS)
    except seal.SealBroken as broken:
        yield f"Account “{account.name}”: {broken}"


_SPOKEN = {
    "greeting": "greeting",
    "ask_back": "question asked back",
    "apology": "apology",
    "handover": "hand-over",
    "goodbye": "good-bye",
    "silence_prompt": "silence prompt",
}


def _text_problems(project: Project) -> Iterator[str]:
    for name, label in _SPOKEN.items():
        if not getattr(project, name).strip():
            yield f"The {label} is empty, the caller would hear silence. Write a sentence."


def _faq_problems(project: Project) -> Iterator[str]:
    entries = _entries(project)
    if project.llm_account.provider == "faq" and not entries:
        yield (
            "The FAQ is empty, and the embedded answer engine answers from nothing else. "
            "Add at least one question with its answer."
        )
    for entry in entries:
        if not entry.question.strip() or not entry.answer.strip():
            yield f"FAQ entry “{entry.question}” lacks question or answer. Complete or delete it."
    asked = Counter(q for entry in entries for q in _wordings(entry))
    for wording in sorted(q for q, times in asked.items() if times > 1):
        yield f"“{wording}” belongs to two FAQ entries. Keep it in one, or the bot must guess."


def _wordings(entry: FaqEntry) -> set[str]:
    """An entry's ways of asking, without case and punctuation; twice in one entry does no harm."""
    lines = [entry.question, *entry.variant_lines()]
    return {" ".join(line.casefold().replace("?", " ").split()) for line in lines} - {""}
