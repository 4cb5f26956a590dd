"""The draft as a plan, and every reason why it cannot go live yet."""

from collections import Counter
from collections.abc import Iterator

import phonenumbers
from django.conf import settings

from agents import seal
from agents.chains import Accounts, Chain, Member, is_installed
from agents.effective import Effective, effective
from agents.environment import is_elsewhere
from agents.menu_draft import menu_of, purposes_of
from agents.menus import menu_problems, purpose_problems
from agents.models import FaqEntry, Project, ProviderAccount
from agents.plan import CallPlan, Faq, Stage
from agents.providers import Provider, Role
from agents.recording_draft import rules_of, rules_problems
from agents.targets import targets_of

_ROLES = {Role.STT: "speech to text", Role.LLM: "answers", Role.TTS: "text to speech"}


def draft(*, project: Project, accounts: Accounts | None = None) -> CallPlan:
    """The plan as it would be published now, whether or not it may be (check_draft)."""
    found = effective(project, accounts=accounts)
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
        silence_prompt_2=project.silence_prompt_2,
        warn_before_s=project.warn_before_s,
        warning=project.warning,
        menu=None if project.kind == Project.Kind.BOT else menu_of(project),
        purposes=purposes_of(project),
        silence_s=project.silence_s,
        max_call_s=project.max_call_s,
        stt=_stages(found, Role.STT),
        llm=_stages(found, Role.LLM),
        tts=_stages(found, Role.TTS),
        vad=found.vad,
        faq=tuple(_faq(entry) for entry in _entries(project)),
        record=project.record,
        recorder=project.recorder,
        filler=project.filler,
        fallback_number=project.fallback_number,
        mode=found.mode,
        turn_detector=found.turn_detector,
        speed=found.speed,
        targets=targets_of(project),
        **rules_of(project),
    )


def _stages(found: Effective, role: Role) -> tuple[Stage, ...]:
    return tuple(stage_of(member) for member in found.chains[role].members)


def stage_of(member: Member) -> Stage:
    options = {"model": member.model, "voice": member.voice, "base_url": member.base_url}
    return Stage(
        provider=member.slug,
        options={name: value for name, value in options.items() if value},
        sealed_key=member.sealed_key,
        account=member.name,
        expected_ms=member.expected_ms,
    )


def _entries(project: Project) -> list[FaqEntry]:
    return list(project.faq.order_by("position", "pk"))


def _faq(entry: FaqEntry) -> Faq:
    return Faq(
        question=entry.question,
        answer=entry.answer,
        variants=tuple(entry.variant_lines()),
        digit=entry.digit,
        live=entry.live,
    )


def check_draft(*, project: Project, accounts: Accounts | None = None) -> list[str]:
    """Why the draft cannot go live: which value, what is wrong with it, and what to do."""
    found = effective(project, accounts=accounts)
    problems = [
        *(problem for role in Role for problem in _chain_problems(found, role, project)),
        *_turn_detector_problems(found, project),
        *_number_problems(project),
        *_text_problems(project),
        *_faq_problems(found, project),
        *_key_problems(project),
    ]
    return list(dict.fromkeys(problems))


# --- chains ---------------------------------------------------------------------------------------


def _chain_problems(found: Effective, role: Role, project: Project) -> Iterator[str]:
    chain = found.chains[role]
    yield from chain.problems
    if not chain.members and not chain.problems:
        yield _empty(found, chain)
    if found.mode == "api" and chain.members and not any(one.cloud for one in chain.members):
        yield (
            f"Only the cloud may be used (mode “api”), but nobody in it does {_ROLES[role]}. "
            f"Add a cloud provider, or choose another mode."
        )
    rows = Counter(one.account for one in chain.members if one.account)
    for account in (account for account, times in rows.items() if times > 1):
        yield (
            f"Account “{account.name}” is twice in the chain for {_ROLES[role]}: what fails once "
            f"fails again. Remove one."
        )
    for member in chain.members:
        yield from _member_problems(found, member, role, project.language)


def _empty(found: Effective, chain: Chain) -> str:
    why = " ".join(chain.notes) or "This project names none itself, as its mode demands."
    return (
        f"Nobody is left for {_ROLES[chain.role]}. {why} "
        f"Add an account to the project, or choose another mode."
    )


