"""Files on the worker's disk which nobody needs: removed, the oldest first, when it gets full.

What waits for its upload is never one of them. Rejected is what the control plane refused for good;
a sound in the spool without its description was uploaded.
"""

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from agents.worker.config import Config

log = logging.getLogger(__name__)

WANTED = 4 * 2**20  # bytes: some minutes of recording
KEEP_FREE = 64 * 2**20


def make_room(config: Config, *, wanted: int = WANTED) -> int:
    """Remove leftovers until so many bytes are won; returns how many were."""
    won = 0
    for path in sorted(_leftovers(config), key=_age):
        if won >= wanted:
            break
        for file in (path, *_belonging(path)):
            size = _size(file)
            try:
                file.unlink()
            except OSError:
                continue
            won += size
            log.warning("A leftover was removed: the disk is full", extra={"file": file.name})
    return won


def keep_free(config: Config, *, least: int = KEEP_FREE) -> int:
    """Before the disk is full."""
    free = shutil.disk_usage(config.data_dir).free
    return make_room(config, wanted=least - free) if free < least else 0


def _leftovers(config: Config) -> Iterator[Path]:
    for folder in (config.spool_dir, config.journal_dir):
        yield from folder.glob("*.rejected")
    for sound in config.spool_dir.glob("*.ogg"):
        described = (
            sound.with_suffix(".json"),
            sound.with_suffix(".json.rejected"),
            config.recording_dir / f"{sound.stem}.json",
        )
        if not any(path.exists() for path in described):
            yield sound


def _belonging(path: Path) -> Iterator[Path]:
    """The sound of a refused description, the acknowledgements of a refused journal."""
    job = path.name.partition(".")[0]
    if path.name.endswith(".json.rejected"):
        yield path.with_name(f"{job}.ogg")
    elif path.name.endswith(".jsonl.rejected"):
        yield path.with_name(f"{job}.acked")


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
