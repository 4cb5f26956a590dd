"""What a project's calls will run on, each value with the place it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.utils import timezone

from agents import pricebook
from agents.accounts import take_environment
from agents.chains import OWN, Accounts, Chain, Member, chains_of, mode_of
from agents.environment import Defaults
from agents.models import Project
from agents.plan import Speed, Vad
from agents.presets import VAD_PRESETS
from agents.providers import Role

# of the latency budget, what no provider has a part in (ms)
BUDGET_MS: Mapping[str, int] = {"network": 100, "end of speech": 150, "our own work": 30}
EXCELLENT_MS = 500
RETIRING = timedelta(days=90)

# field of plan.Speed: the variable which switches it, or none
SWITCHES: Mapping[str, str] = {
    "prewarm": "ENABLE_PREWARM",
    "preemptive_llm": "ENABLE_STREAMING",
    "preemptive_tts": "ENABLE_STREAMING",
    "eager_end": "ENABLE_STREAMING",
    "expected_answer": "",
    "first_clause": "ENABLE_STREAMING",
    "faq_cache": "ENABLE_CACHING",
    "filler": "",
    "noise_suppression": "",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One value for the supervisor's table."""

    label: str
    value: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    mode: str  # api, local or hybrid; “project” is what its own providers make it
    mode_source: str
    chains: Mapping[Role, Chain]
    vad: Vad
    vad_source: str
    turn_detector: str
    turn_detector_source: str
    speed: Speed
    speed_sources: Mapping[str, str]
    target_ms: int

    @property
    def notes(self) -> tuple[str, ...]:
        """Who was left out, and whose model ends soon."""
        left_out = [note for chain in self.chains.values() for note in chain.notes]
        ending = [_ending(member) for chain in self.chains.values() for member in chain.members]
        return tuple(dict.fromkeys(note for note in (*left_out, *ending) if note))

    @property
    def first(self) -> tuple[Member, ...]:
        """Who serves a call on which nothing fails."""
        return tuple(chain.members[0] for chain in self.chains.values() if chain.members)

    @property
    def estimated_ms(self) -> int | None:
        """From the caller's last sound to the bot's first; None: a part is unknown."""
        return turn_ms([(one.slug, one.model) for one in self.first])

    @property
    def per_minute(self) -> Decimal | None:
        """USD."""
        return pricebook.per_minute([(one.slug, one.model) for one in self.first])


def effective(project: Project, *, accounts: Accounts | None = None) -> Effective:
    """`accounts`: the environment's, if they have been taken already."""
    defaults: Defaults = settings.AGENT_DEFAULTS
    chains = chains_of(project, take_environment() if accounts is None else accounts)
    vad, vad_source = _vad(project, defaults)
    detector, detector_source = _turn_detector(project, defaults)
    switches = {name: _switch(project, name) for name in SWITCHES}
    return Effective(
        mode=_mode(mode_of(project), chains),
        mode_source=OWN if project.mode else _environment("AGENT_MODE"),
        chains=chains,
        vad=vad,
        vad_source=vad_source,
        turn_detector=detector,
        turn_detector_source=detector_source,
        speed=Speed(**{name: on for name, (on, _) in switches.items()}),
        speed_sources={name: source for name, (_, source) in switches.items()},
        target_ms=defaults.target_latency_ms,
    )


def turn_ms(members: list[tuple[str, str]]) -> int | None:
    """Estimate of one turn with these (slug, model); None if a role or an estimate is missing."""
    parts = [pricebook.estimate_ms(slug, model) for slug, model in members]
    complete = len(parts) == len(Role) and all(parts)
    return sum(BUDGET_MS.values()) + sum(parts) if complete else None


def _environment(variables: str) -> str:
    return f"environment ({variables})"


def _mode(mode: str, chains: Mapping[Role, Chain]) -> str:
    """A plan knows api, local and hybrid only."""
    if mode != "project":
        return mode
    clouds = {member.cloud for chain in chains.values() for member in chain.members}
    return "hybrid" if len(clouds) > 1 else "api" if clouds == {True} else "local"


def _vad(project: Project, defaults: Defaults) -> tuple[Vad, str]:
    if project.vad_preset:
        return VAD_PRESETS[project.vad_preset], OWN
    return defaults.vad, _environment("VAD_…")


def _turn_detector(project: Project, defaults: Defaults) -> tuple[str, str]:
    if project.turn_detector:
        return project.turn_detector, OWN
    source = _environment("TURN_DETECTOR_MODEL")
    if defaults.turn_detector == "english" and project.language.partition("-")[0] != "en":
        return "multilingual", f"{source}, where “english” does not fit the language"
    return defaults.turn_detector, source


def _switch(project: Project, name: str) -> tuple[bool, str]:
    own: bool | None = getattr(project, f"use_{name}")
    return usual_switch(name) if own is None else (own, OWN)


def usual_switch(name: str) -> tuple[bool, str]:
    """Whether a field of Speed is on where a project does not say, and who says so."""
    defaults: Defaults = settings.AGENT_DEFAULTS
    variable = SWITCHES[name]
    if not variable:
        return getattr(Speed(), name), "usual"
    enabled = {
        "ENABLE_PREWARM": defaults.prewarm,
        "ENABLE_STREAMING": defaults.streaming,
        "ENABLE_CACHING": defaults.caching,
    }
    return enabled[variable], _environment(variable)


def _ending(member: Member) -> str:
    """Providers switch models off; a call on one which is gone fails."""
    day = pricebook.retires(member.slug, member.model)
    if day is None or day > timezone.localdate() + RETIRING:
        return ""
    return f"{member.label} switches {member.model} off on {day:%Y-%m-%d}. Choose another model."
