"""Builders of the providers which are part of this product."""

from typing import Any

import numpy as np
from livekit.agents import llm, stt, tts

from agents.worker.providers.material import Material


def sphinx_stt(material: Material, **_: Any) -> stt.STT[Any]:
    from agents.worker.embedded.sphinx import SphinxSTT

    return SphinxSTT(material.folder)


def faq_llm(material: Material, **_: Any) -> llm.LLM[Any]:
    from agents.worker.embedded.engine import FaqLLM, Matcher

    ready = material.folder / "meaning.npy"
    return FaqLLM(Matcher(material.plan, np.load(ready) if ready.exists() else None))


def flite_tts(_: Material, *, voice: str = "slt", **__: Any) -> tts.TTS[Any]:
    from agents.worker.embedded.flite import FliteTTS

    return FliteTTS(voice)
