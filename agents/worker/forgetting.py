"""Throws away what a worker holds of calls which were erased.

What is on its way is answered with 410 when it comes. What was put aside (`.rejected`) never comes
again, so the control plane is asked about it now and then.
"""

import json
import logging
import time
from collections.abc import Iterator
from pathlib import Path

from agents.worker import journal
from agents.worker.config import Config
from agents.worker.desk import Desk

log = logging.getLogger(__name__)

ASIDE = ".rejected"
QUIET_S = 60.0
AT_ONCE = 200  # rooms in one question


def throw_away(config: Config, job: str) -> int:
    """All files of one job. A process which still writes one goes on into nothing; what it brings
    to the spool afterwards is offered, and refused in the same way."""
    count = 0
    for folder in (config.journal_dir, config.spool_dir, config.recording_dir):
        for path in folder.glob(f"{job}.*"):
            if folder == config.recording_dir and _is_written(config, job):
                continue
            path.unlink(missing_ok=True)
            count += 1
    log.warning("A call was erased; its files were thrown away", extra={"job": job, "count": count})
    return count


def _is_written(config: Config, job: str) -> bool:
    """A process which is at it writes ten times a second, and moves the file when it is done."""
    written = [path.stat().st_mtime for path in config.recording_dir.glob(f"{job}.*")]
    return bool(written) and time.time() - max(written) < QUIET_S


async def look_aside(config: Config, desk: Desk) -> int:
    """Ask about what was put aside, and throw away what belongs to erased calls."""
    jobs = dict(_put_aside(config))
    rooms = sorted(set(jobs.values()))
    gone: set[str] = set()
    for begin in range(0, len(rooms), AT_ONCE):
        gone |= set(await desk.erased(rooms[begin : begin + AT_ONCE]))
    return sum(throw_away(config, job) for job, room in jobs.items() if room in gone)


def _put_aside(config: Config) -> Iterator[tuple[str, str]]:
    """Job and room."""
    for path in config.journal_dir.glob(f"*.jsonl{ASIDE}"):
        entries = journal.read(path)
        if entries:
            yield path.name.partition(".")[0], str(entries[0].data.get("room", ""))
    # also what a process left which died after its journal was thrown away
    left = config.recording_dir.glob("*.json")
    for path in [*config.spool_dir.glob(f"*.json{ASIDE}"), *left]:
        if room := _room(path):
            yield path.name.partition(".")[0], room


def _room(path: Path) -> str:
    try:
        return str(json.loads(path.read_text()).get("room", ""))
    except (OSError, ValueError):
        return ""
