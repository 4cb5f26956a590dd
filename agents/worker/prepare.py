"""Makes a plan ready for calls: its sentences spoken, its grammar and its meanings on disk.

Done once for each digest; a second run does only what is missing.
"""

import asyncio
import logging
from pathlib import Path

import numpy as np
from livekit.agents.utils import http_context

from agents.plan import CallPlan, uses
from agents.worker import pipeline
from agents.worker.prepared import file_of, narrow, texts_of, trimmed, write_wav

log = logging.getLogger(__name__)


def is_ready(folder: Path, plan: CallPlan) -> bool:
    return not _missing_texts(folder, plan) and is_usable(folder, plan)


async def prepare(plan: CallPlan, folder: Path, *, seal_keys: list[str]) -> None:
    """Raises what the provider raises; what is done so far stays."""
    await prepare_files(plan, folder)
    await _prepare_voice(plan, folder, seal_keys)


def is_usable(folder: Path, plan: CallPlan) -> bool:
    """Whether a call can be held; sentences which are not ready are spoken by the provider."""
    return all((folder / name).exists() for name in _needed_files(plan))


async def prepare_files(plan: CallPlan, folder: Path) -> None:
    """Grammar and meanings: quick, local."""
    folder.mkdir(parents=True, exist_ok=True)
    if uses(plan.stt, "sphinx"):
        await asyncio.to_thread(_prepare_grammar, plan, folder)
    if matches(plan):
        await asyncio.to_thread(_prepare_meaning, plan, folder)


def caches(plan: CallPlan) -> bool:
    """Whether questions of the FAQ are answered before a model is asked."""
    english = plan.language.partition("-")[0] == "en"  # which is what the embeddings know
    return plan.speed.faq_cache and bool(plan.faq) and english and plan.llm[0].provider != "faq"


def matches(plan: CallPlan) -> bool:
    """Whether a sentence's meaning is looked for in this plan's calls."""
    return uses(plan.llm, "faq") or caches(plan)


def _needed_files(plan: CallPlan) -> list[str]:
    grammar = ["plan.jsgf", "plan.dict", "phrases.json"] if uses(plan.stt, "sphinx") else []
    return [*grammar, *(["meaning.npy"] if matches(plan) else [])]


def _missing_texts(folder: Path, plan: CallPlan) -> list[str]:
    return [text for text in texts_of(plan) if not file_of(folder, text, plan.tts[0]).exists()]


def _prepare_grammar(plan: CallPlan, folder: Path) -> None:
    from agents.worker.embedded import grammar, recogniser

    made = grammar.grammar_of(plan, lexicon=recogniser.lexicon)
    if made.skipped:
        log.warning(
            "Words of a project cannot be recognised; their questions are not listened for",
            extra={"words": ", ".join(made.skipped)},
        )
    recogniser.save(made, folder)


def _prepare_meaning(plan: CallPlan, folder: Path) -> None:
    from agents.worker.embedded import engine

    np.save(folder / "meaning.npy", engine.vectors_of(plan))


async def _prepare_voice(plan: CallPlan, folder: Path, seal_keys: list[str]) -> None:
    missing = _missing_texts(folder, plan)
    if not missing:
        return
    async with http_context.open():
        voice = pipeline.voice_of(plan, folder=folder, seal_keys=seal_keys)
        try:
            for text in missing:
                sound = await voice.synthesize(text).collect()
                write_wav(file_of(folder, text, plan.tts[0]), trimmed(narrow(sound)))
        finally:
            await voice.aclose()
