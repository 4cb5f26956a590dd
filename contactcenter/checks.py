"""System checks of the installation as a whole. No network."""

from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
def nothing_else_is_called_agents(**_: Any) -> list[CheckMessage]:
    """A known SDK installs a top-level package `agents` and would take the place of ours."""
    rivals = sorted(set(packages_distributions().get("agents", [])))
    return [
        Error(
            f"The distribution {distribution(name).metadata['Name']} also installs “agents”.",
            hint="Remove it from this environment (pip uninstall).",
            id="contactcenter.E001",
        )
        for name in rivals
    ]


@register()
def secrets_are_long_enough(**_: Any) -> list[CheckMessage]:
    """LiveKit refuses short secrets, at the first call rather than at start."""
    short = [name for name in ("LIVEKIT_API_SECRET",) if len(getattr(settings, name)) < 32]
    return [
        Error(
            f"{name} is shorter than 32 characters.",
            hint="Generate a longer one.",
            id="contactcenter.E002",
        )
        for name in short
    ]


@register()
def data_folder_is_writable(**_: Any) -> list[CheckMessage]:
    folder = Path(settings.DATA_DIR)
    if folder.exists() and not folder.is_dir():
        return [
            Error(f"DATA_DIR {folder} is no folder.", hint="Set another.", id="contactcenter.E003")
        ]
    return []
