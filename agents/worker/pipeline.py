"""CallPlan → chains of STT, LLM and TTS, VAD, turn detector, session."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from livekit.agents import AgentSession, inference, tts, vad

from agents.house import stays_inside
from agents.plan import BrokenPlan, CallPlan, PlanError, Stage
from agents.providers import PROVIDERS, Role
from agents.seal import unseal
from agents.worker import providers, turns
from agents.worker.chain.ears import Ears
from agents.worker.chain.fronts import FrontLLM, FrontSTT, FrontTTS
from agents.worker.chain.hearing import Hearing
from agents.worker.chain.members import Carefree, Chain, Health, Member, Switch
from agents.worker.chain.speaking import RATE, Voice
from agents.worker.chain.thinking import Mind
from agents.worker.providers import Material

# The bot pauses soon, and goes on if it was only a cough: no words came for so long.
INTERRUPT_S, RESUME_S = 0.09, 1.2
GUESSES = 7  # answers begun before the caller's turn was over, in one turn

Metrics = Callable[[Member, Any], None]


@dataclass(frozen=True, slots=True)
class Workshop:
    plan: CallPlan
    folder: Path  # of the prepared plan
    seal_keys: list[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What one call talks with."""

    session: AgentSession[Any]
    hearing: Hearing
    ears: Ears
    mind: Mind
    voice: Voice
    chains: tuple[Chain, ...]

    def prewarm(self) -> None:
        """Open connections before the first word; the recogniser opens its own on start."""
        self.mind.prewarm()
        self.voice.prewarm()

    async def aclose(self) -> None:
        for chain in self.chains:
            chain.stop()
            for member in chain.members:
                await member.engine.aclose()


def pipeline_of(
    at: Workshop,
    *,
    health: Health | None = None,
    on_switch: Callable[[Switch], None] = lambda switch: None,
    on_metrics: Metrics = lambda member, metrics: None,
) -> Pipeline:
    """Raises PlanError, SealBroken."""
    plan = at.plan
    chains = {
        role: Chain(role, members, health or Carefree(), on_switch)
        for role, members in _members(at, on_metrics).items()
    }
    detector = vad_of(plan)
    ears = Ears(detector, resume_s=plan.vad.min_speech_ms / 1000)
    hearing = Hearing(chains[Role.STT], detector)
    mind = Mind(chains[Role.LLM])
    voice = Voice(chains[Role.TTS], first_clause=plan.speed.first_clause)
    session: AgentSession[Any] = AgentSession(
        stt=FrontSTT(lambda: hearing.serving),
        llm=FrontLLM(lambda: mind.serving),
        tts=FrontTTS(lambda: voice.serving, sample_rate=RATE),
        vad=ears,
        turn_handling={
            # both named explicitly: left out, they may be looked for in a cloud
            "turn_detection": turns.detector_of(plan),
            "endpointing": turns.endpointing_of(plan),
            "interruption": {
                "mode": "vad",
                "min_duration": INTERRUPT_S,
                "false_interruption_timeout": RESUME_S,
            },
            "preemptive_generation": {
                "enabled": plan.speed.preemptive_llm,
                "preemptive_tts": plan.speed.preemptive_tts,
                "max_retries": GUESSES,
            },
        },
        aec_warmup_duration=None,
        tts_text_transforms=None,  # our voices do it, clause by clause
        user_away_timeout=None,
        session_close_transcript_timeout=0.2,
    )
    return Pipeline(session, hearing, ears, mind, voice, tuple(chains.values()))


def warm(at: Workshop) -> None:
    """Build all members once and drop them: clients import a lot on first use. Connects to nobody.
    Raises PlanError, SealBroken."""
    _members(at, lambda member, metrics: None)
    vad_of(at.plan)


def _members(at: Workshop, on_metrics: Metrics) -> dict[Role, list[Member]]:
    """Of each chain those which can be built. Raises the first problem if none can."""
    found: dict[Role, list[Member]] = {}
    chains = {Role.STT: at.plan.stt, Role.LLM: at.plan.llm, Role.TTS: at.plan.tts}
    for role, stages in chains.items():
        members, problems = [], []
        for stage in stages:
            try:
                _guard(at.plan, stage)
                members.append(Member(role, stage, build(role, stage, at)))
            except PlanError as problem:
                problems.append(problem)
        if not members:
            raise problems[0]
        for member in members:
            member.engine.on("metrics_collected", partial(on_metrics, member))
        found[role] = members
    return found


def _guard(plan: CallPlan, stage: Stage) -> None:
    """A plan which promises that nothing leaves the house is held to it. Raises BrokenPlan."""
    if plan.mode == "local" and not stays_inside(stage):
        raise BrokenPlan(f"it is local, but {stage.provider!r} is not in the house")


def voice_of(plan: CallPlan, *, folder: Path, seal_keys: list[str]) -> tts.TTS[Any]:
    """The voice of what is spoken in advance."""
    _guard(plan, plan.tts[0])
    voice: tts.TTS[Any] = build(Role.TTS, plan.tts[0], Workshop(plan, folder, seal_keys))
    return voice


def vad_of(plan: CallPlan) -> vad.VAD:
    return inference.VAD(
        model="silero",
        min_speech_duration=plan.vad.min_speech_ms / 1000,
        min_silence_duration=plan.vad.min_silence_ms / 1000,
        prefix_padding_duration=plan.vad.prefix_ms / 1000,
        activation_threshold=plan.vad.threshold,
    )


def build(role: Role, stage: Stage, at: Workshop) -> Any:
    """An STT, LLM or TTS. Raises SealBroken, BrokenPlan, MissingExtra."""
    provider = PROVIDERS.get(stage.provider)
    if provider is None or provider.role is not role:
        raise BrokenPlan(f"nobody knows the {role} provider {stage.provider!r}")
    builder: Callable[..., object] = getattr(providers, provider.builder)
    key = unseal(stage.sealed_key, keys=at.seal_keys)
    try:
        return builder(Material(at.plan, at.folder, key), **_options(stage))
    except (TypeError, ValueError) as reason:
        raise BrokenPlan(f"{provider.label} does not take its options: {reason}") from reason


def _options(stage: Stage) -> dict[str, Any]:
    """Empty options are as good as none."""
    return {name: value for name, value in stage.options.items() if value != ""}
