"""Loads a plan by its digest: from disk, else from the control plane, which may be away."""

import json
import os
import re
import tempfile
from pathlib import Path

from agents.plan import CallPlan, PlanError, digest_of
from agents.worker.desk import Desk, DeskAway, DeskRefused

_DIGEST = re.compile(r"[0-9a-f]{64}")


class PlanMissing(PlanError):
    def __init__(self, reason: str) -> None:
        super().__init__(f"The plan cannot be loaded: {reason}")


def digest_in(metadata: str) -> str:
    """The plan a dispatch names; empty if it names none."""
    try:
        return str(json.loads(metadata)["plan"])
    except (ValueError, KeyError, TypeError):
        return ""


def folder_of(plans_dir: Path, digest: str) -> Path:
    """Raises PlanMissing for what is no digest: it becomes a path, and comes from outside."""
    if not _DIGEST.fullmatch(digest):
        raise PlanMissing("the dispatch names no plan. Publish the project and save its rule.")
    return plans_dir / digest


def from_disk(plans_dir: Path, digest: str) -> CallPlan | None:
    """None if it is not there or was damaged. Raises PlanError if it cannot be used."""
    path = folder_of(plans_dir, digest) / "plan.json"
    try:
        text = path.read_text()
    except OSError:
        return None
    return CallPlan.from_json(text) if digest_of(text) == digest else None


async def load(plans_dir: Path, digest: str, desk: Desk) -> CallPlan:
    """Raises PlanError."""
    return from_disk(plans_dir, digest) or await fetch(plans_dir, digest, desk)


async def fetch(plans_dir: Path, digest: str, desk: Desk) -> CallPlan:
    """From the control plane; kept on disk if it is what its name says. Raises PlanError."""
    folder = folder_of(plans_dir, digest)
    try:
        text = await desk.plan(digest)
    except (DeskAway, DeskRefused) as reason:
        raise PlanMissing(str(reason)) from reason
    if digest_of(text) != digest:
        raise PlanMissing("what came is not what its digest says. Publish the project again.")
    plan = CallPlan.from_json(text)
    write_whole(folder / "plan.json", text.encode())
    return plan


def write_whole(path: Path, content: bytes) -> None:
    """All of it or nothing, also if the power fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        except OSError:  # a full disk must not keep the half which it took
            Path(file.name).unlink(missing_ok=True)
            raise
    Path(file.name).replace(path)
