"""Recordings on disk: being written in `recording/`, waiting for upload in `spool/`.

A recording is <job>.ogg and <job>.json. While it is written the json says only where it belongs;
in the spool it says all the control plane wants to know.
"""

import hashlib
import json
import logging
import time
from pathlib import Path
from typing import Any

from agents.worker.config import Config
from agents.worker.plans import write_whole

log = logging.getLogger(__name__)

CONTENT_TYPE = "audio/ogg"
STRANDED_S = 60.0  # so long after its last sound nobody writes a recording any more


def begin(config: Config, *, room: str, job: str, starts_ms: int) -> Path:
    """Say where a recording belongs before its first sample. Returns where to write it."""
    facts = {"room": room, "journal": job, "starts_ms": starts_ms}
    write_whole(config.recording_dir / f"{job}.json", json.dumps(facts).encode())
    return config.recording_dir / f"{job}.ogg"


def finish(config: Config, job: str, *, duration_ms: int) -> dict[str, Any]:
    """Move a complete recording to the spool. Returns what the json says."""
    written = config.recording_dir / f"{job}.ogg"
    begun = config.recording_dir / f"{job}.json"
    facts: dict[str, Any] = json.loads(begun.read_text()) | {
        "sha256": hashlib.sha256(written.read_bytes()).hexdigest(),
        "size": written.stat().st_size,
        "duration_ms": duration_ms,
        "content_type": CONTENT_TYPE,
    }
    # all that needs room first; then the sound before its description: the courier looks for those
    write_whole(begun, json.dumps(facts).encode())
    written.replace(config.spool_dir / f"{job}.ogg")
    begun.replace(config.spool_dir / f"{job}.json")
    return facts


def salvage(config: Config, job: str) -> dict[str, Any]:
    """Bring what a dead process wrote to the spool. Returns its facts; empty if nothing."""
    written = config.recording_dir / f"{job}.ogg"
    begun = config.recording_dir / f"{job}.json"
    if not begun.exists():
        return {}
    if not written.exists() and (config.spool_dir / f"{job}.ogg").exists():  # between two renames
        found: dict[str, Any] = json.loads(begun.read_text())
        begun.replace(config.spool_dir / f"{job}.json")
        return found
    if duration_ms := length_ms(written):
        log.warning("The recording of a dead process was saved", extra={"job": job})
        return finish(config, job, duration_ms=duration_ms)
    begun.unlink()
    written.unlink(missing_ok=True)
    return {}


def length_ms(path: Path) -> int:
    """Milliseconds of sound in an Ogg file, also of one cut off; 0 if there is none."""
    import av

    try:
        with av.open(str(path)) as sound:
            samples = sum(frame.samples for frame in sound.decode(audio=0))
            return round(samples * 1000 / sound.streams.audio[0].rate)
    except (OSError, av.FFmpegError):
        return 0


def stranded(config: Config, *, older_than_s: float = STRANDED_S) -> list[str]:
    """Jobs whose recording stayed where it was written although their journal is gone: there was
    no room to finish it."""
    now = time.time()
    return [
        begun.stem
        for begun in config.recording_dir.glob("*.json")
        if not (config.journal_dir / f"{begun.stem}.jsonl").exists()
        and now - _touched(begun.with_suffix(".ogg"), begun) > older_than_s
    ]


def _touched(*paths: Path) -> float:
    times = [path.stat().st_mtime for path in paths if path.exists()]
    return max(times, default=0.0)
