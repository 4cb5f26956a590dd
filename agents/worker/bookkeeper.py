"""Writes into the journal which providers served, what they did for it, and when one was left."""

from typing import Any

from livekit.agents.metrics import LLMMetrics, STTMetrics, TTSMetrics

from agents.worker.chain.members import Member, Switch
from agents.worker.journal import Journal


class Bookkeeper:
    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def switched(self, switch: Switch) -> None:
        self._journal.write(
            "switch", role=str(switch.role), provider=switch.before.stage.provider,
            reason=switch.reason, lost_ms=switch.lost_ms,
            **{"from": switch.before.name, "to": switch.after.name if switch.after else ""},
        )  # fmt: skip

    def used(self, member: Member, metrics: Any) -> None:
        """What is paid for; nothing if there was nothing."""
        units = _units(metrics)
        if any(units.values()):
            self._journal.write(
                "usage", role=str(member.role), provider=member.stage.provider,
                model=str(member.stage.options.get("model", "")), account=member.stage.account,
                **units,
            )  # fmt: skip


def _units(metrics: Any) -> dict[str, int]:
    if isinstance(metrics, LLMMetrics):
        return {
            "input_tokens": metrics.prompt_tokens,
            "cached_tokens": metrics.prompt_cached_tokens,
            "output_tokens": metrics.completion_tokens,
        }
    if isinstance(metrics, TTSMetrics):
        return {
            "characters": metrics.characters_count,
            "audio_ms": round(metrics.audio_duration * 1000),
        }
    if isinstance(metrics, STTMetrics):
        return {"audio_ms": round(metrics.audio_duration * 1000)}
    return {}
