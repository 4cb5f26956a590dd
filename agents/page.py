"""What a supervisor reads about a project: on what its calls will run, and what hinders them."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.conf import settings

from agents.accounts import take_environment
from agents.chains import Chain, Member
from agents.draft import check_draft
from agents.effective import EXCELLENT_MS, SWITCHES, Effective, Setting, effective
from agents.environment import Defaults
from agents.models import DETECTOR_LABELS, ROLE_LABELS, Project
from agents.providers import Role
from agents.tiers import ms_words, price_words
from agents.trial_page import hear_url


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    place: int
    member: Member
    expected: str
    hear: str = ""  # where its voice can be heard


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsOn:
    chains: list[tuple[str, list[Row]]]  # by the role's name
    settings: list[Setting]
    estimate: str
    verdict: str  # excellent, good or slow; empty if nobody knows
    target_ms: int
    price: str
    notes: tuple[str, ...]
    problems: list[str]


def runs_on(project: Project) -> RunsOn:
    accounts = take_environment()
    found = effective(project, accounts=accounts)
    return RunsOn(
        chains=[(label, _rows(project, found.chains[Role(role)])) for role, label in ROLE_LABELS],
        settings=list(_settings(found)),
        estimate=ms_words(found.estimated_ms),
        verdict=_verdict(found),
        target_ms=found.target_ms,
        price=price_words(found.per_minute),
        notes=found.notes,
        problems=check_draft(project=project, accounts=accounts),
    )


def _rows(project: Project, chain: Chain) -> list[Row]:
    return [
        Row(
            place=place,
            member=one,
            expected=f"{one.expected_ms} ms" if one.expected_ms else "—",
            hear=_hear(project, one) if chain.role is Role.TTS else "",
        )
        for place, one in enumerate(chain.members, start=1)
    ]


def _hear(project: Project, member: Member) -> str:
    if member.account is None:
        return ""
    return hear_url(member.account.pk, project=project, voice=member.voice, model=member.model)


def _verdict(found: Effective) -> str:
    if found.estimated_ms is None:
        return ""
    if found.estimated_ms < EXCELLENT_MS:
        return "excellent"
    return "good" if found.estimated_ms <= found.target_ms else "slow"


def _settings(found: Effective) -> Iterator[Setting]:
    vad, defaults = found.vad, _defaults()
    yield Setting(label="Mode", value=found.mode, source=found.mode_source)
    yield Setting(
        label="Listening",
        value=f"threshold {vad.threshold:g}, speech from {vad.min_speech_ms} ms, "
        f"silence from {vad.min_silence_ms} ms, {vad.prefix_ms} ms kept before",
        source=found.vad_source,
    )
    detector = dict(DETECTOR_LABELS)[found.turn_detector]
    yield Setting(label="End of turn", value=detector, source=found.turn_detector_source)
    if any(one.slug == "whisper" for one in found.chains[Role.STT].members):
        loads = (defaults.whisper_device, defaults.whisper_compute_type)
        yield Setting(
            label="Whisper server",
            value=f"{defaults.whisper_implementation} on {' '.join(loads)}",
            source="environment (WHISPER_…)",
        )
    for name in SWITCHES:
        column = Project._meta.get_field(f"use_{name}")
        yield Setting(
            label=str(column.verbose_name),  # type: ignore[union-attr]
            value="on" if getattr(found.speed, name) else "off",
            source=found.speed_sources[name],
        )


def _defaults() -> Defaults:
    defaults: Defaults = settings.AGENT_DEFAULTS
    return defaults
