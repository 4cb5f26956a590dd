"""The end-of-turn models of livekit-plugins-turn-detector, where their weights are installed.

Importing the plugin makes the worker start a process for its models, weights or not; so whether
they are there is looked up without it.
"""

import importlib
import importlib.util
import logging
from pathlib import Path
from types import ModuleType
from typing import Any

from agents.plan import PlanError

log = logging.getLogger(__name__)

PACKAGE = "livekit.plugins.turn_detector"
KINDS = {"english": "en", "multilingual": "multilingual"}


class MissingWeights(PlanError):
    def __init__(self, name: str) -> None:
        super().__init__(
            f"The weights of the end-of-turn model “{name}” are not on this machine. Download them "
            f"with “python -m agents.worker download-files” where the Internet is reached, and "
            f"restart the worker; or choose the built-in detector."
        )


def turn_detector(name: str) -> Any:
    """Raises MissingWeights."""
    if not has_weights(name):
        raise MissingWeights(name)
    module = importlib.import_module(f"{PACKAGE}.{name}")
    return module.EnglishModel() if name == "english" else module.MultilingualModel()


def has_weights(name: str) -> bool:
    """Looks on the disk only."""
    from huggingface_hub import try_to_load_from_cache

    facts = _facts()
    if facts is None:
        return False
    found = try_to_load_from_cache(
        facts.HG_MODEL,
        f"onnx/{facts.ONNX_FILENAME}",
        revision=facts.MODEL_REVISIONS[KINDS[name]],
    )
    return isinstance(found, str)


def _facts() -> ModuleType | None:
    """The plugin's list of models, without the plugin."""
    package = importlib.util.find_spec(PACKAGE)
    if package is None or not package.submodule_search_locations:
        return None
    path = Path(package.submodule_search_locations[0]) / "models.py"
    spec = importlib.util.spec_from_file_location("turn_detector_models", path)
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def register_models() -> None:
    """In the main process before any call: the models run in a process all calls share."""
    if any(has_weights(name) for name in KINDS):
        importlib.import_module(PACKAGE)
        log.info("End-of-turn models are installed")


def download() -> None:
    """From the model hub; the only place which does. Raises what the hub's client raises."""
    from livekit.agents import Plugin

    importlib.import_module(PACKAGE)
    for plugin in Plugin.registered_plugins:
        plugin.download_files()
