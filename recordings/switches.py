"""A chain which moved from one provider to another, in words. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from agents.providers import PROVIDERS

ROLES = {"stt": "Speech to text", "llm": "Answers", "tts": "The voice"}
REASONS = {
    "refused": "it refused",
    "stalled": "no answer in time",
    "broke_off": "it broke off in the middle",
    "limited": "too many requests for that account",
    "failed": "it failed",
    "skipped": "known to be down",
}


def words(data: Mapping[str, Any]) -> str:
    """“Speech to text moved from Deepgram to Whisper server: no answer in time (lost 640 ms).”"""
    role = ROLES.get(str(data.get("role", "")), "A provider")
    before = name_of(data.get("from") or data.get("provider"))
    after = name_of(data.get("to"))
    reason = str(data.get("reason", ""))
    why = REASONS.get(reason, reason or "nobody told why")
    lost = data.get("lost_ms")
    is_known = isinstance(lost, int | float) and not isinstance(lost, bool) and lost > 0
    price = f" (lost {round(lost)} ms)" if is_known and lost else ""
    if after:
        return f"{role} moved from {before} to {after}: {why}{price}."
    return f"{role} lost {before} and nothing is left: {why}{price}."


def name_of(told: object) -> str:
    """An account's name as it is, a provider's slug as people call it."""
    text = str(told or "")
    known = PROVIDERS.get(text)
    return known.label.partition(" (")[0] if known else text


def priceless(missing: Sequence[str]) -> str:
    """“provider model” of what has no price, as people call it."""
    parts = [one.partition(" ") for one in missing]
    return ", ".join(f"{name_of(slug)} {model}".strip() for slug, _, model in parts)
