"""CallPlan → STT, LLM, TTS, VAD, turn detector."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from livekit.agents import AgentSession, UserInputTranscribedEvent, inference, stt, tts, vad

from agents.plan import BrokenPlan, CallPlan, Stage
from agents.providers import PROVIDERS, Role
from agents.seal import unseal
from agents.worker import providers
from agents.worker.providers import Material

# The words of a telephone call are short: answer soon, but let people breathe between two parts.
MIN_ENDPOINTING_S = 0.2
MAX_ENDPOINTING_S = 1.6
# A grammar of whole sentences knows better than the detector (which takes every fourth finished
# question for unfinished) that one is complete.
COMPLETE_ENDPOINTING_S = 0.45


@dataclass(frozen=True, slots=True)
class Workshop:
    plan: CallPlan
    folder: Path
    seal_keys: list[str] = field(repr=False)


def session_of(plan: CallPlan, *, folder: Path, seal_keys: list[str]) -> AgentSession[Any]:
    """The session of one call. Raises SealBroken, BrokenPlan."""
    ears = vad_of(plan)
    hearing: stt.STT[Any] = build(Role.STT, plan.stt[0], Workshop(plan, folder, seal_keys))
    if not hearing.capabilities.streaming:
        hearing = stt.StreamAdapter(stt=hearing, vad=ears)
    hearing.prewarm()
    session: AgentSession[Any] = AgentSession(
        stt=hearing,
        llm=build(Role.LLM, plan.llm[0], Workshop(plan, folder, seal_keys)),
        tts=voice_of(plan, folder=folder, seal_keys=seal_keys),
        vad=ears,
        turn_handling={
            # both named explicitly: left out, they may be looked for in a cloud
            "turn_detection": inference.TurnDetector(version="v1-mini"),
            "endpointing": {"min_delay": MIN_ENDPOINTING_S, "max_delay": MAX_ENDPOINTING_S},
            "interruption": {"mode": "vad", "min_duration": 0.3},
            "preemptive_generation": {"enabled": True, "preemptive_tts": True},
        },
        aec_warmup_duration=None,
        user_away_timeout=None,
        session_close_transcript_timeout=0.2,
    )
    if plan.stt[0].provider == "sphinx":
        session.on("user_input_transcribed", partial(_trust_grammar, session))
    return session


def _trust_grammar(session: AgentSession[Any], event: UserInputTranscribedEvent) -> None:
    from agents.worker.embedded.sphinx import NOT_UNDERSTOOD

    if event.is_final:
        complete = NOT_UNDERSTOOD not in event.transcript
        longest = COMPLETE_ENDPOINTING_S if complete else MAX_ENDPOINTING_S
        session.update_options(endpointing_opts={"max_delay": longest})


def voice_of(plan: CallPlan, *, folder: Path, seal_keys: list[str]) -> tts.TTS[Any]:
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
    """An STT, LLM or TTS. Raises SealBroken, BrokenPlan."""
    provider = PROVIDERS.get(stage.provider)
    if provider is None or provider.role is not role:
        raise BrokenPlan(f"nobody knows the {role} provider {stage.provider!r}")
    builder: Callable[..., object] = getattr(providers, provider.builder)
    key = unseal(stage.sealed_key, keys=at.seal_keys) if provider.needs_key else ""
    try:
        return builder(Material(at.plan, at.folder, key), **_options(stage))
    except (TypeError, ValueError) as reason:
        raise BrokenPlan(f"{provider.label} does not take its options: {reason}") from reason


def _options(stage: Stage) -> dict[str, Any]:
    """Empty options are as good as none."""
    return {name: value for name, value in stage.options.items() if value != ""}