def _member_problems(found: Effective, member: Member, role: Role, language: str) -> Iterator[str]:
    provider, name = member.provider, f"Account “{member.name}”"
    if provider is None:
        yield (
            f"{name} names the provider “{member.slug}”, which this version does not know. "
            f"Choose another account."
        )
        return
    if provider.role is not role:
        yield (
            f"{name} ({provider.label}) is for {_ROLES[provider.role]}, not for {_ROLES[role]}. "
            f"Choose another account."
        )
        return
    if not is_installed(provider):
        yield (
            f"{provider.label} needs the package {provider.package}, which is not installed. "
            f"Run `make extras` and start again, or choose another account."
        )
    if not member.speaks(language):
        yield _mute(member, language)
    if found.mode == "local" and not member.stays_inside:
        yield _outside(member, name)
    if member.account:
        yield from account_problems(member.account, provider)


def _mute(member: Member, language: str) -> str:
    voice = f" with the voice {member.voice}" if member.voice else ""
    return (
        f"{member.label} speaks {', '.join(member.languages())} only{voice}, the project's "
        f"language is “{language}”. Choose another account, model, voice or language."
    )


def _outside(member: Member, name: str) -> str:
    where = f"at {member.host}" if member.host else "in the cloud"
    return (
        f"{name} works {where}, but nothing may leave the house (mode “local”). "
        f"Choose a server in the house, by its private address, or another mode."
    )


def account_problems(account: ProviderAccount, provider: Provider) -> Iterator[str]:
    """Why nobody can speak to a provider with this account."""
    variable = provider.key_env or provider.url_env
    if not account.enabled:
        yield (
            f"Account “{account.name}” came from the environment, where {variable} is gone. "
            f"Set it again, or choose another account."
        )
    elif lacks_key(account, provider):
        yield f"Account “{account.name}” has no key. Enter the provider's key there."
    elif provider.needs_url and not account.base_url:
        yield (
            f"Account “{account.name}” has no base URL, and {provider.label} is a server of your "
            f"own. Enter its address there."
        )
    try:
        seal.unseal(account.sealed_key, keys=settings.SEAL_KEYS)
    except seal.SealBroken as broken:
        yield f"Account “{account.name}”: {broken}"


def lacks_key(account: ProviderAccount, provider: Provider) -> bool:
    own_address = not is_elsewhere(provider, account.base_url)
    return provider.needs_key and not account.sealed_key and own_address


# --- the rest -------------------------------------------------------------------------------------


def _turn_detector_problems(found: Effective, project: Project) -> Iterator[str]:
    if found.turn_detector == "english" and project.language.partition("-")[0] != "en":
        yield (
            f"The end of turn “english” does not understand the project's language "
            f"“{project.language}”. Choose another one."
        )


def _number_problems(project: Project) -> Iterator[str]:
    if project.fallback_number != as_e164(project.fallback_number):
        yield (
            f"The fallback number “{project.fallback_number}” cannot be called. Write it with its "
            f"country code, as +12025550100."
        )


def as_e164(text: str) -> str:
    """The number as +12025550100; empty if it cannot be one."""
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_possible_number(number):
        return ""
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


_SPOKEN = {
    "greeting": "greeting",
    "ask_back": "question asked back",
    "apology": "apology",
    "handover": "hand-over",
    "goodbye": "good-bye",
    "silence_prompt": "silence prompt",
    "silence_prompt_2": "second silence prompt",
}


def _text_problems(project: Project) -> Iterator[str]:
    for name, label in _SPOKEN.items():
        if not getattr(project, name).strip():
            yield f"The {label} is empty, the caller would hear silence. Write a sentence."


def _key_problems(project: Project) -> Iterator[str]:
    purposes = purposes_of(project)
    for purpose in purposes:
        yield from purpose_problems(purpose)
    yield from rules_problems(project, purposes)
    if any(one.confirm for one in purposes) and "{digits}" not in project.digits_confirm:
        yield "“Digits read back” does not say them. Write {digits} where they belong."
    if project.warn_before_s and not project.warning.strip():
        yield "The warning before the end has no words. Write them, or set its seconds to 0."
    if project.kind != Project.Kind.BOT:
        questions = {entry.question for entry in _entries(project)}
        keys = {purpose.key for purpose in purposes}
        yield from menu_problems(menu_of(project), questions, keys)
        if not project.menu_invalid.strip():
            yield "Nothing is said after a wrong key. Write the sentence."


def _faq_problems(found: Effective, project: Project) -> Iterator[str]:
    entries = _entries(project)
    if any(one.slug == "faq" for one in found.chains[Role.LLM].members) and not entries:
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
