"""Before a process takes a call: load whatever its first call would have to wait for."""

import contextlib

from livekit import rtc
from livekit.agents import JobProcess

from agents.plan import PlanError
from agents.seal import SealBroken
from agents.worker import config as configuration
from agents.worker import pipeline, plans, prepare, shared_eot
from agents.worker.config import Config
from agents.worker.line import RATE


def set_up(process: JobProcess) -> None:
    process.userdata["config"] = settings = configuration.load()
    shared_eot.share()
    rtc.AudioSource(RATE, 1)  # the media library starts its threads with the first one
    _warm(settings)


def _warm(settings: Config) -> None:
    """Whatever is imported or read on first use, for the plans of today."""
    found = []
    for folder in settings.plans_dir.glob("*"):
        with contextlib.suppress(PlanError):
            if plan := plans.from_disk(settings.plans_dir, folder.name):
                found.append((plan, folder))
    if any(prepare.matches(plan) for plan, _ in found):
        from agents.worker.embedded import meaning

        meaning.model().embed(["warm"])
    seen: set[str] = set()  # old plans stay on disk: one of each kind is enough
    for plan, folder in found:
        slugs = {stage.provider for stage in (*plan.stt, *plan.llm, *plan.tts)}
        if slugs <= seen:
            continue
        seen |= slugs
        with contextlib.suppress(PlanError, SealBroken):
            pipeline.warm(pipeline.Workshop(plan, folder, list(settings.seal_keys)))
