"""Carries journals and recordings to the control plane. Runs in the worker's main process.

Nothing is given up: what could not be delivered is tried again for ever, also after a restart.
What the control plane refuses is kept aside (`.rejected`) and said in the log.
"""

import asyncio
import contextlib
import json
import logging
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from agents.entries import Entry
from agents.worker import forgetting, journal, leftovers, spool
from agents.worker.config import Config
from agents.worker.desk import Desk, DeskAway, DeskForgets, DeskRefused

log = logging.getLogger(__name__)

LOOK_S = 0.15
BATCH = 200
ORPHAN_AFTER_S = 2.0
LONGEST_WAIT_S = 15.0
TIDY_S = 20.0
ASIDE_S = 600.0  # between two questions about what was put aside


class Courier:
    def __init__(
        self, config: Config, desk: Desk, *, on_orphan: Callable[[str], object] = lambda room: None
    ) -> None:
        """`on_orphan` hears the room of a call whose process died."""
        self._config = config
        self._on_orphan = on_orphan
        self._desk = desk
        self._waiting: dict[Path, tuple[float, int]] = {}  # next try (monotonic), failures
        self._running: dict[Path, asyncio.Task[None]] = {}
        self._orphan_check: dict[Path, float] = {}  # when to look next whether its writer lives

    async def run(self) -> None:
        tidy = aside = 0.0  # when to tidy, and to ask about what was put aside (monotonic)
        while True:
            try:
                self.look()
                if time.monotonic() >= tidy:
                    tidy = time.monotonic() + TIDY_S
                    await asyncio.to_thread(self._tidy)
                if time.monotonic() >= aside:
                    aside = time.monotonic() + ASIDE_S
                    await forgetting.look_aside(self._config, self._desk)
            except (DeskAway, DeskRefused):
                aside = time.monotonic() + LONGEST_WAIT_S
            except Exception:
                log.exception("The courier stumbled; it goes on")
            await asyncio.sleep(LOOK_S)

    def _tidy(self) -> None:
        """Recordings which a full disk kept from the spool; and leftovers, before it is full."""
        leftovers.keep_free(self._config)
        for job in spool.stranded(self._config):
            spool.salvage(self._config, job)

    async def flush(self, *, timeout_s: float) -> None:
        """Deliver what can be delivered at once; for stopping."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self.look() or self._running:
                    await asyncio.sleep(LOOK_S / 3)

    def look(self) -> int:
        """Start an errand for each file which needs one. Returns how many were started."""
        errands = [
            *((path, self.ship) for path in self._config.journal_dir.glob("*.jsonl")),
            *((path, self.upload) for path in self._config.spool_dir.glob("*.json")),
        ]
        due = [(path, work) for path, work in errands if self._is_due(path)]
        for path, work in due:
            task = asyncio.create_task(self._errand(path, work))
            self._running[path] = task
            task.add_done_callback(partial(self._done, path))
        return len(due)

    def _done(self, path: Path, _: asyncio.Task[None]) -> None:
        self._running.pop(path, None)

    def _is_due(self, path: Path) -> bool:
        if path in self._running:
            return False
        if path in self._waiting and time.monotonic() < self._waiting[path][0]:
            return False
        return path.suffix == ".json" or self._has_news(path)

    def _has_news(self, path: Path) -> bool:
        try:
            state = path.stat()
        except OSError:
            return False
        if state.st_size > _acked(path)[1]:
            return True
        idle = time.time() - state.st_mtime > ORPHAN_AFTER_S
        return idle and time.monotonic() >= self._orphan_check.get(path, 0.0)

    async def _errand(self, path: Path, work: Callable[[Path], Awaitable[None]]) -> None:
        try:
            await work(path)
            self._waiting.pop(path, None)
        except DeskAway as reason:
            self._try_later(path, str(reason))
        except FileNotFoundError:
            self._waiting.pop(path, None)
        except Exception:
            log.exception("An errand failed; it is tried again", extra={"job": path.stem})
            self._try_later(path, "")

    def _try_later(self, path: Path, reason: str) -> None:
        failures = self._waiting.get(path, (0.0, 0))[1] + 1
        pause = min(LONGEST_WAIT_S, 0.5 * 2 ** min(failures, 6)) * random.uniform(0.7, 1.0)
        self._waiting[path] = (time.monotonic() + pause, failures)
        if failures in {1, 5} or failures % 50 == 0:
            log.warning(
                "A delivery has to wait",
                extra={"job": path.stem, "reason": reason, "attempt": failures},
            )

    async def ship(self, path: Path) -> None:
        """Send what is new in one journal; when all of a closed one is acknowledged, drop it."""
        size = path.stat().st_size
        acked, acked_size = _acked(path)
        entries = journal.read(path)
        fresh = [entry for entry in entries if entry.n > acked]
        if fresh:
            sent = await self._send(path, entries, acked)
            if sent is None:
                return
            acked = sent
        if entries and acked < entries[-1].n:
            raise DeskAway("The control plane acknowledged only a part.")
        if size != acked_size:
            _remember(path, acked, size)
        closed = bool(entries) and entries[-1].kind == "closed"
        if closed:
            path.unlink(missing_ok=True)
            _acked_path(path).unlink(missing_ok=True)
            self._orphan_check.pop(path, None)
        elif time.time() - path.stat().st_mtime > ORPHAN_AFTER_S:
            self._adopt(path)

    async def _send(self, path: Path, entries: list[Entry], acked: int) -> int | None:
        """Batches until all is acknowledged. None if the control plane refuses for good."""
        room = str(entries[0].data.get("room", ""))
        while batch := [entry.to_dict() for entry in entries if entry.n > acked][:BATCH]:
            try:
                now = await self._desk.journal(journal=path.stem, room=room, entries=batch)
            except DeskForgets:
                forgetting.throw_away(self._config, path.stem)
                return None
            except DeskRefused as reason:
                self._put_aside(path, reason)
                return None
            if now <= acked:
                # an acknowledgement going backwards: it lost entries, so it gets them again
                if now < acked:
                    _remember(path, now, 0)
                raise DeskAway("The control plane did not take the entries.")
            acked = now
        return acked

    def _adopt(self, path: Path) -> None:
        """A journal nobody writes any more and nobody closed: its process died."""
        job = path.stem
        if not journal.finish_orphan(path, lambda: spool.salvage(self._config, job)):
            self._orphan_check[path] = time.monotonic() + ORPHAN_AFTER_S
            return
        entries = journal.read(path)
        if not entries:
            path.unlink(missing_ok=True)
            return
        log.error("The process of a call died; its journal was closed", extra={"job": job})
        self._on_orphan(str(entries[0].data.get("room", "")))

    async def upload(self, path: Path) -> None:
        """Bring one recording to the store; drop it when the control plane has verified it."""
        sound = path.with_suffix(".ogg")
        facts = json.loads(path.read_text())
        try:
            answer = await self._desk.recording(facts)
            if answer.get("state") not in {"stored", "unwanted"}:  # the caller refused, say
                target = answer["upload"]
                await self._desk.put(target["url"], target["headers"], sound)
                await self._desk.uploaded(int(answer["id"]), sha256=facts["sha256"])
        except DeskForgets:
            forgetting.throw_away(self._config, path.stem)
            return
        except DeskRefused as reason:
            if reason.status == 409:  # the object did not arrive whole: put it again
                raise DeskAway(str(reason)) from reason
            self._put_aside(path, reason)
            return
        # first the description: without it nobody looks at the sound
        path.unlink()
        sound.unlink(missing_ok=True)

    def _put_aside(self, path: Path, reason: DeskRefused) -> None:
        path.rename(path.with_suffix(path.suffix + ".rejected"))
        log.error(
            "The control plane refused a delivery; it is kept beside as .rejected",
            extra={"job": path.stem, "reason": str(reason)},
        )


def _acked_path(path: Path) -> Path:
    return path.with_suffix(".acked")


def _acked(path: Path) -> tuple[int, int]:
    """Last acknowledged entry and the size of the file then."""
    try:
        number, size = _acked_path(path).read_text().split()
    except (OSError, ValueError):
        return -1, 0
    return int(number), int(size)


def _remember(path: Path, number: int, size: int) -> None:
    aside = _acked_path(path).with_suffix(".acked~")
    aside.write_text(f"{number} {size}")
    aside.replace(_acked_path(path))
