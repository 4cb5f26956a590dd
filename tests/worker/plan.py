"""A plan, its folder and a voice on the telephone, for the tests of the worker."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from livekit import rtc

from agents.plan import CallPlan, Faq, Stage, Vad
from agents.worker.config import Config
from agents.worker.embedded import flite
from tests.fakes.desk import TOKEN

FAQ = (
    Faq(
        question="What are your opening hours?",
        variants=("When are you open?", "Are you open on Saturday?"),
        answer="We are open from nine to six, Monday to Saturday.",
        digit="1",
    ),
    Faq(
        question="Where is your shop?",
        variants=("What is your address?", "How do I get to your shop?"),
        answer="Our shop is at twelve Harbour Street.",
        digit="2",
    ),
    Faq(
        question="How much is a bicycle repair?",
        variants=("What does a repair cost?", "How much does a service cost?"),
        answer="A repair costs about forty euros.",
    ),
    Faq(
        question="Can I bring my bike back?",
        variants=("Can I return a bicycle?", "What is your return policy?"),
        answer="You can bring a bike back within thirty days.",
    ),
    Faq(
        question="Do you rent bicycles?",
        variants=("Can I hire a bike?", "Can I rent a bike for a day?"),
        answer="Yes, for fifteen euros a day.",
    ),
    Faq(
        question="How long does a repair take?",
        variants=("When will my bike be ready?",),
        answer="A repair takes two working days.",
    ),
)


def a_plan(**changes: Any) -> CallPlan:
    plan = CallPlan(
        project="demo", name="Northwind Bikes", language="en", greeting="Welcome to Northwind.",
        instructions="Help.", ask_back="Sorry, could you say it differently?",
        apology="Something went wrong.", handover="A colleague will call you back.",
        goodbye="Goodbye.", silence_prompt="Are you still there?", stt=(Stage(provider="sphinx"),),
        llm=(Stage(provider="faq"),),
        tts=(Stage(provider="flite", options={"voice": "slt"}),),
        vad=Vad(min_silence_ms=250), faq=FAQ,
    )  # fmt: skip
    return replace(plan, **changes)


def a_config(folder: Path, *, url: str = "http://127.0.0.1:9", **changes: Any) -> Config:
    config = Config(
        livekit_url="ws://127.0.0.1:9", livekit_api_key="key", livekit_api_secret="s" * 32,
        worker_token=TOKEN, seal_keys=(), data_dir=folder, control_url=url,
    )  # fmt: skip
    config = replace(config, **changes)
    config.make_folders()
    return config


async def on_the_phone(text: str, *, voice: str = "slt") -> bytes:
    """What a voice sounds like after G.711: 16 bit, 16 kHz again."""
    return await asyncio.to_thread(_through_g711, await flite.speak(text, voice=voice))


def _through_g711(pcm: bytes) -> bytes:
    narrow = np.frombuffer(_resampled(pcm, 16_000, 8_000), dtype=np.int16)
    return _resampled(_mu_law(narrow).tobytes(), 8_000, 16_000)


def _resampled(pcm: bytes, before: int, after: int) -> bytes:
    resampler = rtc.AudioResampler(before, after, quality=rtc.AudioResamplerQuality.HIGH)
    frames = resampler.push(bytearray(pcm)) + resampler.flush()
    return b"".join(bytes(frame.data) for frame in frames)


def _mu_law(samples: Any) -> Any:
    """There and back: 8 bits on a logarithmic scale."""
    level = samples / 32768
    squeezed = np.sign(level) * np.log1p(255 * np.abs(level)) / np.log(256)
    steps = np.round(squeezed * 127) / 127
    return (np.sign(steps) * (256 ** np.abs(steps) - 1) / 255 * 32767).astype(np.int16)
