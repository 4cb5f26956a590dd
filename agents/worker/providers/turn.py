"""The end-of-turn models of livekit-plugins-turn-detector, where their weights are installed."""

import logging
from typing import Any

from agents.plan import PlanError

log = logging.getLogger(__name__)

NAMES = ("english", "multilingual")


class MissingWeights(PlanError):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"The weights of the end-of-turn model “{name}” are not on this machine. Download them "
            f"with “python -m livekit.plugins.turn_detector download-files” where the Internet is "
            f"reached, or choose the built-in detector."
        )


def turn_detector(name: str) -> Any:
    """Raises MissingWeights."""
    if not has_weights(name):
        raise MissingWeights(name)
    if name == "english":
        from livekit.plugins.turn_detector.english import EnglishModel

        return EnglishModel()
    from livekit.plugins.turn_detector.multilingual import MultilingualModel

    return MultilingualModel()


def has_weights(name: str) -> bool:
    """Looks on the disk only."""
    from huggingface_hub import try_to_load_from_cache
    from livekit.plugins.turn_detector import models

    kind: Any = "en" if name == "english" else "multilingual"
    found = try_to_load_from_cache(
        models.HG_MODEL, f"onnx/{models.ONNX_FILENAME}", revision=models.MODEL_REVISIONS[kind]
    )
    return isinstance(found, str)


def register_models() -> None:
    """In the main process before any call: the models run in a process all calls share."""
    for name in NAMES:
        if has_weights(name):
            turn_module = "english" if name == "english" else "multilingual"
            __import__(f"livekit.plugins.turn_detector.{turn_module}")
            log.info("An end-of-turn model is installed", extra={"model": name})
