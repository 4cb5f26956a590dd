"""The call's journal: an append-only file of numbered entries, written by the job's process.

One JSON line for each entry (agents/entries.py). The process holds a lock on the file while it
lives; so the courier sees which journals lost their writer.
"""

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import FileIO
from pathlib import Path
from typing import Any

from agents.entries import Entry, Kind
from agents.worker.roomy import Roomy

log = logging.getLogger(__name__)
# losing the last few turns to a power cut is bearable, losing one of these is not
_IMPORTANT: frozenset[Kind] = frozenset(
    {"opened", "answered", "handover", "recording", "consent", "closed"}
)
FULL = "The worker's disk is full; the journal waits in memory for room. Make room there."


class Journal:
    """Opened once in a call's life. Not for two threads."""

    def __init__(self, folder: Path, job: str, *, make_room: Callable[[], int] = lambda: 0) -> None:
        self.path = folder / f"{job}.jsonl"
        self._is_full = False  # and no entry says so yet
        self._file = Roomy(
            self.path, append=True, on_open=_lock, make_room=make_room, on_full=self._full
        )
        self._began = time.time()
        self._began_monotonic = time.monotonic()
        self._next = 0
        self._held: list[Entry] | None = None  # written after `opened`
        self.closed = False

    def ms(self, at: float | None = None) -> int:
        """Milliseconds on the journal's clock; `at` is wall time in seconds, default now."""
        if at is None:
            return round((time.monotonic() - self._began_monotonic) * 1000)
        return max(0, round((at - self._began) * 1000))

    def write(self, kind: Kind, **data: Any) -> None:
        """Entries after `closed` are dropped: nobody reads past the end."""
        if self.closed:
            return
        entry = Entry(
            n=0, ms=self.ms(), kind=kind, data=data,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )  # fmt: skip
        if self._held is not None and kind != "opened":
            self._held.append(entry)
            return
        self._append(entry)
        self._let_go()
        if self._is_full and not self.closed:
            self._is_full = False
            self.write("error", what="disk", detail=FULL)

    def _full(self) -> None:
        """Noted only: this comes in the middle of an entry."""
        self._is_full = True

    def hold(self) -> None:
        """A journal begins with `opened`: what happens before that is written behind it."""
        self._held = []

    def _let_go(self) -> None:
        held, self._held = self._held or [], None
        for entry in held:
            self._append(entry)

    def _append(self, entry: Entry) -> None:
        self._file.write(line_of(replace(entry, n=self._next)))
        if entry.kind in _IMPORTANT:
            self._file.sync()
        self._next += 1
        self.closed = entry.kind == "closed"

    def discard(self) -> None:
        """Nothing happened here: no file, no entries."""
        self.path.unlink(missing_ok=True)
        self.closed = True
        self._file.close()
        self.path.unlink(missing_ok=True)  # closing writes what waited

    def release(self) -> None:
        """Let go of the file; the courier takes it from here. One that never was `opened` belongs
        to no call."""
        if self._held is not None:
            self.discard()
        self._file.close()


def _lock(file: FileIO) -> None:
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def line_of(entry: Entry) -> bytes:
    return (json.dumps(entry.to_dict(), separators=(",", ":")) + "\n").encode()


def read(path: Path, *, after: int = -1) -> list[Entry]:
    """Whole entries with n > after. A torn last line (a crash) is left out."""
    entries = []
    for line in path.read_bytes().split(b"\n")[:-1]:
        try:
            entries.append(Entry.from_dict(json.loads(line)))
        except ValueError:
            log.error("A line of a journal cannot be read", extra={"job": path.stem})
            break
    return [entry for entry in entries if entry.n > after]


def finish_orphan(path: Path, salvage: Callable[[], dict[str, Any]]) -> bool:
    """Close the journal of a process that died. False if its writer lives.

    `salvage` saves the call's recording and returns its facts, or nothing.
    """
    with path.open("r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        _drop_torn_line(file.fileno(), path)
        entries = read(path)
        if not entries or entries[-1].kind == "closed":
            return True
        file.seek(0, os.SEEK_END)
        for entry in _last_words(entries, salvage()):
            file.write(line_of(entry))
        file.flush()
        os.fsync(file.fileno())
    return True


def _last_words(entries: list[Entry], recording: dict[str, Any]) -> list[Entry]:
    """The end is that of the recording, else of the last entry: nobody knows it better."""
    last = entries[-1]
    answered = next((entry.ms for entry in entries if entry.kind == "answered"), None)
    end = max(last.ms, recording.get("starts_ms", 0) + recording.get("duration_ms", 0))
    facts: list[tuple[Kind, dict[str, Any]]] = [
        ("error", {"what": "process", "detail": "The process of this call died. See the log."})
    ]
    if recording:
        keys = ("starts_ms", "duration_ms", "sha256", "size")
        facts.append(("recording", {key: recording[key] for key in keys}))
    talked = 0 if answered is None else end - answered
    facts.append(
        ("closed", {"reason": "error", "answered": answered is not None, "talked_ms": talked})
    )
    at = datetime.fromisoformat(last.at) + timedelta(milliseconds=end - last.ms)
    return [
        Entry(n=last.n + n, ms=end, at=at.isoformat(timespec="milliseconds"), kind=kind, data=data)
        for n, (kind, data) in enumerate(facts, start=1)
    ]


def _drop_torn_line(descriptor: int, path: Path) -> None:
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        os.ftruncate(descriptor, content.rfind(b"\n") + 1)
